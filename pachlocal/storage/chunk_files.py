"""Large objects as files: written under a temporary name, fsynced, renamed, their folder fsynced.

Work on them happens in threads, so that the next object is received while the last one is hashed
and goes to disk, and fsyncs, which cost some milliseconds each, overlap.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias, TypeVar
from uuid import uuid4

from pachlocal.cores import be_ordinary
from pachlocal.errors import DamagedStoreError

_T = TypeVar("_T")
Buffer: TypeAlias = "bytes | memoryview"

_WRITERS = 8  # most of which wait for the disk
_UNWRITTEN = 32  # objects that may wait


class ChunkFiles:
    """The folder `chunks/`: a file for each object, below the first byte of its name."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._pool = ThreadPoolExecutor(_WRITERS, "chunks", initializer=be_ordinary)
        self._room = threading.BoundedSemaphore(_UNWRITTEN)
        for number in range(256):
            (folder / f"{number:02x}").mkdir(exist_ok=True)

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
        final = self._path(name)
        temporary = final.with_name(f"{final.name}.{uuid4().hex}.tmp")
        try:
            with temporary.open("wb", buffering=0) as file:
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
        for done in [self._pool.submit(_fsync, folder) for folder in folders]:
            done.result()

    def read(self, name: bytes) -> bytes:
        """Return an object's bytes.

        Raises:
            DamagedStoreError: Its file is missing.
        """
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            raise DamagedStoreError(f"object {name.hex()} is missing from chunks/") from None

    def has(self, name: bytes, size: int) -> bool:
        """Whether an object's file is there, with as many bytes."""
        try:
            return self._path(name).stat().st_size == size
        except FileNotFoundError:
            return False

    def remove(self, name: bytes) -> None:
        """Remove an object's file, if there is one."""
        self._path(name).unlink(missing_ok=True)

    def entries(self) -> Iterator[tuple[bytes, Path]]:
        """Yield every file with the name of its object; those of half-written ones too."""
        for file in self._folder.glob("*/*"):
            yield bytes.fromhex(file.parent.name + file.name.partition(".")[0]), file

    def close(self) -> None:
        """End the writing threads."""
        self._pool.shutdown()

    def _path(self, name: bytes) -> Path:
        text = name.hex()
        return self._folder / text[:2] / text[2:]


def _fsync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
