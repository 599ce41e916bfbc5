"""What lies in a worker's `/pfs` beside the inputs, and how it is emptied."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

OUT = "out"
"""The folder below `/pfs` that a command writes its results to."""

ENV = ".env"
"""The file below `/pfs` that lists a datum's variables."""


def env_lines(env: Mapping[str, str]) -> bytes:
    """Return what `/pfs/.env` holds."""
    return "".join([f"{name}={value}\n" for name, value in env.items()]).encode()


def open_up(pfs: Path) -> None:
    """Let us list and change a folder, even if a command has protected it."""
    if not os.access(pfs, os.R_OK | os.W_OK | os.X_OK):
        pfs.chmod(pfs.stat().st_mode | stat.S_IRWXU)
