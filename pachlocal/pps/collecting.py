"""A worker's `/pfs/out` after a command: what the command left there becomes a tree.

See https://docs.pachyderm.com/latest/build-dags/pipeline-spec/transform/ for what a command may do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.entries import Root
from pachlocal.pfs.modification import Modification
from pachlocal.pps.layout import OUT
from pachlocal.storage.objects import ObjectWriter

_SMALL = 64 * 1024  # bytes read at once: most files are small, and to make room takes time
_PIECE = 4 * 1024 * 1024  # of those that aren't
_MAX_LINKS = 40  # as many as the kernel follows
_OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME = attrgetter("name")


class OutputError(InvalidArgumentError):
    """What a command left in `/pfs/out` can't be the files of a commit."""


def collect(objects: ObjectWriter, pfs: Path) -> tuple[Root, int]:
    """Store what is in `/pfs/out`; return its tree and its bytes.

    Links are followed, as long as they stay in `/pfs`. Empty folders vanish.

    Raises:
        OutputError: A name can't be a path in a repo, a link leads out of `/pfs`, or something is
            neither a file nor a folder.
        OSError: There is no such folder, or something can't be read.
    """
    size = 0
    with Modification(objects) as modification:
        for path, place in _walk(pfs, _folder(pfs), "/", _MAX_LINKS):
            size += _add(modification, path, place)
        return modification.finish().apply(objects, None), size


def _folder(pfs: Path) -> str:
    out = f"{pfs}/{OUT}"
    if os.path.islink(out):  # noqa: PTH114 - pathlib takes longer than the call
        return os.fspath(_target(pfs, Path(out), ""))
    return out


def _add(modification: Modification, path: str, place: str) -> int:
    """Add a file, and return its bytes."""
    size = 0
    file = os.open(place, _OLD_FILE)
    try:
        while piece := os.read(file, _SMALL if size < _SMALL else _PIECE):
            modification.add(path, piece)
            size += len(piece)
    finally:
        os.close(file)
    if not size:
        modification.add(path, b"")
    return size


def _walk(pfs: Path, folder: str, path: str, links: int) -> Iterator[tuple[str, str]]:
    """Yield (path in the output, file on disk)."""
    with os.scandir(folder) as entries:
        children = sorted(entries, key=_NAME)
    for child in children:
        below = path + child.name
        if child.is_file(follow_symlinks=False):
            yield below, child.path
        elif child.is_dir(follow_symlinks=False):
            yield from _walk(pfs, child.path, below + "/", links)
        elif child.is_symlink():
            yield from _follow(pfs, child, below, links - 1)
        else:
            raise OutputError(f"/pfs/out{_shown(below)} is neither a file nor a folder")


def _follow(pfs: Path, link: os.DirEntry[str], below: str, links: int) -> Iterator[tuple[str, str]]:
    place = _target(pfs, Path(link.path), below)
    if links < 0:
        raise OutputError(f"/pfs/out{_shown(below)}: links lead in a circle")
    if place.is_dir():
        yield from _walk(pfs, os.fspath(place), below + "/", links)
    elif place.is_file():
        yield below, os.fspath(place)
    else:
        raise OutputError(f"/pfs/out{_shown(below)} is neither a file nor a folder")


def _shown(name: object) -> str:
    """Return a file name for a message: any bytes can be in one, and only text in a message."""
    return os.fsencode(str(name)).decode(errors="replace")


def _target(pfs: Path, link: Path, below: str) -> Path:
    """Follow a link as the command saw it: `/pfs` is the worker's."""
    root, shown = pfs.resolve(), _shown(below)
    place = link
    for _ in range(_MAX_LINKS):
        if not place.is_symlink():
            break
        text = str(place.readlink())
        inside = text == "/pfs" or text.startswith("/pfs/")
        place = root / text[5:] if inside else place.parent / text
        place = Path(os.path.normpath(place))
    try:
        resolved = place.resolve()
    except (OSError, RuntimeError):  # before Python 3.13
        raise OutputError(f"/pfs/out{shown}: links lead in a circle") from None
    if root not in (resolved, *resolved.parents):
        raise OutputError(f"/pfs/out{shown} links to {_shown(link.readlink())}, outside /pfs")
    if not resolved.exists():
        raise OutputError(f"/pfs/out{shown} links to {_shown(link.readlink())}, which is not there")
    return resolved
