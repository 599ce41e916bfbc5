"""Links that a command leaves in `/pfs/out`: they are followed as the command saw its paths."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pachlocal.errors import OutputError

MAX_LINKS = 40
"""As many as the kernel follows: path_resolution(7)."""

_OF_THE_KERNEL = ("/proc", "/sys")  # reading them may take forever, and says nothing of the data


class Place(NamedTuple):
    """A file or folder.

    Attributes:
        seen: Its path as the command saw it, without links.
        place: Its path on this machine's disk.
    """

    seen: str
    place: str


class Links:
    """Finds what links stand for: paths below `/pfs` are the worker's, others its machine's."""

    def __init__(self, pfs: Path, place_of: Callable[[str], Path | None]) -> None:
        """Take where things are.

        Args:
            pfs: The worker's `/pfs`.
            place_of: See `Worker.place_of`.
        """
        self.root = os.fspath(pfs.resolve())
        self._place_of = place_of

    def follow(self, link: str, shown: str) -> Place:
        """Return what a path stands for, with all links on the way to it followed.

        Args:
            link: The path as the command saw it.
            shown: How a message names it.

        Raises:
            OutputError: There is nothing, or nothing that can be output.
        """
        seen = self._resolve(link, shown)
        place = self._on_disk(seen)
        inside = _below(seen, "/pfs")
        if place is not None and inside is None:
            real = os.path.realpath(place)
            if (inside := _below(real, self.root)) is not None:
                seen, place = f"/pfs{inside}", real
        if place is None or _is_kernels(seen):
            raise OutputError(f"{shown} links to {path_text(seen)}, outside /pfs")
        if not os.path.exists(place):  # noqa: PTH110 - pathlib takes longer
            raise OutputError(f"{shown} links to {path_text(seen)}, which is not there")
        if _below(f"{self.root}/out", os.path.realpath(place)) is not None:
            raise OutputError(f"{shown} links to {path_text(seen)}, which /pfs/out itself is in")
        return Place(seen, place)

    def _resolve(self, path: str, shown: str) -> str:
        left = path.split("/")[::-1]
        seen, links = "", 0
        while left:
            name = left.pop()
            if name in ("", "."):
                continue
            if name == "..":
                seen = seen.rpartition("/")[0]
                continue
            target = self._target(f"{seen}/{name}")
            if target is None:
                seen += f"/{name}"
                continue
            links += 1
            if links > MAX_LINKS:
                raise OutputError(f"{shown}: links lead in a circle")
            if (inside := _below(target, self.root)) is not None:
                target = f"/pfs{inside}"  # where paths are rewritten, links have those of the disk
            if target.startswith("/"):
                seen = ""
            left += target.split("/")[::-1]
        return seen or "/"

    def _target(self, seen: str) -> str | None:
        """Return what a link says; None if there is no link."""
        place = self._on_disk(seen)
        if place is None or seen == "/pfs":
            return None
        try:
            return os.readlink(place)  # noqa: PTH115 - pathlib takes longer
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):
                return None
            raise

    def _on_disk(self, seen: str) -> str | None:
        inside = _below(seen, "/pfs")
        if inside is not None:
            return self.root + inside
        place = self._place_of(seen)
        return None if place is None else os.fspath(place)


def _below(path: str, folder: str) -> str | None:
    """Return the rest of a path that is a folder, or in it; None for another."""
    if path == folder:
        return ""
    folder = folder.rstrip("/")
    return path[len(folder) :] if path.startswith(f"{folder}/") else None


def _is_kernels(seen: str) -> bool:
    return any(_below(seen, folder) is not None for folder in _OF_THE_KERNEL)


def path_text(name: str) -> str:
    """Return a path for a message: any bytes can be in one, and only text in a message."""
    return os.fsencode(name).decode(errors="replace")
