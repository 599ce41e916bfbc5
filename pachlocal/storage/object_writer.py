"""Putting objects: collected, and written in batches, or by the transaction that refers to them."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from itertools import chain
from types import TracebackType

from pachlocal.storage.chunk_files import Buffer
from pachlocal.storage.database import Connection, insert
from pachlocal.storage.objects import INLINE_LIMIT, ObjectStore, checked, hash_of

_FLUSH_BYTES = 32 * 1024 * 1024
_FLUSH_OBJECTS = 10_000
_REMEMBERED = 32  # objects: the nodes at the top of a tree are read for each name
_INTO = "INSERT INTO objects (hash, size, data, epoch)"
# What is there already is written again, in case it is damaged. SQLite compares, and writes no page
# that doesn't change.
_OTHERWISE = (
    "ON CONFLICT (hash) DO UPDATE SET epoch = MAX(epoch, excluded.epoch),"
    " size = excluded.size, data = excluded.data"
)


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
        self._read: dict[bytes, bytes] = {}  # small objects that were read a short while ago

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
        data = self._batch.get(name) or self._read.get(name)
        if data is not None:
            return data
        self._settle()
        if name in self._large:
            return checked(name, self._store.get_file(name))
        data = self._store.get(name)
        if len(data) <= INLINE_LIMIT:
            if len(self._read) == _REMEMBERED:
                self._read.clear()
            self._read[name] = data
        return data

    def flush(self) -> None:
        """Write what has been put, durably; with the write transaction, when this thread has it."""
        if self._batch or self._begun or self._large:
            self.prepare()
            database = self._store.database
            with nullcontext(database.writing) if database.writing else database.write() as into:
                self.write_into(into)

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
        insert(connection, _INTO, self.take_rows(), _OTHERWISE)

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
