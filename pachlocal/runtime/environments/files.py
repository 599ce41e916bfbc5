"""The files that say what is to be installed."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from pachlocal.runtime.regular_files import open_regular

_CHUNK = 1 << 20


class RequirementsError(Exception):
    """A file doesn't say what can be installed; the message says which, and why."""


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: It can't be read.
    """
    found = path.stat()
    return _digest(path, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


@lru_cache(maxsize=4096)
def _digest(path: Path, stamp: object) -> str:
    del stamp  # another one is another file
    sha = hashlib.sha256()
    with open_regular(path) as file:
        while data := file.read(_CHUNK):
            sha.update(data)
    return sha.hexdigest()
