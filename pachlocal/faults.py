"""Distinguishes failures of the machine from failures of the programs that it runs.

A full disk, a process table or a table of open files without room, a Docker that is away: they say
nothing about a user's program, and pass. So work that meets one waits and is tried again; it is
neither counted nor ended. Everything else is somebody's mistake, and trying again won't help.
"""

from __future__ import annotations

import errno
import os
import sqlite3

from pachlocal.errors import InfrastructureError
from pachlocal.storage import disk

_ERRNOS = frozenset(
    {
        errno.EAGAIN,  # fork(2): too many processes
        errno.EBUSY,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENODEV,
        errno.ENOMEM,
        errno.ESTALE,
    }
)
# What SQLite says with SQLITE_BUSY, _CANTOPEN, _FULL, _IOERR, _LOCKED, _NOMEM and _READONLY; Python
# 3.10 has only these words. https://www.sqlite.org/rescode.html. Most become the system's error
# where the store is written to, see `pachlocal.storage.disk`.
_SQLITE = (
    "attempt to write a readonly database",
    "database is locked",
    "database or disk is full",
    "database table is locked",
    "disk I/O error",
    "out of memory",
    "unable to open database file",
)
_NO_THREAD = "can't start new thread"  # all that Python tells of an EAGAIN of pthread_create(3)


def machine_fault(error: BaseException) -> str:
    """Say in words what is wrong with the machine; empty when that isn't why something failed."""
    if isinstance(error, InfrastructureError):
        return str(error)
    if trouble := disk.trouble(error):
        return trouble
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return in_words(error)
    if isinstance(error, sqlite3.OperationalError) and str(error).startswith(_SQLITE):
        return f"the store can't be used: {error}"
    if isinstance(error, MemoryError):
        return os.strerror(errno.ENOMEM)
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return f"{_NO_THREAD}: {os.strerror(errno.EAGAIN)}"
    return ""


def in_words(error: OSError) -> str:
    """Return what the system says, and of which file."""
    reason = error.strerror or str(error)
    return f"{reason}: {os.fsdecode(error.filename)}" if error.filename else reason
