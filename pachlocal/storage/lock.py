"""One daemon a store: a lock on a file that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from pachlocal.errors import StoreLockedError
from pachlocal.private_files import open_private


class StoreLock:
    """Holds a store's lock from its making until `release` or the end of the process."""

    def __init__(self, root: Path) -> None:
        """Take the lock.

        Raises:
            StoreLockedError: Another process has it.
        """
        self._file: IO[str] = open_private(root / "lock", "a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise StoreLockedError(f"another pachlocal daemon works on {root}") from None

    def release(self) -> None:
        """Let the next daemon have the store."""
        self._file.close()
