"""Triggers as they are stored: when a branch's head follows that of another branch of its repo.

See https://docs.pachyderm.com/latest/learn/glossary/branch-trigger/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs import schedule
from pachlocal.pfs.names import validate_name
from pachlocal.pfs.transaction import Transaction
from pachlocal.storage.database import Connection, Row

# As on the real server all units are decimal, however they are spelled.
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp])?i?b?", re.IGNORECASE)
_POWERS = {unit: power for power, unit in enumerate(("", "k", "m", "g", "t", "p"))}


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
            raise InvalidArgumentError(f"invalid trigger size: {self.size!r} is not like 100MB")
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


def find(connection: Connection, branch: int) -> Trigger | None:
    """Return the trigger of a branch (by row), or None."""
    row = connection.execute(
        "SELECT * FROM branch_triggers WHERE branch_id = ?", (branch,)
    ).fetchone()
    return _trigger(row) if row else None


def of_repo(connection: Connection, repo: int) -> Iterator[tuple[int, str, Trigger]]:
    """Yield (row of the branch, its name, its trigger) for a repo, by row."""
    rows = connection.execute(
        "SELECT t.*, b.name FROM branch_triggers t JOIN branches b ON b.id = branch_id"
        " WHERE repo_id = ? ORDER BY branch_id",
        (repo,),
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
