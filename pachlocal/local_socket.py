"""The path of a daemon's Unix socket, which its user's own clients prefer to TCP.

A client knows a daemon by an address, such as 127.0.0.1:30650, and not by its store, so sockets lie
in one folder of the user's, named by the address. Only that user may enter it.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

_MAX_PATH = 103  # bytes that sockaddr_un has room for on macOS; Linux has 107
_PROBE_S = 1.0


def make_place(host: str, port: int) -> Path | None:
    """Return where the socket of a daemon at an address is to be; make the folder.

    Returns:
        None if there is no place for it that only this user can reach.
    """
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return None
    path = folder / _name(host, port)
    return path if _is_own(folder) and len(os.fsencode(path)) <= _MAX_PATH else None


def find(host: str, port: int) -> Path | None:
    """Return the socket at which this user's daemon of an address answers; None if it doesn't."""
    folder = _folder()
    path = folder / _name(host, port)
    try:
        if not _is_own(folder) or not stat.S_ISSOCK(path.lstat().st_mode):
            return None
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_PROBE_S)
            probe.connect(str(path))
    except OSError:  # there is none, or it was left by a daemon that was killed
        return None
    return path


def _folder() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and _is_own(Path(runtime)):
        return Path(runtime, "pachlocal")
    return Path(f"/tmp/pachlocal-{os.geteuid()}")  # noqa: S108 - see _is_own


def _is_own(folder: Path) -> bool:
    """Whether a folder is this user's, and nobody else can enter it."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    )


def _name(host: str, port: int) -> str:
    return f"{host.strip('[]')}-{port}.sock"
