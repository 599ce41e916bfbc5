"""The metadata of a store: one SQLite file, one writer at a time, any number of readers.

SQLite runs in WAL mode with ``synchronous=FULL``: a transaction that has committed is on disk
(https://www.sqlite.org/pragma.html#pragma_synchronous). Readers see the state of their first
statement and never wait for the writer.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import resources
from itertools import chain, islice
from pathlib import Path

from pachlocal.errors import DamagedStoreError
from pachlocal.storage.news import News

Connection = sqlite3.Connection
Row = sqlite3.Row

_ROWS = 64  # a statement


class Database:
    """A SQLite file with migrations, a write lock, pooled readers and news of changes.

    Attributes:
        news: Of all changes but progress.
        progress: Of what was written as progress.

    Every method may be called from any thread. A write transaction belongs to the thread that
    opened it and can't be nested.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._write_lock = threading.Lock()
        _create(path)
        self._writer = self._connect()
        self._idle_readers: list[Connection] = []
        self.news = News()
        self.progress = News()
        _migrate(self._writer)

    def _connect(self) -> Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA busy_timeout = 60000")  # ms; a backup tool may hold the lock
        return connection

    @contextmanager
    def write(self, *, progress: bool = False) -> Iterator[Connection]:
        """Open the write transaction: durable as a whole when the block ends, or not at all.

        Args:
            progress: What is written says only how far some work has come. It isn't worth an fsync,
                nor waking everybody: it survives a crash of this program, and one of the machine
                once anything after it was made durable.
        """
        with self._write_lock:
            self._writer.execute(f"PRAGMA synchronous = {'NORMAL' if progress else 'FULL'}")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # a full disk may have ended it already
                    self._writer.execute("ROLLBACK")
                raise
        (self.progress if progress else self.news).wake()

    @contextmanager
    def preview(self) -> Iterator[Connection]:
        """Open a write transaction that is undone when the block ends."""
        with self._write_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            finally:
                if self._writer.in_transaction:  # a full disk may have ended it already
                    self._writer.execute("ROLLBACK")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a snapshot: all statements in the block see one and the same state."""
        connection = self._reader()
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            if connection.in_transaction:  # an error of the disk may have ended it already
                connection.execute("ROLLBACK")
            self._idle_readers.append(connection)

    def query(self, statement: str, parameters: Sequence[object]) -> list[Row]:
        """Return all that one statement reads: it needs no transaction, which costs three."""
        connection = self._reader()
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            self._idle_readers.append(connection)

    def _reader(self) -> Connection:
        """Take a connection for reading, to be put back among the idle ones."""
        try:
            return self._idle_readers.pop()
        except IndexError:
            return self._connect()

    @property
    def store_id(self) -> str:
        """The store's ID, the same for as long as it exists."""
        with self.read() as connection:
            (id_,) = connection.execute("SELECT id FROM store").fetchone()
        return str(id_)

    def close(self) -> None:
        """Close all connections. No transaction may be open."""
        with self._write_lock:
            self._writer.close()
        while self._idle_readers:
            self._idle_readers.pop().close()


def insert(
    connection: Connection, into: str, rows: Iterable[tuple[object, ...]], otherwise: str = ""
) -> None:
    """Insert rows, many with each statement.

    By itself that is no quicker than `executemany`. But each step of a statement gives the
    interpreter to another thread, and has to wait until it gets it back: where others are at work
    it is these that get on (8 % more batched datums a second).

    Args:
        connection: In a transaction.
        into: The statement up to its columns.
        rows: A value for each column.
        otherwise: The statement's end.
    """
    left = iter(rows)
    while batch := list(islice(left, _ROWS)):
        row = f"({','.join('?' * len(batch[0]))})"
        if len(batch) == _ROWS:
            statement = f"{into} VALUES {','.join([row] * _ROWS)} {otherwise}"
            connection.execute(statement, list(chain.from_iterable(batch)))
        else:
            connection.executemany(f"{into} VALUES {row} {otherwise}", batch)


def _create(path: Path) -> None:
    """Make the file if there is none; how it is laid out can't be said later.

    Nor in each connection: this writes, so it would wait for the writer, which may wait for us.
    """
    if path.exists() and path.stat().st_size:
        return
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")


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
