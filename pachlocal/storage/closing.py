"""A store is its owner's alone: files of all repos lie in it, and secrets."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_FOLDERS = ("chunks", "scratch")
_FILES = ("pach.db", "pach.db-wal", "pach.db-shm", "daemon.json", "daemon.log", "lock", "reserve")


def close_to_others(root: Path) -> None:
    """Close a store and what lies in it, should it be copied: an older pachlocal left it open.

    What is in its folders isn't looked at: that may be millions of files, which nobody reaches.

    Raises:
        OSError: It is another user's.
    """
    root.chmod(0o700)
    for names, mode in ((_FOLDERS, 0o700), (_FILES, 0o600)):
        for name in names:
            with suppress(FileNotFoundError):
                (root / name).chmod(mode)
