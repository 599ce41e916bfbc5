"""Room on the store's disk that is kept back, so that a full disk is no dead end.

On a full disk SQLite can't even delete: what changes is written to its log first. So a file of some
MiB lies in the store, of no use but to be removed when what frees room (a deletion, garbage
collection) or the start of the daemon can't go on without. Until there is room for it again,
nothing else is written: it would take what was given up for them.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pachlocal.private_files import open_private
from pachlocal.storage import disk

_T = TypeVar("_T")

_SIZE = 16 << 20  # bytes; to delete a pipeline of 10,000 datums takes 7 MiB, to collect garbage 6
_SHARE = 8  # of the disk it takes at most one part in so many
_LOOK_AGAIN_S = 1.0


class _Spending(threading.local):
    depth = 0  # how many blocks of `spent` this thread is in


class Reserve:
    """The file `reserve` in a store's folder. Any thread may use it."""

    def __init__(self, folder: Path) -> None:
        """Look whether it is there; nothing is written."""
        self._folder = folder
        self._path = folder / "reserve"
        whole = os.statvfs(folder)
        self._size = min(_SIZE, whole.f_blocks * whole.f_frsize // _SHARE)
        self._lock = threading.Lock()
        self._held = self._is_there()
        self._lack = errno.ENOSPC  # why it isn't
        self._looked = -_LOOK_AGAIN_S
        self._spending = _Spending()

    def take(self) -> bool:
        """Make the file if it isn't there, when there is room; tell whether it is there."""
        with self._lock:
            if not self._held:
                self._looked = time.monotonic()
                self._held = self._allocate()
            return self._held

    @property
    def is_scarce(self) -> bool:
        """Whether the disk is full, or nearly."""
        return disk.free_bytes(self._folder) < self._size

    def check(self) -> None:
        """Let a write pass that doesn't free room.

        Raises:
            OSError: The reserve is given up, and there is still no room for it.
        """
        if self._held or self._spending.depth:
            return
        with self._lock:  # another thread may just be making it
            if self._held:
                return
            is_known = time.monotonic() - self._looked < _LOOK_AGAIN_S
        if is_known or not self.take():
            raise OSError(self._lack, os.strerror(self._lack))

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Give the reserve up, and let this thread write without it while the block lasts."""
        with self._lock:
            self._path.unlink(missing_ok=True)
            self._held = False
        self._spending.depth += 1
        try:
            yield
        finally:
            self._spending.depth -= 1
            self.take()

    def spend_if_full(self, action: Callable[[], _T]) -> _T:
        """Do something that frees room, or is needed; on a full disk again, with the reserve.

        Args:
            action: Changes nothing when it raises.
        """
        try:
            return action()
        except Exception as error:
            if not disk.is_full(error):
                raise
        with self.spent():
            return action()

    def _is_there(self) -> bool:
        try:
            return self._path.stat().st_size >= self._size
        except FileNotFoundError:
            return False

    def _allocate(self) -> bool:
        """Make the file; what it takes is really taken, however the file system stores it."""
        self._lack = errno.ENOSPC
        if disk.free_bytes(self._folder) < self._size:
            return False
        try:
            with open_private(self._path, "wb") as file:
                if hasattr(os, "posix_fallocate"):  # not on macOS
                    os.posix_fallocate(file.fileno(), 0, self._size)
                if os.fstat(file.fileno()).st_blocks * disk.BLOCK < self._size:
                    # Only promised (ZFS) or not known there: bytes that can't be compressed.
                    file.write(os.urandom(self._size))
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            self._lack = error.errno or errno.ENOSPC
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            return False
        return True
