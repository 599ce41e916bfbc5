"""Content-addressed objects: immutable bytes that are named by their BLAKE3 hash, stored once.

Small objects are rows in SQLite, which is quicker than the file system for them
(https://www.sqlite.org/fasterthanfs.html); larger ones are files in ``chunks/``, on disk before the
row that makes them exist is committed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import TracebackType

from blake3 import blake3

from pachlocal.errors import DamagedStoreError
from pachlocal.storage.chunk_files import Buffer, ChunkFiles
from pachlocal.storage.database import Connection, Database, insert

INLINE_LIMIT = 64 * 1024  # bytes; larger objects are files
_FLUSH_BYTES = 32 * 1024 * 1024
_FLUSH_OBJECTS = 10_000
_SWEEP_BATCH = 1000  # objects a transaction
_INTO = "INSERT INTO objects (hash, size, data, epoch)"
_OTHERWISE = "ON CONFLICT (hash) DO UPDATE SET epoch = MAX(epoch, excluded.epoch)"


def hash_of(data: Buffer) -> bytes:
    """Name an object: the 32-byte BLAKE3 hash of its content."""
    return blake3(data).digest()


class ObjectStore:
    """The objects of one store. Any thread may use it."""

    def __init__(self, database: Database, chunks: Path) -> None:
        self.database = database
        self.files = ChunkFiles(chunks)
        with database.read() as connection:
            row = connection.execute("SELECT epoch FROM store").fetchone()
        self._epoch: int = row["epoch"]
        self._sessions_changed = threading.Condition()
        self._sessions: list[int] = []  # the epoch in which each open writer began
        self._held: Counter[bytes] = Counter()  # large objects that open writers have put
        self._holding = threading.Lock()

    def get(self, name: bytes) -> bytes:
        """Return an object's bytes, checked against its name.

        Raises:
            DamagedStoreError: It is not in the store, or its bytes changed on disk.
        """
        rows = self.database.query("SELECT data FROM objects WHERE hash = ?", (name,))
        if not rows:
            raise DamagedStoreError(f"object {name.hex()} is missing from the store")
        (inline,) = rows[0]
        data: bytes = inline if inline is not None else self.files.read(name)
        if hash_of(data) != name:
            raise DamagedStoreError(f"object {name.hex()} is damaged: its bytes have changed")
        return data

    def get_small(self, names: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the bytes of those objects that are small, there and sound; the others are left.

        One statement for many of them costs a fraction of `get` for each.
        """
        found = {}
        marks = ",".join("?" * len(names))
        statement = f"SELECT hash, data FROM objects WHERE hash IN ({marks}) AND data IS NOT NULL"
        for name, data in self.database.query(statement, tuple(names)):
            if hash_of(data) == name:
                found[name] = data
        return found

    def begin_session(self) -> int:
        """Note that a writer is at work, and return the epoch that it works in."""
        with self._sessions_changed:
            self._sessions.append(self._epoch)
            return self._epoch

    def end_session(self, epoch: int) -> None:
        """Note that a writer is done: what it needs is now reachable, or never will be."""
        with self._sessions_changed:
            self._sessions.remove(epoch)
            self._sessions_changed.notify_all()

    def write_file(self, data: Buffer, name: bytes | None, taken: Future[bytes]) -> bytes:
        """Write a large object's file, if it isn't there, and return the object's name.

        It is held: kept from being collected before the database knows it, until `let_go`.

        Args:
            data: Its bytes.
            name: Its name, if that is known.
            taken: Gets the name as soon as the bytes may change.

        Raises:
            OSError: The disk is full, or fails.
        """
        known = name or hash_of(data)
        with self._holding:
            self._held[known] += 1
        try:
            if not self.files.has(known, len(data)):
                self.files.write(known, data, lambda: taken.set_result(known))
            else:
                taken.set_result(known)
        except BaseException as error:
            if not taken.done():
                taken.set_exception(error)
            self.let_go([known])
            raise
        return known

    def let_go(self, names: Collection[bytes]) -> None:
        """Undo the hold of `write_file`."""
        if not names:
            return
        with self._holding:
            self._held.subtract(names)
            self._held += Counter()  # drops what is at zero

    def discard(self, names: Iterable[bytes]) -> None:
        """Remove the files of objects that the database doesn't know and no writer holds."""
        for name in names:
            with self._holding, self.database.read() as connection:
                known = connection.execute("SELECT 1 FROM objects WHERE hash = ?", (name,))
                if name not in self._held and known.fetchone() is None:
                    self.files.remove(name)

    def begin_collection(self) -> int:
        """Begin a new epoch and return the one before.

        What is put from now on survives the collection. What writers of the ended epoch put may not
        be reachable yet: see `await_sessions`.
        """
        with self.database.write() as connection:
            connection.execute("UPDATE store SET epoch = epoch + 1")
        with self._sessions_changed:
            self._epoch += 1
            return self._epoch - 1

    def await_sessions(self, epoch: int, timeout_s: float) -> bool:
        """Wait until no writer of an epoch or before is at work; False when it takes too long."""
        with self._sessions_changed:
            return self._sessions_changed.wait_for(
                lambda: all(began > epoch for began in self._sessions), timeout_s
            )

    def sweep(self, epoch: int, marked: set[bytes], *, dry_run: bool) -> tuple[int, int]:
        """Delete what is not marked and has not been put after an epoch.

        Returns:
            How many objects these are, and how many bytes.
        """
        with self.database.read() as connection:
            rows = connection.execute("SELECT hash, size FROM objects WHERE epoch <= ?", (epoch,))
            doomed = [(row["hash"], row["size"]) for row in rows if row["hash"] not in marked]
        if dry_run:
            return len(doomed), sum(size for _, size in doomed)
        count = size = 0
        for start in range(0, len(doomed), _SWEEP_BATCH):
            batch = doomed[start : start + _SWEEP_BATCH]
            with self.database.write() as connection, self._holding:
                for name, length in batch:
                    if name in self._held:
                        continue
                    deleted = connection.execute(
                        "DELETE FROM objects WHERE hash = ? AND epoch <= ?", (name, epoch)
                    ).rowcount
                    if deleted:  # it may have been put again meanwhile
                        self.files.remove(name)
                        count, size = count + 1, size + length
        size += self._sweep_files()
        with self.database.write() as connection:
            connection.execute("PRAGMA incremental_vacuum").fetchall()
        return count, size

    def _sweep_files(self) -> int:
        """Remove the files of objects that never came to be; return their bytes."""
        size = 0
        known = "SELECT 1 FROM objects WHERE hash = ?"
        for name, file in list(self.files.entries()):
            with self.database.write(progress=True) as connection, self._holding:
                if name in self._held or connection.execute(known, (name,)).fetchone():
                    continue
                size += file.stat().st_size
                file.unlink()
        return size

    def forget(self, names: Iterable[bytes]) -> None:
        """Drop damaged objects: they count as missing, and putting their content heals them."""
        with self.database.write() as connection:
            for name in names:
                connection.execute("DELETE FROM objects WHERE hash = ?", (name,))
                self.files.remove(name)

    def close(self) -> None:
        """End the writing threads; the database stays open."""
        self.files.close()


class ObjectWriter:
    """Collects new objects and writes them in batches; what it took can be read back at once.

    The objects of a batch are durable, and still reachable from nothing: it is the commit that
    refers to them that makes them count, and it has to be made before the block ends. Belongs to
    one thread.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._epoch: int | None = None
        self._batch: dict[bytes, bytes] = {}  # small objects, not written yet
        self._batch_bytes = 0
        self._begun: deque[tuple[Future[bytes], int]] = deque()  # large ones, with their sizes
        self._large: dict[bytes, int] = {}  # sizes of those that are files, but no rows yet
        self._unsynced: list[bytes] = []
        self._holds: list[bytes] = []

    def __enter__(self) -> ObjectWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for future, _ in self._begun:
            if future.exception() is None:  # what is still being written must not outlive the hold
                self._holds.append(future.result())
        self._begun.clear()
        self._store.let_go(self._holds)
        if kind is not None:
            # The disk may be full, and what was to be stored have taken the last space.
            with suppress(OSError, sqlite3.Error):  # collection finds what stays
                self._store.discard(self._holds)
        if self._epoch is not None:
            self._store.end_session(self._epoch)
            self._epoch = None

    def put(self, data: bytes) -> bytes:
        """Add an object and return its name."""
        if self._epoch is None:  # not before: a command may run for hours until it has an output
            self._epoch = self._store.begin_session()
        name = hash_of(data)
        if len(data) > INLINE_LIMIT:
            self._begin_file(data, name)
        elif name not in self._batch:
            self._batch[name] = data
            self._batch_bytes += len(data)
            if self._batch_bytes > _FLUSH_BYTES or len(self._batch) > _FLUSH_OBJECTS:
                self.flush()
        return name

    def begin_put(self, data: memoryview) -> Future[bytes]:
        """Begin to add an object; its name is the future's result.

        Args:
            data: Its bytes, which must stay as they are until the future is done.

        Raises:
            OSError: As the future's result: the disk is full, or fails.
        """
        if len(data) <= INLINE_LIMIT:
            done: Future[bytes] = Future()
            done.set_result(self.put(bytes(data)))
            return done
        if self._epoch is None:
            self._epoch = self._store.begin_session()
        return self._begin_file(data, None)

    def _begin_file(self, data: Buffer, name: bytes | None) -> Future[bytes]:
        taken: Future[bytes] = Future()
        written = self._store.files.begin(self._store.write_file, data, name, taken)
        self._begun.append((written, len(data)))
        return taken

    def _settle(self) -> None:
        """Wait until all that is begun is written."""
        while self._begun:
            future, size = self._begun[0]
            name = future.result()
            self._begun.popleft()
            self._holds.append(name)
            self._large[name] = size
            self._unsynced.append(name)

    def get(self, name: bytes) -> bytes:
        """Return an object's bytes, also those that are not written yet."""
        data = self._batch.get(name)
        if data is not None:
            return data
        self._settle()
        if name in self._large:
            return self._store.files.read(name)
        return self._store.get(name)

    def flush(self) -> None:
        """Write what has been put, durably.

        Must not be called inside a write transaction, which has `write_into`.
        """
        if self._batch or self._begun or self._large:
            self.prepare()
            with self._store.database.write() as connection:
                self.write_into(connection)

    def prepare(self) -> None:
        """Wait until the large objects are on disk, best before a transaction is opened.

        Raises:
            OSError: One could not be written.
        """
        self._settle()
        self._store.files.sync(self._unsynced)  # also those whose file another writer has just made
        self._unsynced.clear()

    def write_into(self, connection: Connection) -> None:
        """Write what has been put as part of a transaction, and so with its one fsync.

        From then on it can be read when the transaction has committed.
        """
        self.prepare()
        connection.executemany(f"{_INTO} VALUES (?, ?, ?, ?) {_OTHERWISE}", self.take_rows())

    def take_rows(self) -> Iterator[tuple[bytes, int, bytes | None, int]]:
        """Yield what is to be written, as rows, and forget it; see `write_all`."""
        epoch = self._epoch if self._epoch is not None else 0
        for name, data in self._batch.items():
            yield name, len(data), data, epoch
        for name, size in self._large.items():
            yield name, size, None, epoch
        self._batch.clear()
        self._batch_bytes = 0
        self._large.clear()


def write_all(writers: Collection[ObjectWriter], connection: Connection) -> None:
    """Write what many writers have been given, as `ObjectWriter.write_into` does for one."""
    for writer in writers:
        writer.prepare()
    rows = chain.from_iterable(writer.take_rows() for writer in writers)
    insert(connection, _INTO, rows, _OTHERWISE)
