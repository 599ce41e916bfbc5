"""Whether a file or folder still is as it was left, told by one look at it.

It is left with a time of change of our own choice, to the nanosecond. Whoever writes to the file,
or adds, removes or renames something in the folder, changes that, and who puts it back leaves a
trace in the time that can't be chosen (st_ctime of stat(3)).
"""

from __future__ import annotations

import os
import time
from typing import TypeAlias

Identity: TypeAlias = tuple[int, ...]
ModificationMark: TypeAlias = tuple[int, ...]


def identity(found: os.stat_result) -> Identity:
    """What tells whether a file or folder is the one that was made, and as it was made."""
    return found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid


def leave(place: str | int) -> ModificationMark | None:
    """Stamp a file or folder, given by its path or descriptor; None where that can't be done.

    So it is where the file system counts time in steps: two changes may fall in the same one.
    """
    chosen = time.time_ns() | 1
    is_open = isinstance(place, int)
    try:
        os.utime(place, ns=(chosen, chosen), follow_symlinks=is_open)
        found = os.stat(place, follow_symlinks=is_open)  # noqa: PTH116 - may be a descriptor
    except OSError:
        return None
    return _mark(found) if found.st_mtime_ns == chosen else None


def is_as_left(place: str, mark: ModificationMark | None) -> bool:
    """Whether nothing has happened to a file or folder since it got its mark."""
    if mark is None:
        return False
    try:
        return _mark(os.lstat(place)) == mark
    except OSError:
        return False


def _mark(found: os.stat_result) -> ModificationMark:
    return (*identity(found), found.st_nlink, found.st_mtime_ns, found.st_ctime_ns)
