"""Opening what may be anything by now: of a pipe or a device, a reader might wait for ever."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO


class IrregularFileError(OSError):
    """What should be a file is a pipe, a device or a folder."""


def open_regular(path: Path) -> IO[bytes]:
    """Open a file to read it.

    Raises:
        IrregularFileError: It is none.
        OSError: It can't be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise IrregularFileError(0, "is not a regular file", os.fspath(path))
    return os.fdopen(descriptor, "rb")
