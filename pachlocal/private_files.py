"""Files that only their owner may read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any


def open_private(path: Path, mode: str, buffering: int = -1) -> IO[Any]:
    """Open a file as `open` does; one that this makes is its owner's alone from the beginning."""
    return open(path, mode, buffering, opener=lambda name, flags: os.open(name, flags, 0o600))


def write_private(path: Path, content: bytes) -> None:
    """Write a file as a whole, or not at all, that nobody else may read.

    A device, such as /dev/null, stays what it is.

    Raises:
        OSError: It can't be written; what was there is there still.
    """
    if path.is_char_device():
        path.write_bytes(content)
        return
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        with open_private(temporary, "xb") as file:
            file.write(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
