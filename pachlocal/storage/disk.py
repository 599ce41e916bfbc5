"""What is wrong with the store's disk: it is full, a quota is used up, or it became read-only."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from pathlib import Path

BLOCK = 512  # bytes; the unit of st_blocks, see stat(2)

_FULL = (errno.ENOSPC, errno.EDQUOT)
_PROBE = 64 * 1024  # bytes
_LEAST = 1024 * 1024  # bytes; with fewer, a program may have failed because of it
# What SQLite says when a write fails, whyever; Python 3.10 gives no code.
_SQLITE_FULL = "database or disk is full"
_SQLITE_FAILURES = (
    _SQLITE_FULL,
    "disk I/O error",
    "attempt to write a readonly database",
    "unable to open database file",
)


def is_full(error: BaseException) -> bool:
    """Whether something failed because there is no room for it."""
    return isinstance(error, OSError) and error.errno in _FULL


def trouble(error: BaseException) -> str:
    """Say what is wrong with the disk when that is why something failed; else nothing.

    The words of the system stand first, as clients and people know them.
    """
    if not isinstance(error, OSError):
        return ""
    if error.errno == errno.ENOSPC:
        return f"{error.strerror}: the disk of the store is full"
    if error.errno == errno.EDQUOT:
        return f"{error.strerror}: your share of the store's disk is used up"
    if error.errno == errno.EROFS:
        return f"{error.strerror}: the disk of the store can't be written to"
    return ""


def cause(error: sqlite3.Error, folder: Path) -> OSError | None:
    """Return what SQLite met, as the system's error, when that is the disk.

    SQLite tells a full disk apart from other failures, but neither a quota nor a file system that
    became read-only. So we try to write, too.
    """
    if str(error) not in _SQLITE_FAILURES:
        return None
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE))
    except OSError as met:
        return OSError(met.errno, met.strerror)
    if str(error) == _SQLITE_FULL:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return None


def check(folder: Path) -> None:
    """Tell whether a program that writes to a folder could go on.

    Raises:
        OSError: The disk is full.
    """
    if free_bytes(folder) < _LEAST:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def free_bytes(folder: Path) -> int:
    """Return how much this user can still write to a folder's disk, quotas apart."""
    stat = os.statvfs(folder)
    return stat.f_bavail * stat.f_frsize
