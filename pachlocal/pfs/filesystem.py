"""PFS as a whole: one store, its transactions, and modifications of its commits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pachlocal.pfs import branches, commits, history, repos, resolve
from pachlocal.pfs.content import Objects
from pachlocal.pfs.firing import fire_finished
from pachlocal.pfs.layers import Layers
from pachlocal.pfs.modification import Modification
from pachlocal.pfs.names import BranchName, CommitName, new_id
from pachlocal.pfs.propagation import propagate
from pachlocal.pfs.records import CommitInfo
from pachlocal.pfs.transaction import Transaction
from pachlocal.storage.database import Connection, Database
from pachlocal.storage.objects import ObjectStore, ObjectWriter

_A = TypeVar("_A")
_B = TypeVar("_B")


class FileSystem:
    """Repos, branches, commits and files in one folder. Any thread may use it.

    Attributes:
        database: The metadata.
        objects: The content.
        before_commit: Called at the end of every transaction, inside it, when its new commits are
            known: this is where jobs are made for them.
    """

    def __init__(self, root: Path) -> None:
        self.database = Database(root / "pach.db")
        self.objects = ObjectStore(self.database, root / "chunks")
        self.before_commit: list[Callable[[Transaction], None]] = []
        self._open = threading.local()
        with self.transaction() as tx:
            repos.ensure_default_project(tx)

    @contextmanager
    def transaction(self, id_: str | None = None) -> Iterator[Transaction]:
        """Open a transaction: what the block does happens as a whole, or not at all on an error.

        Inside the block of another one, in the same thread, it is that other one.

        Args:
            id_: Its ID, and that of the commits it makes; a new one when it isn't given.
        """
        outer: Transaction | None = getattr(self._open, "transaction", None)
        if outer is not None:
            yield outer
            return
        with (
            self.database.write() as connection,
            self._opened(Transaction(connection, id_ or new_id())) as tx,
        ):
            yield tx

    @contextmanager
    def rehearsal(self, id_: str) -> Iterator[Transaction]:
        """Open, inside another one, a transaction that is undone when its block ends.

        Args:
            id_: The ID that it is to have.
        """
        outer: Transaction = self._open.transaction
        connection = outer.connection
        connection.execute("SAVEPOINT rehearsal")
        try:
            with self._opened(Transaction(connection, id_)) as tx:
                yield tx
        finally:
            if connection.in_transaction:  # a full disk may have ended it already
                connection.execute("ROLLBACK TO rehearsal")
                connection.execute("RELEASE rehearsal")

    @contextmanager
    def _opened(self, tx: Transaction) -> Iterator[Transaction]:
        """Make a transaction this thread's, and do what belongs to its end."""
        outer: Transaction | None = getattr(self._open, "transaction", None)
        self._open.transaction = tx
        try:
            yield tx
            fire_finished(tx)
            propagate(tx)
            for hook in self.before_commit:
                hook(tx)
        finally:
            self._open.transaction = outer

    def preview(
        self, change: Callable[[Transaction], _A], look: Callable[[Connection, _A], _B]
    ) -> _B:
        """Look at what a change would make of the store, and undo it: nothing is written.

        Args:
            change: Makes the change, in a transaction of its own. It must not put objects.
            look: Looks at what has come of it, what follows downstream included.

        Returns:
            What `look` found.
        """
        with self.database.preview() as connection:
            tx = Transaction(connection, new_id())
            with self._opened(tx):
                changed = change(tx)
            return look(connection, changed)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open a view of one state."""
        with self.database.read() as connection:
            yield connection

    @contextmanager
    def modify(self, target: CommitName, branch: str = "") -> Iterator[Modification]:
        """Change files in a commit; the changes are made, durably, when the block ends.

        Args:
            target: An open commit; or a branch, when its head is open (that commit is written to),
                finished or missing (a commit is started, written and finished in one go).
            branch: The branch when `target` has no id.

        Raises:
            NotFoundError: The repo or commit isn't there.
            ConflictError: The commit has been finished, also in the meantime.
        """
        with self.snapshot() as connection:
            _target(connection, target, branch)  # a wrong target fails before any byte is sent
        with ObjectWriter(self.objects) as writer, Modification(writer) as modification:
            yield modification
            changes = modification.finish()
            while not self._commit(writer, changes, target, branch):
                pass  # another stream was quicker: apply the same changes to what it left

    def _commit(
        self, writer: ObjectWriter, changes: Layers, target: CommitName, branch: str
    ) -> bool:
        """Make changes; False when the tree that they were applied to is no longer the newest."""
        with self.snapshot() as connection:
            base, _ = _target(connection, target, branch)
            before = commits.base_root(connection, base)
        after = changes.apply(writer, before)
        writer.prepare()
        with self.transaction() as tx:
            now, new_on = _target(tx.connection, target, branch)
            if commits.base_root(tx.connection, now) != before:
                return False
            commit = now if new_on is None else history.start(tx, new_on)
            assert commit is not None  # noqa: S101 - the open commit that is written to
            written = commits.set_root(tx, writer, commit, after)
            if new_on is not None:
                commits.finish(tx, writer, written)
            writer.write_into(tx.connection)
        return True

    def change_in(
        self,
        tx: Transaction,
        objects: Objects,
        changes: Layers,
        target: CommitName,
        branch: str = "",
    ) -> CommitInfo:
        """Make changes as part of a transaction, and finish the commit that has them.

        Args:
            tx: The transaction.
            objects: Where the new content is; the caller sees to it that it is stored.
            changes: What is to change.
            target: As for `modify`; an open commit is finished, too.
            branch: The branch when `target` has no id.

        Raises:
            NotFoundError: The repo or commit isn't there.
            ConflictError: The commit has been finished.
        """
        now, new_on = _target(tx.connection, target, branch)
        after = changes.apply(objects, commits.base_root(tx.connection, now))
        commit = now if new_on is None else history.start(tx, new_on)
        assert commit is not None  # noqa: S101 - the open commit that is written to
        return commits.finish(tx, objects, commits.set_root(tx, objects, commit, after))

    def close(self) -> None:
        """Close the store's files."""
        self.objects.close()
        self.database.close()


def _target(
    connection: Connection, target: CommitName, branch: str
) -> tuple[CommitInfo | None, BranchName | None]:
    """Find what a modification begins with, and the branch to start a commit on.

    The branch is None when what it begins with is open, and written to itself.
    """
    repos.key(connection, target.repo)
    name = BranchName(target.repo, target.id or branch)
    key = branches.find(connection, name)
    if key is None and resolve.is_commit(name.name):
        commit = resolve.resolve(connection, target)
        commits.check_open(commit)
        return commit, None
    head = branches.head(connection, key) if key is not None else None
    if head is not None and head.finished is None:
        return head, None
    return head, name
