"""What an image's folder holds: what its `.dockerignore` leaves, as `docker build` would send it.

That includes its Dockerfile, and the files that say what to install. `__pycache__` and `.git` are
left out, which change without the code.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from pachlocal.errors import ImageUnavailableError

from .dockerfile import DOCKERFILE
from .dockerignore import DockerIgnore
from .environments.wanted import SOURCES
from .regular_files import IrregularFileError, open_regular

MAX_FILES = 50_000
"""Of a folder, with its subfolders and links."""
MAX_BYTES = 2 * 2**30
"""Of all files of a folder."""

_ALWAYS_OUT = ("__pycache__", ".git")
_OF_A_FOLDER = (0, 0, 0, 0)


class Stamp(NamedTuple):
    """What tells that a file is as it was, without a look at its content.

    Attributes:
        mode: Its type and permissions.
        size: Bytes.
        modified: When it was written (ns since 1970).
        changed: When anything about it was changed.
        inode: Its inode. A folder has no more than its mode.
    """

    mode: int
    size: int
    modified: int
    changed: int
    inode: int


class CodeFolder:
    """The folder of one image. Any thread may use it."""

    def __init__(self, image: str, path: Path, dockerfile: str = DOCKERFILE) -> None:
        """Take a folder.

        Args:
            image: The image that is built from it.
            path: Where it is.
            dockerfile: Where in it the Dockerfile is.
        """
        self.image = image
        self.path = path
        self._dockerfile = dockerfile

    def scan(self) -> dict[str, Stamp]:
        """Look at all that it holds, by path, folders before what is in them, in order.

        Raises:
            ImageUnavailableError: It isn't there, can't be read, or holds too much.
        """
        found: dict[str, Stamp] = {}
        size = 0
        with self.reading():
            ignore = _ignored(self.path, self._dockerfile)
            kept = {*SOURCES, self._dockerfile}
            for path, stamp in _walk(os.fspath(self.path), "", ignore, kept):
                found[path] = stamp
                size += stamp.size
                if len(found) > MAX_FILES:
                    raise self.error(f"which holds more than {MAX_FILES:,} files{_CURE}")
                if size > MAX_BYTES:
                    raise self.error(f"which holds more than {MAX_BYTES // 2**30} GiB{_CURE}")
        return found

    def open(self, path: str) -> IO[bytes]:
        """Open a file that `scan` found, and no link that has taken its place."""
        # Where a pipe has taken its place, nobody waits for a writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self._place(path), flags)
        return os.fdopen(descriptor, "rb", buffering=0)

    def target(self, path: str) -> str:
        """Return where a link leads."""
        return os.readlink(self._place(path))  # noqa: PTH115 - as it is, whatever it holds

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Say in one sentence what keeps it from being read while the block lasts.

        Raises:
            ImageUnavailableError: That.
        """
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            if not self.path.is_dir():
                raise self.error("which isn't a folder") from error
            raise self.error(f"which changes while it is read ({self._name(error)})") from error
        except PermissionError as error:
            raise self.error(f"where {self._name(error)} can't be read{_CURE}") from error
        except IrregularFileError as error:
            raise self.error(f"where {self._name(error)} {error.strerror}") from error
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise self.error(f"which changes while it is read ({self._name(error)})") from error

    def error(self, what: str) -> ImageUnavailableError:
        """Make a sentence of what is wrong with it."""
        return ImageUnavailableError(f"image {self.image} is built from {self.path}, {what}")

    def _place(self, path: str) -> str:
        return os.path.join(self.path, path)  # noqa: PTH118 - there may be thousands

    def _name(self, error: OSError) -> str:
        named = os.fsdecode(error.filename or "")
        return os.path.relpath(named, self.path) if named else str(error.strerror)


_CURE = "; a .dockerignore there can exclude what isn't code"


def _ignored(folder: Path, dockerfile: str) -> DockerIgnore:
    """Read the .dockerignore of a Dockerfile, or else that of the folder."""
    for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
        try:
            with open_regular(folder / name) as file:
                text = file.read().decode("utf-8-sig", "replace")
        except FileNotFoundError:
            continue
        return DockerIgnore(text.splitlines())
    return DockerIgnore()


def _walk(
    folder: str, below: str, ignore: DockerIgnore, kept: Set[str]
) -> Iterator[tuple[str, Stamp]]:
    """Yield what is left of a folder, and what is kept in any case, by its path."""
    with os.scandir(folder) as listed:
        entries = sorted(listed, key=_name_of)
    for entry in entries:
        if entry.name in _ALWAYS_OUT:
            continue
        path = below + entry.name
        left = path in kept or ignore.leaves(path)
        if entry.is_dir(follow_symlinks=False):
            inside = any(it.startswith(f"{path}/") for it in kept)
            if left or inside or ignore.may_leave_below(path):
                if left:
                    mode = entry.stat(follow_symlinks=False).st_mode
                    yield path, Stamp(mode, *_OF_A_FOLDER)
                yield from _walk(entry.path, path + "/", ignore, kept)
        elif left:
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):  # no socket or device
                yield path, _stamp(found)


def _name_of(entry: os.DirEntry[str]) -> str:
    return entry.name


def stamp_of(path: str) -> Stamp | None:
    """Return the stamp of a file, link or folder; None if it isn't there."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Stamp(found.st_mode, *_OF_A_FOLDER) if stat.S_ISDIR(found.st_mode) else _stamp(found)


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
