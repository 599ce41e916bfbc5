"""Unpacks a version of code from a tar, with permissions and links.

Nothing in it is trusted: names lead nowhere else, and links are made last, so that nothing is
written through one.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pachlocal.errors import InvalidArgumentError
from pachlocal.untrusted import printable

_MAX_DEPTH = 200  # folders


class _Later(NamedTuple):
    """What is done when all files are there."""

    place: Path
    entry: tarfile.TarInfo


class CodeUnpacker:
    """Writes entries below a folder."""

    def __init__(self, folder: Path) -> None:
        """Take an empty folder, which is there."""
        self._folder = folder
        self._later: list[_Later] = []

    def add(self, archive: tarfile.TarFile, entry: tarfile.TarInfo, path: str) -> None:
        """Write an entry, or keep it for `finish`.

        Args:
            archive: Where it is; it has been reached just now.
            entry: The entry: a file, folder or symbolic link.
            path: Where it goes, from the folder.

        Raises:
            InvalidArgumentError: It can't be there.
            OSError: It can't be written.
        """
        place = self._folder.joinpath(*_parts(path))
        if entry.isdir():
            place.mkdir(parents=True, exist_ok=True)
            self._later.append(_Later(place, entry))
        elif entry.issym():
            self._later.append(_Later(place, entry))
        elif entry.isreg() and not entry.issparse():
            place.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(entry)
            with place.open("xb") as file:
                if content is not None:
                    shutil.copyfileobj(content, file)
            place.chmod(entry.mode & 0o777)
        else:
            raise InvalidArgumentError(f"{printable(path, 200)} isn't a file, folder or link")

    def finish(self) -> None:
        """Make the links, and give folders their permissions.

        Raises:
            InvalidArgumentError: There is something below a link.
            OSError: Something can't be made.
        """
        links = {place for place, entry in self._later if entry.issym()}
        for place in links:
            if not links.isdisjoint(place.parents):
                raise InvalidArgumentError(f"{printable(str(place), 200)} is below a link")
        for place, entry in reversed(self._later):
            if entry.issym():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(entry.linkname)
            else:
                place.chmod((entry.mode & 0o777) | 0o700)


def unpack(archive: tarfile.TarFile, entries: Iterable[tarfile.TarInfo], folder: Path) -> int:
    """Write all entries of an archive below an empty folder; return how many are not folders.

    Raises:
        InvalidArgumentError: One can't be there.
        OSError: One can't be written.
    """
    unpacker = CodeUnpacker(folder)
    count = 0
    for entry in entries:
        unpacker.add(archive, entry, entry.name)
        count += not entry.isdir()
    unpacker.finish()
    return count


def _parts(path: str) -> tuple[str, ...]:
    parts = PurePosixPath(path).parts
    shown = printable(path, 200)
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise InvalidArgumentError(f"{shown} leads out of the folder")
    if len(parts) > _MAX_DEPTH:
        raise InvalidArgumentError(f"{shown} is more than {_MAX_DEPTH} folders deep")
    return parts
