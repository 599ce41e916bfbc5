"""Content-addressed objects: immutable bytes that are named by their BLAKE3 hash, stored once.

Small objects are rows in SQLite, which is quicker than the file system for them
(https://www.sqlite.org/fasterthanfs.html); larger ones are files in ``chunks/``, on disk before the
row that makes them exist is committed.
"""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from blake3 import blake3

from pachlocal.errors import DamagedStoreError
from pachlocal.storage.chunk_files import Buffer, ChunkFiles
from pachlocal.storage.database import Database, damage

INLINE_LIMIT = 64 * 1024  # bytes; larger objects are files
_SWEEP_BATCH = 1000  # objects a transaction


def hash_of(data: Buffer) -> bytes:
    """Name an object: the 32-byte BLAKE3 hash of its content."""
    return blake3(data).digest()


def checked(name: bytes, data: bytes) -> bytes:
    """Return an object's bytes if they are.

    Raises:
        DamagedStoreError: They are not.
    """
    if not isinstance(data, bytes) or hash_of(data) != name:  # its type may have changed, too
        raise DamagedStoreError(f"object {name.hex()} is damaged: its bytes have changed")
    return data


def _epoch_of(database: Database) -> int:
    ((epoch,),) = database.query("SELECT epoch FROM store", ())
    return int(epoch)


class ObjectStore:
    """The objects of one store. Any thread may use it.

    Attributes:
        collecting: Held by a collection: what another one sweeps, it could still be looking at.
    """

    def __init__(self, database: Database, chunks: Path) -> None:
        self.database = database
        self.files = ChunkFiles(chunks, database.reserve)
        self.collecting = threading.Lock()
        self._epoch = 0 if database.as_it_is else _epoch_of(database)
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
        return checked(name, inline if inline is not None else self.get_file(name))

    def get_file(self, name: bytes) -> bytes:
        """Return the bytes of a large object's file.

        Raises:
            DamagedStoreError: It is missing, or the disk can't read it.
        """
        try:
            return self.files.read(name)
        except FileNotFoundError:
            raise DamagedStoreError(f"object {name.hex()} is missing from chunks/") from None
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise DamagedStoreError(f"object {name.hex()} can't be read: {error}") from None

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
        """Write a large object's file, if it isn't there and sound, and return the object's name.

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
            if not self.files.has(known, data):
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
        self.database.give_back()
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

    def flaw(self, name: bytes) -> str:
        """Say why an object can't be had; empty when it can."""
        try:
            self.get(name)
        except DamagedStoreError as error:
            return str(error)
        except sqlite3.DatabaseError as error:
            return f"object {name.hex()} can't be read: {damage(error) or error}"
        return ""

    def has_changed(self, name: bytes) -> bool:
        """Whether the store has something by this name that isn't what the name says."""
        unreadable = False
        inline = None
        try:
            rows = self.database.query("SELECT data FROM objects WHERE hash = ?", (name,))
            inline = rows[0][0] if rows else None
        except sqlite3.DatabaseError:
            unreadable = True
        try:
            checked(name, inline if inline is not None else self.files.read(name))
        except FileNotFoundError:
            return unreadable
        except DamagedStoreError:
            return True
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return True
        return False

    def names(self) -> Iterator[bytes]:
        """Yield the name of every object, and of every file that is to be one; some of them twice.

        Where the database is damaged, those before and those behind the place.
        """
        for beyond, order in ((">", "ASC"), ("<", "DESC")):
            page = (
                f"SELECT hash FROM objects WHERE hash {beyond} ? AND typeof(hash) = 'blob'"
                f" ORDER BY hash {order} LIMIT 1000"
            )
            last = b"" if beyond == ">" else b"\xff" * 33
            with suppress(sqlite3.DatabaseError):
                while rows := self.database.query(page, (last,)):
                    yield from (name for (name,) in rows)
                    last = rows[-1][0]
                break
        for name, file in self.files.entries():
            if not file.suffix:  # or it is half-written
                yield name

    def close(self) -> None:
        """End the writing threads; the database stays open."""
        self.files.close()
