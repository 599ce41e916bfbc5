"""The metadata of a store: one SQLite file, one writer at a time, any number of readers.

SQLite runs in WAL mode with ``synchronous=FULL``: a transaction that has committed is on disk
(https://www.sqlite.org/pragma.html#pragma_synchronous). Readers see the state of their first
statement and never wait for the writer.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from pachlocal.errors import DamagedStoreError

Connection = sqlite3.Connection
Row = sqlite3.Row


class Database:
    """A SQLite file with migrations, a write lock, pooled readers and news of changes.

    Every method may be called from any thread. A write transaction belongs to the thread that
    opened it and can't be nested.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._write_lock = threading.Lock()
        self._writer = self._connect()
        self._idle_readers: list[Connection] = []
        self._changed = threading.Condition()
        self._version = 0
        _migrate(self._writer)

    def _connect(self) -> Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # has effect on a new file only
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA busy_timeout = 60000")  # ms; a backup tool may hold the lock
        return connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open the write transaction: durable as a whole when the block ends, or not at all."""
        with self._write_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # a full disk may have ended it already
                    self._writer.execute("ROLLBACK")
                raise
        self.wake()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a snapshot: all statements in the block see one and the same state."""
        try:
            connection = self._idle_readers.pop()
        except IndexError:
            connection = self._connect()
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.execute("ROLLBACK")
            self._idle_readers.append(connection)

    @property
    def store_id(self) -> str:
        """The store's ID, the same for as long as it exists."""
        with self.read() as connection:
            (id_,) = connection.execute("SELECT id FROM store").fetchone()
        return str(id_)

    @property
    def version(self) -> int:
        """A number that grows with every change; to be taken before looking, for `wait`."""
        with self._changed:
            return self._version

    def wake(self) -> None:
        """Make every `wait` return, because something changed or a waiter should look up."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def wait(self, seen: int, timeout_s: float | None = None) -> int:
        """Block until the version is no longer `seen`, or the time is over; return the version."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != seen, timeout_s)
            return self._version

    def wait_until(self, found: Callable[[], bool], alive: Callable[[], bool]) -> bool:
        """Block until `found()`; False when `alive()` ended first. Asked at each change."""
        while alive():
            seen = self.version
            if found():
                return True
            self.wait(seen)
        return False

    def close(self) -> None:
        """Close all connections. No transaction may be open."""
        with self._write_lock:
            self._writer.close()
        while self._idle_readers:
            self._idle_readers.pop().close()


def _migrate(connection: Connection) -> None:
    """Bring the schema to the newest version; refuse a store that a newer pachlocal has written."""
    (current,) = connection.execute("PRAGMA user_version").fetchone()
    scripts = sorted(
        (int(entry.name.split("_")[0]), entry)
        for entry in (resources.files(__package__) / "migrations").iterdir()
        if entry.name.endswith(".sql")
    )
    newest = scripts[-1][0]
    if current > newest:
        raise DamagedStoreError(
            f"this store has schema {current}, and this pachlocal knows up to {newest}: "
            "use the newer pachlocal that made it"
        )
    for number, script in scripts:
        if number > current:
            connection.executescript(
                f"BEGIN IMMEDIATE; {script.read_text()}; PRAGMA user_version = {number}; COMMIT;"
            )
