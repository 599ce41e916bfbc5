"""Who writes to the metadata when, and whose writes are committed together.

To commit takes an fsync, and the computing that goes with it. So whoever has written, and sees that
others wait to write, leaves the transaction open to the next one, and waits until the last of them
commits it for all (group commit). Each has a savepoint of its own: what fails is undone alone.
Nobody is told that a write has been made before it is on disk, nor can it be read before.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from threading import Lock, get_ident

from pachlocal.storage.change_notifier import ChangeNotifier, Topic
from pachlocal.storage.turns import FairLock, closed_gate

_MOST = 64  # writers in a transaction
_LONGEST_S = 0.05  # how old a transaction may be for another writer to be let in

_ALONE, _PROGRESS, _DURABLE = "alone", "progress", "durable"  # what is waited for


class _Group:
    """A transaction, and those who have written in it and wait for its end.

    Attributes:
        is_durable: Whether it ends with an fsync.
        has_progress: Whether any of them has written progress.
        begun: When.
        count: How many have written.
        touched: What they have changed.
        error: Why it failed, when it has.
    """

    def __init__(self, *, is_durable: bool) -> None:
        self.is_durable = is_durable
        self.has_progress = False
        self.begun = time.monotonic()
        self.count = 0
        self.touched: set[Topic] = set()
        self.error: BaseException | None = None
        self._gates: list[Lock] = []

    def admits(self, kind: str | None) -> bool:
        """Whether another writer may go on in it."""
        return (
            (kind == _PROGRESS or (kind == _DURABLE and self.is_durable))
            and self.count < _MOST
            and time.monotonic() - self.begun < _LONGEST_S
        )

    def join(self) -> Lock:
        """Return what opens when it has ended. Only for whose turn it is to write."""
        gate = closed_gate()
        self._gates.append(gate)
        return gate

    def end(self, error: BaseException | None = None) -> None:
        """Tell all who wait."""
        self.error = error
        for gate in self._gates:
            gate.release()


class WriteQueue:
    """The turns of all who write by one connection: first come, first served."""

    def __init__(
        self, connection: sqlite3.Connection, notifier: ChangeNotifier, progress: ChangeNotifier
    ) -> None:
        """Take charge of a connection.

        Args:
            connection: That of all writers.
            notifier: Is told of all changes but progress, and of topics.
            progress: Is told of progress.
        """
        self._connection = connection
        self._notifier = notifier
        self._progress = progress
        self._turn: FairLock[str] = FairLock()
        # What follows is of whoever has the turn.
        self._holder: int | None = None
        self._group: _Group | None = None
        self._touched: set[Topic] = set()
        self._synchronous = ""

    @property
    def is_mine(self) -> bool:
        """Whether this thread is writing."""
        return self._holder == get_ident()

    @property
    def waiting(self) -> int:
        """How many wait to write."""
        return self._turn.waiting

    def touch(self, topic: Topic) -> None:
        """Note a change, to tell of when it has been committed."""
        self._touched.add(topic)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have the connection, with no transaction open."""
        self._turn.acquire(_ALONE)
        try:
            yield
        finally:
            self._touched = set()
            self._turn.release()

    @contextmanager
    def write(self, *, progress: bool) -> Iterator[sqlite3.Connection]:
        """Write in a transaction; when the block ends, it has been committed.

        Args:
            progress: Whether that needs no fsync.

        Raises:
            sqlite3.Error: It could not be committed, so that nothing has been written.
        """
        self._turn.acquire(_PROGRESS if progress else _DURABLE)
        self._holder = get_ident()
        try:
            group = self._enter(progress=progress)
            yield self._connection
            if group.count:
                self._connection.execute("RELEASE writer")
        except BaseException as error:
            self._undo(error)
            raise
        group.count += 1
        group.has_progress |= progress
        group.touched |= self._touched
        ended = self._leave(group)
        if ended is not None:
            ended.acquire()
        if group.error is not None:
            raise _anew(group.error)

    def _enter(self, *, progress: bool) -> _Group:
        """Go on with the open transaction, or begin one."""
        self._touched = set()
        if self._group is not None:
            self._connection.execute("SAVEPOINT writer")
            return self._group
        synchronous = "NORMAL" if progress else "FULL"
        if self._synchronous != synchronous:
            self._connection.execute(f"PRAGMA synchronous = {synchronous}")
            self._synchronous = synchronous
        self._connection.execute("BEGIN IMMEDIATE")
        self._group = _Group(is_durable=not progress)
        return self._group

    def _undo(self, error: BaseException) -> None:
        """Take back what this writer wrote, or all, where SQLite has done that already."""
        group = self._group
        if group is not None and group.count and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK TO writer")
                self._connection.execute("RELEASE writer")
            except sqlite3.Error as worse:
                error = worse
            else:
                self._leave(group)
                return
        self._give_up(error)

    def _leave(self, group: _Group) -> Lock | None:
        """Let the next one write; return what opens when the transaction has ended, unless it has.

        Who goes on when nobody waits commits it for all.
        """
        if group.admits(self._turn.next):
            ended = group.join()
            self._holder = None
            self._turn.release()
            return ended
        try:
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._give_up(error)
            return None
        self._holder = self._group = None
        self._turn.release()
        if group.is_durable:
            self._notifier.wake()
        if group.has_progress:
            self._progress.wake()
        self._notifier.publish(group.touched)
        group.end()
        return None

    def _give_up(self, error: BaseException) -> None:
        """Take back what all have written since the last commit, and tell them."""
        group, self._group = self._group, None
        try:
            if self._connection.in_transaction:  # a full disk may have ended it already
                self._connection.execute("ROLLBACK")
        finally:
            self._holder = None
            self._turn.release()
            if group is not None:
                group.end(error)


def _anew(error: BaseException) -> BaseException:
    """Return an error that says the same: each thread raises one of its own."""
    if isinstance(error, (sqlite3.Error, OSError)):
        return copy(error)
    undone = sqlite3.OperationalError("the transaction was rolled back with that of another caller")
    undone.__cause__ = error
    return undone
