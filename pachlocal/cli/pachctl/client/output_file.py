"""Writing what the user names, as a whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pachlocal.errors import CliError


def is_file_or_new(path: Path) -> bool:
    """Whether a name can be given to a new file: it is not a device, pipe or directory."""
    return path.is_file() or not path.exists()


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to write it; it takes the name only when it is whole.

    Where the name is a link's, the file that it leads to is replaced. A device or a pipe stays
    what it is, and is sent the whole at the end.

    Raises:
        CliError: The directory isn't there, or the name is a directory's.
        OSError: It can't be written.
    """
    if not path.parent.is_dir():
        raise CliError(f"{path.parent}: no such directory")
    if path.is_dir():
        raise CliError(f"{path} is a directory: name a file")
    if is_file_or_new(path):
        with _replacing_file(path.resolve()) as out:
            yield out
        return
    with tempfile.TemporaryFile() as whole:
        yield whole
        whole.seek(0)
        with path.open("wb") as out:
            shutil.copyfileobj(whole, out)


@contextmanager
def _replacing_file(path: Path) -> Iterator[IO[bytes]]:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.")
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
        Path(name).chmod(_mode(path))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return 0o666 & ~_umask()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
