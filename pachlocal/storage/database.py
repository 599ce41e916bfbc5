"""The metadata of a store: one SQLite file, one writer at a time, any number of readers.

SQLite runs in WAL mode with ``synchronous=FULL``: a transaction that has committed is on disk
(https://www.sqlite.org/pragma.html#pragma_synchronous). Readers see the state of their first
statement and never wait for the writer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import resources
from itertools import chain, islice
from pathlib import Path
from typing import Any, NoReturn

from pachlocal.errors import DamagedStoreError
from pachlocal.private_files import open_private
from pachlocal.storage import disk
from pachlocal.storage.change_notifier import ChangeNotifier
from pachlocal.storage.readers import Readers
from pachlocal.storage.reserve import Reserve
from pachlocal.storage.write_queue import WriteQueue

Connection = sqlite3.Connection
Row = sqlite3.Row

_ROWS = 64  # a statement
_FEW_ROWS = 6
_PATIENCE_MS = 60_000  # a backup tool may hold the lock
_PAGES = 500  # a step: 2 MiB of log


class Database:
    """A SQLite file with migrations, a write lock, pooled readers and a notifier of changes.

    Attributes:
        notifier: Of all changes but progress; and of topics, see `publish_changes`.
        progress: Of what was written as progress.
        reserve: The room that is kept back for what frees room.
        as_it_is: Whether it was opened only to be looked at.

    Every method may be called from any thread. A write transaction belongs to the thread that
    opened it and can't be nested.
    """

    def __init__(
        self, path: Path, reserve: Reserve | None = None, *, as_it_is: bool = False
    ) -> None:
        """Open the file, or make it.

        Args:
            path: Where it is.
            reserve: That of its folder, unless nobody else needs it.
            as_it_is: To look for damage only: nothing is migrated, nor has to be readable.

        Raises:
            OSError: The disk is full, or can't be written to.
            DamagedStoreError: It is damaged, or that of a newer pachlocal.
        """
        self._path = path
        self.reserve = reserve or Reserve(path.parent)
        self._readers = Readers(self._connect)
        self.notifier = ChangeNotifier()
        self.progress = ChangeNotifier()
        self.as_it_is = as_it_is
        if as_it_is:
            self._writer = _open(path)
            self._queue = WriteQueue(self._writer, self.notifier, self.progress)
            return
        try:
            _create(path)
            self._writer = self._connect()
            self._queue = WriteQueue(self._writer, self.notifier, self.progress)
            self._writer.execute("PRAGMA temp_store = MEMORY")  # of `publish_changes`
            self._writer.create_function("touch", -1, self._touch_all)
            migrate(self._writer)
        except sqlite3.OperationalError as error:
            self._raise(error)
        except sqlite3.DatabaseError as error:
            if problem := damage(error):
                raise DamagedStoreError(problem) from error
            raise

    def _connect(self) -> Connection:
        connection = _open(self._path)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        except UnicodeDecodeError as error:  # SQLite's message quotes from what is damaged
            connection.close()
            message = error.object.decode(errors="backslashreplace")
            raise sqlite3.DatabaseError(message) from error
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def write(self, *, progress: bool = False) -> Iterator[Connection]:
        """Open the write transaction: durable as a whole when the block ends, or not at all.

        Writers have it in the order in which they come. What those write who wait for each other is
        committed together, with one fsync; see `WriteQueue`.

        Args:
            progress: What is written says only how far some work has come. It isn't worth an fsync,
                nor waking everybody: it survives a crash of this program, and one of the machine
                once anything after it was made durable.

        Raises:
            OSError: The disk is full, or can't be written to.
        """
        self.reserve.check()
        try:
            with self._queue.write(progress=progress) as connection:
                yield connection
        except sqlite3.OperationalError as error:
            self._raise(error)

    @contextmanager
    def preview(self) -> Iterator[Connection]:
        """Open a write transaction that is undone when the block ends."""
        with self._queue.alone():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            finally:
                if self._writer.in_transaction:  # a full disk may have ended it already
                    self._writer.execute("ROLLBACK")

    @property
    def writing(self) -> Connection | None:
        """The write transaction that this thread has open, if it has."""
        return self._writer if self._queue.is_mine else None

    @property
    def waiting_writers(self) -> int:
        """How many wait to write."""
        return self._queue.waiting

    def publish_changes(self, table: str, *columns: str) -> None:
        """Have the notifier tell of changed rows of a table from now on.

        Args:
            table: A topic of its is `("table", 0)`, whatever row.
            columns: Others are `("table.column", value)`, for columns that hold integers and, once
                a row is there, don't change.
        """
        with self._queue.alone():
            for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
                topics = [f"'{table}', 0", *(f"'{table}.{name}', {row}.{name}" for name in columns)]
                name = f"publish_{table}_{event}"
                self._writer.execute(
                    f"CREATE TEMP TRIGGER IF NOT EXISTS {name} AFTER {event} ON main.{table}"
                    f" BEGIN SELECT touch({', '.join(topics)}); END"
                )

    def touch(self, kind: str, which: int) -> None:
        """Tell of a change of a topic when the write transaction, which is open, has committed."""
        self._queue.touch((kind, which))

    def _touch_all(self, *topics: Any) -> None:
        """Touch the topics that are named, each by its two values: one call of SQLite's for all."""
        for kind, which in zip(topics[::2], topics[1::2], strict=True):
            self.touch(kind, which)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a snapshot: all statements in the block see one and the same state.

        In a write transaction of the same thread it is what that one sees.
        """
        if self.writing is not None:
            yield self.writing
            return
        connection = self._readers.take()
        try:
            connection.execute("BEGIN")
            yield connection
        except sqlite3.OperationalError as error:
            self._raise(error)
        finally:
            if connection.in_transaction:  # an error of the disk may have ended it already
                connection.execute("ROLLBACK")
            self._readers.put_back(connection)

    @contextmanager
    def inspect(self) -> Iterator[Connection]:
        """Open a snapshot to look for damage in: text that isn't UTF-8 is shown with escapes."""
        with closing(self._connect()) as connection:
            connection.text_factory = _shown
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """Open a view for one statement: it needs no transaction, which costs three.

        In a write transaction of the same thread it reads what that one sees.
        """
        if self.writing is not None:  # those whose transaction it is part of are not committed yet
            yield self.writing
            return
        connection = self._readers.take()
        try:
            yield connection
        except sqlite3.OperationalError as error:
            self._raise(error)
        finally:
            self._readers.put_back(connection)

    def query(self, statement: str, parameters: Sequence[object]) -> list[Row]:
        """Return all that one statement reads, as in `glance`."""
        with self.glance() as connection:
            return connection.execute(statement, parameters).fetchall()

    def _raise(self, error: sqlite3.OperationalError) -> NoReturn:
        """Raise what SQLite met instead of its own error, when that is the disk."""
        met = disk.cause(error, self._path.parent)
        if met is None:
            raise error
        raise met from error

    def give_back(self) -> None:
        """Give free pages, and the log's, back to the disk: some at a time, so that others write.

        What a reader still looks at stays, for another time.
        """
        before = None
        while True:
            with self.write(progress=True) as connection:
                (free,) = connection.execute("PRAGMA freelist_count").fetchone()
                if free in (0, before):
                    break
                connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
            before = free
        with self._queue.alone():
            self._writer.execute("PRAGMA busy_timeout = 0")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._writer.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")

    @property
    def store_id(self) -> str:
        """The store's ID, the same for as long as it exists."""
        with self.read() as connection:
            (id_,) = connection.execute("SELECT id FROM store").fetchone()
        return str(id_)

    def close(self) -> None:
        """Close all connections. No transaction may be open."""
        with self._queue.alone():
            self._writer.close()
        self._readers.close()


def damage(error: Exception) -> str:
    """Say what an error of SQLite tells of damage to the file; empty when it has another reason."""
    # SQLITE_CORRUPT and SQLITE_NOTADB; Python 3.10 gives no error code.
    if type(error) is sqlite3.DatabaseError or str(error).startswith("Could not decode to UTF-8"):
        return f"pach.db is damaged: {error}"
    return ""


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
        if len(batch) == _ROWS or len(batch) <= _FEW_ROWS:  # others' texts would crowd the cache
            statement = f"{into} VALUES {','.join([row] * len(batch))} {otherwise}"
            connection.execute(statement, list(chain.from_iterable(batch)))
        else:
            connection.executemany(f"{into} VALUES {row} {otherwise}", batch)


def _open(path: Path) -> Connection:
    """Connect, for this process alone.

    The index of the log is kept in memory then. As a file that is mapped it ends the process
    (SIGBUS) where pages that are written to take new room: btrfs, ZFS, when they are full. See
    https://www.sqlite.org/vfs.html#standard_unix_vfses (unix-excl).
    """
    uri = f"{path.absolute().as_uri()}?vfs=unix-excl"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def _create(path: Path) -> None:
    """Lay out the file if it is new; that can't be done later.

    Nor in each connection: this writes, so it would wait for the writer, which may wait for us.
    """
    undo = path.with_name(f"{path.name}-journal")  # the power may have gone while it was laid out
    if path.exists() and path.stat().st_size and not undo.exists():
        return
    open_private(path, "a").close()  # its WAL gets the same mode
    with closing(_open(path)) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        if pages == 0:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")


def _shown(text: bytes) -> str:
    return text.decode(errors="backslashreplace")


def migrate(connection: Connection) -> None:
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
