"""Large objects as files: written under a temporary name, fsynced, renamed, their folder fsynced.

Work on them happens in threads, so that the next object is received while the last one is hashed
and goes to disk, and fsyncs, which cost some milliseconds each, overlap.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TypeAlias, TypeVar
from uuid import uuid4

from pachlocal.private_files import open_private
from pachlocal.storage.reserve import Reserve
from pachlocal.thread_affinity import ordinary_scheduling

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
Buffer: TypeAlias = "bytes | memoryview"

_WRITERS = 8  # most of which wait for the disk
_UNWRITTEN = 32  # objects that may wait
_PIECE = 256 * 1024  # bytes, read at once to be compared: they stay in the processor's cache


class ChunkFiles:
    """The folder `chunks/`: a file for each object, below the first byte of its name."""

    def __init__(self, folder: Path, reserve: Reserve) -> None:
        """Take a folder, made if it isn't there, and what keeps room back on its disk."""
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self._reserve = reserve
        self._pool = ThreadPoolExecutor(_WRITERS, "chunks", initializer=ordinary_scheduling)
        self._room = threading.BoundedSemaphore(_UNWRITTEN)
        for number in range(256):
            (folder / f"{number:02x}").mkdir(exist_ok=True)
        for above in (folder, folder.parent):  # a file is found by the names of its folders, too
            sync_folder(above)

    def begin(self, task: Callable[..., _T], *arguments: object) -> Future[_T]:
        """Begin to do something in a writing thread; blocks while too many others wait."""
        self._room.acquire()
        try:
            future = self._pool.submit(task, *arguments)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return future

    def write(self, name: bytes, data: Buffer, taken: Callable[[], object]) -> None:
        """Write an object. It is on disk; its name is when `sync` has returned, too.

        Args:
            name: Its name.
            data: Its bytes.
            taken: Called as soon as the bytes may change: to wait for the disk takes longer.

        Raises:
            OSError: The disk is full, or fails.
        """
        self._reserve.check()
        final = self._path(name)
        temporary = final.with_name(f"{final.name}.{uuid4().hex}.tmp")
        try:
            with open_private(temporary, "xb", buffering=0) as file:
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
                taken()
                os.fsync(file.fileno())
            temporary.replace(final)
        except OSError:
            temporary.unlink(missing_ok=True)  # a full disk needs the space
            raise

    def sync(self, names: Iterable[bytes]) -> None:
        """Make the names of written objects durable."""
        folders = {self._path(name).parent for name in names}
        for done in [self._pool.submit(sync_folder, folder) for folder in folders]:
            done.result()

    def read(self, name: bytes) -> bytes:
        """Return an object's bytes.

        Raises:
            FileNotFoundError: Its file is missing.
            OSError: The disk can't read it.
        """
        return self._path(name).read_bytes()

    def has(self, name: bytes, data: Buffer) -> bool:
        """Whether an object's file is there and has these bytes: all of them are compared."""
        try:
            with self._path(name).open("rb", buffering=0) as file:
                if _equals(file, memoryview(data)):
                    return True
            _log.warning("object %s is damaged, and is rewritten", name.hex())
        except FileNotFoundError:
            pass
        except OSError as error:  # a sector that can't be read any more is damage, too
            _log.warning("object %s can't be read and is rewritten: %s", name.hex(), error)
        return False

    def remove(self, name: bytes) -> None:
        """Remove an object's file, if there is one."""
        self._path(name).unlink(missing_ok=True)

    def entries(self) -> Iterator[tuple[bytes, Path]]:
        """Yield every file with the name of its object; those of half-written ones too."""
        for file in self._folder.glob("*/*"):
            with suppress(ValueError):  # it isn't one of ours
                name = bytes.fromhex(file.parent.name + file.name.partition(".")[0])
                if len(name) == 32:
                    yield name, file

    def close(self) -> None:
        """End the writing threads."""
        self._pool.shutdown()

    def _path(self, name: bytes) -> Path:
        text = name.hex()
        return self._folder / text[:2] / text[2:]


def _equals(file: FileIO, data: memoryview) -> bool:
    """Compare without a hash, which takes seven times as long as this does on what is cached."""
    if os.fstat(file.fileno()).st_size != len(data):
        return False
    piece = bytearray(min(len(data), _PIECE))
    position = 0
    while count := file.readinto(piece):
        del piece[count:]  # the last one is shorter
        if piece != data[position : position + count]:  # a memoryview would be slow on the left
            return False
        position += count
    return position == len(data)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: The disk fails.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
