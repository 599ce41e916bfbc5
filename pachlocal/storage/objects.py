"""Content-addressed objects: immutable bytes that are named by their BLAKE3 hash, stored once.

Small objects are rows in SQLite, which is quicker than the file system for them
(https://www.sqlite.org/fasterthanfs.html); larger ones are files in ``chunks/``, written under a
temporary name, fsynced and renamed before the row that makes them exist is committed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from blake3 import blake3

from pachlocal.errors import DamagedStoreError
from pachlocal.storage.database import Connection, Database

INLINE_LIMIT = 64 * 1024  # bytes; larger objects are files
_FLUSH_BYTES = 32 * 1024 * 1024
_FLUSH_OBJECTS = 20_000


def hash_of(data: bytes) -> bytes:
    """Name an object: the 32-byte BLAKE3 hash of its content."""
    return blake3(data).digest()


class ObjectStore:
    """The objects of one store. Any thread may use it."""

    def __init__(self, database: Database, chunks: Path) -> None:
        self.database = database
        self._chunks = chunks
        self._chunks.mkdir(exist_ok=True)

    def get(self, name: bytes) -> bytes:
        """Return an object's bytes, checked against its name.

        Raises:
            DamagedStoreError: It is not in the store, or its bytes changed on disk.
        """
        with self.database.read() as connection:
            row = connection.execute("SELECT data FROM objects WHERE hash = ?", (name,)).fetchone()
        if row is None:
            raise DamagedStoreError(f"object {name.hex()} is missing from the store")
        data: bytes = row["data"] if row["data"] is not None else self._read_file(name)
        if hash_of(data) != name:
            raise DamagedStoreError(f"object {name.hex()} is damaged: its bytes have changed")
        return data

    def missing(self, names: Iterable[bytes]) -> set[bytes]:
        """Return those of the names that the store doesn't have."""
        with self.database.read() as connection:
            return _missing(connection, names)

    def _path(self, name: bytes) -> Path:
        text = name.hex()
        return self._chunks / text[:2] / text[2:]

    def _read_file(self, name: bytes) -> bytes:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            raise DamagedStoreError(f"object {name.hex()} is missing from chunks/") from None

    def _write_files(self, objects: Iterable[tuple[bytes, bytes]]) -> None:
        """Write objects as files, durably; those under way at a crash are left as `*.tmp`."""
        folders: set[Path] = set()
        pending: list[tuple[Path, Path]] = []
        for name, data in objects:
            final = self._path(name)
            if not final.parent.is_dir():
                final.parent.mkdir(exist_ok=True)
                folders.add(self._chunks)
            temporary = final.with_name(f"{final.name}.{uuid4().hex}.tmp")
            temporary.write_bytes(data)
            pending.append((temporary, final))
        for temporary, final in pending:
            _fsync(temporary)
            temporary.replace(final)
            folders.add(final.parent)
        for folder in folders:
            _fsync(folder)


class ObjectWriter:
    """Collects new objects and writes them in batches; what it took can be read back at once.

    The objects of a batch are durable, and still reachable from nothing: it is the commit that
    refers to them that makes them count. Belongs to one thread.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._batch: dict[bytes, bytes] = {}
        self._batch_bytes = 0

    def __enter__(self) -> ObjectWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.flush()

    def put(self, data: bytes) -> bytes:
        """Add an object and return its name."""
        name = hash_of(data)
        if name not in self._batch:
            self._batch[name] = data
            self._batch_bytes += len(data)
            if self._batch_bytes > _FLUSH_BYTES or len(self._batch) > _FLUSH_OBJECTS:
                self.flush()
        return name

    def get(self, name: bytes) -> bytes:
        """Return an object's bytes, also those that are not written yet."""
        data = self._batch.get(name)
        return data if data is not None else self._store.get(name)

    def flush(self) -> None:
        """Write what has been put, durably.

        Must not be called inside a write transaction, which is why a modification flushes its
        objects first and then commits what refers to them.
        """
        if not self._batch:
            return
        missing = self._store.missing(self._batch)
        large = [name for name in missing if len(self._batch[name]) > INLINE_LIMIT]
        self._store._write_files((name, self._batch[name]) for name in large)
        outside = set(large)
        with self._store.database.write() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO objects (hash, size, data) VALUES (?, ?, ?)",
                (
                    (name, len(data), None if name in outside else data)
                    for name, data in self._batch.items()
                    if name in missing
                ),
            )
        self._batch.clear()
        self._batch_bytes = 0


def _missing(connection: Connection, names: Iterable[bytes]) -> set[bytes]:
    statement = "SELECT 1 FROM objects WHERE hash = ?"
    return {name for name in names if connection.execute(statement, (name,)).fetchone() is None}


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
