"""PFS as a whole: one store, its transactions, and modifications of its commits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from pachlocal.pfs.files import resolve
from pachlocal.pfs.files.modification import Modification
from pachlocal.pfs.history import branches, commits, history, repos, topics
from pachlocal.pfs.history.names import BranchName, CommitName, RepoName, new_id
from pachlocal.pfs.history.propagation import propagate
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pfs.history.trigger_firing import fire_finished
from pachlocal.pfs.tree import tree
from pachlocal.pfs.tree.content import Objects
from pachlocal.pfs.tree.entries import Root
from pachlocal.pfs.tree.layers import Layers
from pachlocal.storage.database import Connection, Database
from pachlocal.storage.integrity import CheckedTable
from pachlocal.storage.object_writer import ObjectWriter
from pachlocal.storage.objects import ObjectStore
from pachlocal.storage.reserve import Reserve
from pachlocal.storage.turns import Turns

_ATTEMPTS = 3  # to apply changes beside the transaction, while others move the branch

_A = TypeVar("_A")
_B = TypeVar("_B")


class FileSystem:
    """Repos, branches, commits and files in one folder. Any thread may use it.

    Attributes:
        database: The metadata.
        objects: The content.
        before_collection: Called before garbage is collected, to forget what nobody needs.
        before_commit: Called at the end of every transaction, inside it, when its new commits are
            known: this is where jobs are made for them.
        tables: Those of the layers above that keep trees, or whose rows can be checked; see
            `pachlocal.pfs.upkeep`.
    """

    def __init__(
        self, root: Path, reserve: Reserve | None = None, *, as_it_is: bool = False
    ) -> None:
        """Open a store, or make it.

        Args:
            root: Its folder.
            reserve: The room that is kept back in it, unless nobody else needs it.
            as_it_is: To look for damage only, when it can't be opened otherwise.

        Raises:
            OSError: The disk is full, or can't be written to.
            DamagedStoreError: Its metadata is damaged, or that of a newer pachlocal.
        """
        self.database = Database(root / "pach.db", reserve, as_it_is=as_it_is)
        self.objects = ObjectStore(self.database, root / "chunks")
        self.before_collection: list[Callable[[Transaction], None]] = []
        self.before_commit: list[Callable[[Transaction], None]] = []
        self.tables: list[CheckedTable] = []
        self._open = threading.local()
        self._turns: Turns[tuple[RepoName, str]] = Turns()
        if not as_it_is:
            with self.transaction() as tx:
                repos.ensure_default_project(tx)
            topics.publish(self.database)

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
            self._conclude(tx)
            # On a real server branches follow in a transaction of its own, and so does what is
            # computed from them: those commits are of another set than the ones that fired them.
            last = tx
            while (fired := fire_finished(last)) is not None:
                tx.fired.append(fired.id)
                self._open.transaction = last = fired
                self._conclude(last)
        finally:
            self._open.transaction = outer

    def _conclude(self, tx: Transaction) -> None:
        """Make the commits downstream, and what the layers above make of them."""
        propagate(tx)
        for hook in self.before_commit:
            hook(tx)

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
            FailedPreconditionError: The commit has been finished, also in the meantime.
        """
        self._check(target, branch)  # a wrong one fails before any byte is sent
        with ObjectWriter(self.objects) as writer, Modification(writer) as modification:
            yield modification
            changes = modification.finish()
            make = partial(self._make, writer, changes, target, branch)
            place = (target.repo, target.id or branch)
            if getattr(self._open, "transaction", None) is not None:
                make(beside=False)
            elif modification.is_small:
                self._turns.let_pass(place)
                make(beside=False)
            else:  # others go on writing meanwhile, elsewhere
                with self._turns.taken(place):
                    if not any(make(beside=True) for _ in range(_ATTEMPTS)):
                        make(beside=False)

    def _check(self, target: CommitName, branch: str) -> None:
        """Refuse what no modification can be made in; of a branch that is there one can."""
        with self.database.glance() as connection:
            found = branches.find(connection, BranchName(target.repo, target.id or branch))
        if found is None:
            with self.snapshot() as connection:
                _target(connection, target, branch)

    def _make(
        self,
        writer: ObjectWriter,
        changes: Layers,
        target: CommitName,
        branch: str,
        *,
        beside: bool,
    ) -> bool:
        """Make changes; False when the tree that they were applied to is no longer the newest.

        Args:
            writer: Has the new content.
            changes: What is to change.
            target: As for `modify`.
            branch: The same.
            beside: Whether they are applied before the transaction is opened, or in it, while
                others wait.
        """
        made = None
        if beside:
            with self.snapshot() as connection:
                found = _target(connection, target, branch)
                before = found.root(connection)
            made = found.change(writer, changes, before)
        writer.prepare()
        with self.transaction() as tx:
            found = _target(tx.connection, target, branch)
            if made is None:
                made = found.change(writer, changes, found.root(tx.connection))
            elif not found.is_as_for(made, found.root(tx.connection)):
                return False
            found.write(tx, writer, made)
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
            FailedPreconditionError: The commit has been finished.
        """
        found = _target(tx.connection, target, branch)
        made = found.change(objects, changes, found.root(tx.connection))
        written = commits.by_key(tx.connection, found.write(tx, objects, made))
        return written if found.new_on is not None else commits.finish(tx, objects, written)

    def close(self) -> None:
        """Close the store's files."""
        self.objects.close()
        self.database.close()


class _Made(NamedTuple):
    """What changes have made of a tree.

    Attributes:
        base: The commit that it follows, by row.
        before: The tree that they were applied to.
        root: The tree with them.
        flaw: Why it can't be laid out; None where that wasn't asked.
    """

    base: int | None
    before: Root
    root: Root
    flaw: str | None


class _Target(NamedTuple):
    """What a modification is made in.

    Attributes:
        base: The commit that it begins with, if there is one.
        new_on: The branch to start a commit on; None when `base` is open, and written to itself.
        branch: That branch's row, if it is there.
    """

    base: CommitInfo | None
    new_on: BranchName | None = None
    branch: int | None = None

    def root(self, connection: Connection) -> Root:
        """Return the files that it begins with."""
        return commits.base_root(connection, self.base)

    def change(self, objects: Objects, changes: Layers, before: Root) -> _Made:
        """Apply changes to the files that it begins with."""
        after = changes.apply(objects, before)
        flaw = commits.flaw_of(objects, self.base, after) if self.new_on is not None else None
        return _Made(self._base_key, before, after, flaw)

    def is_as_for(self, made: _Made, before: Root) -> bool:
        """Whether it begins with the commit and the files that changes have been applied to."""
        return (self._base_key, before) == (made.base, made.before)

    @property
    def _base_key(self) -> int | None:
        return self.base.key if self.base is not None else None

    def write(self, tx: Transaction, objects: Objects, made: _Made) -> int:
        """Write the files that it ends with; return the row of the commit that has them."""
        if self.new_on is not None:
            size = tree.size_of(objects, made.root)
            content = commits.Content(made.root, size, made.flaw or "")
            return history.add(tx, self.new_on, (self.branch, self.base), content)
        assert self.base is not None  # noqa: S101 - the open commit that is written to
        return commits.set_root(tx, objects, self.base, made.root).key


def _target(connection: Connection, target: CommitName, branch: str) -> _Target:
    """Find what a modification is made in."""
    name = BranchName(target.repo, target.id or branch)
    found, head = branches.find_with_head(connection, name)
    if found is None:
        repos.key(connection, target.repo)
        if resolve.is_commit(name.name):
            commit = resolve.resolve(connection, target)
            commits.check_open(commit)
            return _Target(commit)
    if head is not None and head.finished is None:
        return _Target(head)
    return _Target(head, name, found)
