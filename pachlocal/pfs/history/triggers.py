"""Triggers as they are stored: when a branch's head follows that of another branch of its repo.

See https://docs.pachyderm.com/latest/learn/glossary/branch-trigger/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pachlocal.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError
from pachlocal.pfs.history import schedule
from pachlocal.pfs.history.names import validate_name
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.storage.database import Connection, Row

# As on the real server all units are decimal, however they are spelled.
_SIZE = re.compile(r"(\d{1,20}(?:\.\d{1,20})?) ?(?:([kmgtp])(?:i?b)?|b)?", re.IGNORECASE | re.ASCII)
_POWERS = {unit: power for power, unit in enumerate(("", "k", "m", "g", "t", "p"))}
# Which branch follows which, as far as both are there.
_TIES = """
    SELECT b.id AS follower, b.name AS follower_name, s.id AS source, s.name AS source_name
    FROM branch_triggers t JOIN branches b ON b.id = t.branch_id
    JOIN branches s ON s.repo_id = b.repo_id AND s.name = t.source
"""


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a branch follows another.

    Attributes:
        branch: The branch that is followed.
        all: Whether all of the conditions that are set have to hold, or any one.
        rate_limit_spec: A schedule: not before its first time after the last commit taken over.
        size: So much new data, with unit: `100MB`.
        commits: So many new commits.
        cron_spec: A schedule by which it follows, whatever the conditions say.
    """

    branch: str
    all: bool = False
    rate_limit_spec: str = ""
    size: str = ""
    commits: int = 0
    cron_spec: str = ""

    @property
    def size_bytes(self) -> int:
        """The size in bytes.

        Raises:
            InvalidArgumentError: It isn't one.
        """
        match = _SIZE.fullmatch(self.size)
        if match is None:
            raise InvalidArgumentError(
                f"invalid trigger size: {self.size[:40]!r} is not like 100MB"
            )
        return int(float(match[1]) * 1000 ** _POWERS[(match[2] or "").lower()])


def check(trigger: Trigger) -> None:
    """Refuse what can't be a trigger.

    Raises:
        InvalidArgumentError: The message says why.
    """
    if not trigger.branch:
        raise InvalidArgumentError("triggers must specify a branch to trigger on")
    validate_name(trigger.branch)
    for spec, what in ((trigger.rate_limit_spec, "rate limit"), (trigger.cron_spec, "cron")):
        try:
            if spec:
                schedule.parse(spec)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"invalid trigger {what} spec: {error}") from None
    if trigger.size:
        _ = trigger.size_bytes
    if trigger.commits < 0:
        raise InvalidArgumentError("can't trigger on a negative number of commits")


def put(tx: Transaction, branch: int, trigger: Trigger, ticked: int) -> None:
    """Give a branch (by row) a trigger, in place of the one it may have.

    Args:
        tx: The transaction.
        branch: The branch.
        trigger: Its trigger.
        ticked: Since when the clock counts for `cron_spec` (ns since 1970).

    Raises:
        InvalidArgumentError: It can't be one, or closes a circle of triggers.
        NotFoundError: The branch that it follows isn't there.
    """
    check(trigger)
    (repo, name) = tx.connection.execute(
        "SELECT repo_id, name FROM branches WHERE id = ?", (branch,)
    ).fetchone()
    others = {other: found.branch for _, other, found in of_repo(tx.connection, repo)}
    source: str | None = trigger.branch
    while source is not None:
        if source == name:
            raise InvalidArgumentError("triggers cannot form a loop")
        source = others.get(source)
    followed = tx.connection.execute(
        "SELECT 1 FROM branches WHERE repo_id = ? AND name = ?", (repo, trigger.branch)
    ).fetchone()
    if followed is None:
        raise NotFoundError(f'updating branch trigger: branch "{trigger.branch}" not found')
    tx.connection.execute(
        "INSERT OR REPLACE INTO branch_triggers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            branch,
            trigger.branch,
            trigger.all,
            trigger.rate_limit_spec,
            trigger.size,
            trigger.commits,
            trigger.cron_spec,
            ticked,
        ),
    )


def remove(tx: Transaction, branch: int) -> None:
    """Take a branch's trigger away, if it has one."""
    tx.connection.execute("DELETE FROM branch_triggers WHERE branch_id = ?", (branch,))


def remove_followers(tx: Transaction, branch: int) -> None:
    """Take the triggers away by which others follow a branch (by row), which is to go."""
    tx.connection.execute(
        f"DELETE FROM branch_triggers WHERE branch_id IN (SELECT follower FROM ({_TIES})"
        " WHERE source = ?)",
        (branch,),
    )


def refuse_tied(connection: Connection, branches: Sequence[int]) -> None:
    """Refuse to delete branches (by row) that follow others or are followed, without force.

    Raises:
        FailedPreconditionError: There is such a one.
    """
    row = connection.execute(
        f"SELECT * FROM ({_TIES}) WHERE source IN (SELECT value FROM json_each(?1))"
        " OR follower IN (SELECT value FROM json_each(?1))",
        (json.dumps(branches),),
    ).fetchone()
    if row is None:
        return
    if row["source"] in branches:
        name, why = row["source_name"], f"triggers branches [{row['follower_name']}]"
    else:
        name, why = row["follower_name"], f"is triggered by branches [{row['source_name']}]"
    raise FailedPreconditionError(f"branch {name} cannot be deleted because it {why}")


def find(connection: Connection, branch: int) -> Trigger | None:
    """Return the trigger of a branch (by row), or None."""
    row = connection.execute(
        "SELECT * FROM branch_triggers WHERE branch_id = ?", (branch,)
    ).fetchone()
    return _trigger(row) if row else None


def of_repo(connection: Connection, repo: int) -> Iterator[tuple[int, str, Trigger]]:
    """Yield (row of the branch, its name, its trigger) for a repo, by row."""
    return _found(connection, "?", repo)


def beside(connection: Connection, commit: int) -> Iterator[tuple[int, str, Trigger]]:
    """Yield what `of_repo` does for the repo of a commit (by row)."""
    return _found(connection, "(SELECT repo_id FROM commits WHERE id = ?)", commit)


def _found(connection: Connection, repo: str, key: int) -> Iterator[tuple[int, str, Trigger]]:
    rows = connection.execute(
        "SELECT t.*, b.name FROM branch_triggers t JOIN branches b ON b.id = branch_id"
        f" WHERE repo_id = {repo} ORDER BY branch_id",
        (key,),
    )
    for row in rows.fetchall():
        yield row["branch_id"], row["name"], _trigger(row)


def by_clock(connection: Connection) -> list[tuple[int, str, int]]:
    """Return (row of the branch, schedule, last time in ns) of the triggers with a `cron_spec`."""
    rows = connection.execute(
        "SELECT branch_id, cron_spec, ticked FROM branch_triggers WHERE cron_spec != ''"
        " ORDER BY branch_id"
    )
    return [(row["branch_id"], row["cron_spec"], row["ticked"]) for row in rows]


def set_ticked(tx: Transaction, branch: int, ticked: int) -> None:
    """Note when the clock last fired a branch's trigger (ns since 1970)."""
    tx.connection.execute(
        "UPDATE branch_triggers SET ticked = ? WHERE branch_id = ?", (ticked, branch)
    )


def _trigger(row: Row) -> Trigger:
    return Trigger(
        branch=row["source"],
        all=bool(row["every"]),
        rate_limit_spec=row["rate_limit_spec"],
        size=row["size"],
        commits=row["commits"],
        cron_spec=row["cron_spec"],
    )
