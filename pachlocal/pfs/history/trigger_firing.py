"""Triggers at work: branches follow others when a commit finishes, or by the clock."""

from __future__ import annotations

from pachlocal.errors import InvalidArgumentError, NotFoundError
from pachlocal.pfs.history import branches, commits, schedule, triggers
from pachlocal.pfs.history.names import BranchName
from pachlocal.pfs.history.records import CommitInfo, OriginKind
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pfs.history.triggers import Trigger
from pachlocal.storage.database import Connection


def attach(tx: Transaction, branch: BranchName, trigger: Trigger) -> None:
    """Give a branch a trigger; it is made, with an empty commit, when it isn't there.

    Raises:
        NotFoundError: The repo isn't there.
        InvalidArgumentError: It can't be a trigger, closes a circle, or the branch is computed from
            others.
    """
    key = branches.find(tx.connection, branch)
    if key is None:
        key = branches.create(tx, branch)
    if branches.has_provenance(tx.connection, key):
        raise InvalidArgumentError("a branch cannot have both provenance and a trigger")
    head = branches.head(tx.connection, key)
    triggers.put(tx, key, trigger, tx.now if head is None else head.started)
    branches.note_change(tx, key)


def fire_finished(tx: Transaction) -> Transaction | None:
    """Let branches follow the commits that were finished in a transaction.

    A chain (c follows b, b follows a) goes on as far as its triggers fire.

    Returns:
        The change that they make: part of the same write, with an ID of its own. None when no
        branch follows.
    """
    fired = Transaction(tx.connection, now=tx.now)
    for key in tx.finished:
        waiting = list(triggers.beside(tx.connection, key))
        if not waiting:
            continue
        try:
            commit = commits.by_key(tx.connection, key)
        except NotFoundError:  # removed in the same transaction
            continue
        moved = {commit.branch}
        while ready := [item for item in waiting if item[2].branch in moved]:
            waiting = [item for item in waiting if item not in ready]
            for branch, name, trigger in ready:
                if name not in moved and _fire(fired, branch, trigger, commit):
                    moved.add(name)
    tx.finished.clear()
    return fired if fired.moved else None


def fire_by_clock(tx: Transaction, branch: int, due: int) -> None:
    """Let a branch (by row) with a `cron_spec` follow, whether there is something new or not.

    Args:
        tx: The transaction.
        branch: The branch.
        due: The time that fires it (ns since 1970).
    """
    trigger = triggers.find(tx.connection, branch)
    if trigger is None:  # taken away in this moment
        return
    triggers.set_ticked(tx, branch, due)
    repo = branches.by_key(tx.connection, branch).name.repo
    source = branches.find(tx.connection, BranchName(repo, trigger.branch))
    head = branches.head(tx.connection, source) if source is not None else None
    if head is not None:
        branches.set_head(tx, branch, head.key)


def _fire(tx: Transaction, branch: int, trigger: Trigger, new: CommitInfo) -> bool:
    old = branches.head(tx.connection, branch)
    if trigger.cron_spec or (old is not None and old.key == new.key):
        return False
    conditions = []
    if trigger.size:
        conditions.append(new.size - (old.size if old else 0) >= trigger.size_bytes)
    if trigger.rate_limit_spec:
        last = old.finished if old and old.finished else 0
        due = schedule.parse(trigger.rate_limit_spec).next(last)
        conditions.append(due is not None and due < (new.finished or 0))
    if trigger.commits:
        conditions.append(_has_commits(tx.connection, old, new, trigger.commits))
    if not (all(conditions) if trigger.all else any(conditions)):
        return False
    branches.set_head(tx, branch, new.key)
    return True


def _has_commits(
    connection: Connection, old: CommitInfo | None, new: CommitInfo, wanted: int
) -> bool:
    """Whether so many commits have come since an old head, that of a branch's creation left out."""
    (count,) = connection.execute(
        """
        WITH RECURSIVE line (id, parent_id, origin) AS (
            SELECT id, parent_id, origin FROM commits WHERE id = :new
            UNION ALL
            SELECT c.id, c.parent_id, c.origin FROM line JOIN commits c ON c.id = line.parent_id
            WHERE c.id IS NOT :old
        )
        SELECT count(*) FROM (
            SELECT 1 FROM line WHERE parent_id IS NOT NULL OR origin != :auto LIMIT :wanted
        )
        """,
        {
            "new": new.key,
            "old": old.key if old else None,
            "auto": int(OriginKind.AUTO),
            "wanted": wanted,
        },
    ).fetchone()
    return bool(count == wanted)
