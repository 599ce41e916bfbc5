"""A worker's `/pfs/.env`: one file, held open and written over for each datum.

Unlike the files of inputs it may be open elsewhere meanwhile: whoever reads it wants what it says
now.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pachlocal.pps.worker.layout.file_reuse import write_all
from pachlocal.pps.worker.layout.modification_marks import Identity, identity
from pachlocal.pps.worker.layout.places import ENV
from pachlocal.runtime.folders import remove_tree

_NEW = os.O_WRONLY | os.O_NOFOLLOW | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_MODE = 0o666  # less the umask


class EnvFile:
    """Writes the variables of one datum after the other. Belongs to one thread."""

    def __init__(self, pfs: str) -> None:
        self._place = f"{pfs}/{ENV}"
        self._file: int | None = None
        self._made: Identity = ()  # what tells that it is still the same

    def write(self, data: bytes) -> bool:
        """Write it; return whether it had to be made, in place of whatever is there.

        Raises:
            OSError: What is there can't be removed, or the disk is full.
        """
        size = self._size()
        file = self._make() if self._file is None or size is None else self._file
        os.lseek(file, 0, os.SEEK_SET)
        write_all(file, data)
        if size is not None and size > len(data):
            os.ftruncate(file, len(data))
        return size is None

    def close(self) -> None:
        """Let it go; it stays where it is."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _size(self) -> int | None:
        """Return its bytes; None when it isn't there as it was made, or has another name, too."""
        if self._file is not None:
            with suppress(OSError):
                found = os.lstat(self._place)
                if found.st_nlink == 1 and identity(found) == self._made:
                    return found.st_size
        return None

    def _make(self) -> int:
        self.close()
        remove_tree(Path(self._place))
        self._file = os.open(self._place, _NEW, _MODE)
        self._made = identity(os.fstat(self._file))
        return self._file
