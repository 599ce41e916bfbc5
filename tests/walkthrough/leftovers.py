"""What a daemon may leave behind and must not."""

from __future__ import annotations

import os
import select
from pathlib import Path

_ENDING_S = 10.0  # a process that was told to end takes a moment


def processes_of(folder: Path) -> list[str]:
    """Returns the processes that have to do with a folder and don't end (where /proc tells)."""
    needle = str(folder).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            about = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            about += bytes((process / "cwd").readlink())
        except OSError:  # it has ended, or isn't ours
            continue
        if needle in about and not _ends(int(process.name)):
            found.append(f"{process.name}: {about[:200]!r}")
    return found


def _ends(pid: int) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], _ENDING_S)[0])
    finally:
        os.close(descriptor)
