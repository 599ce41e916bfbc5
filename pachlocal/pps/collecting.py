"""A worker's `/pfs/out` after a command: what the command left there becomes a tree.

See https://docs.pachyderm.com/latest/build-dags/pipeline-spec/transform/ for what a command may do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs import folders, paths
from pachlocal.pfs.content import Content, ContentWriter
from pachlocal.pfs.entries import Entry, Kind, Root
from pachlocal.pfs.nodes import Ref
from pachlocal.pps.layout import OUT
from pachlocal.storage.objects import ObjectWriter

_SMALL = 64 * 1024  # bytes read at once: most files are small, and to make room takes time
_PIECE = 4 * 1024 * 1024  # of those that aren't
_MAX_LINKS = 40  # as many as the kernel follows
_OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


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
    out = _store(objects, pfs, _Child("/", _folder(pfs), _MAX_LINKS), "/")
    return (None, 0) if out is None else (out.hash, out.size)


class _Child(NamedTuple):
    """A file or folder to be stored.

    Attributes:
        key: That of its entry: its name, a folder's with a `/` at the end.
        place: Its path on disk.
        links: How many more links may be followed below.
    """

    key: str
    place: str
    links: int


def _folder(pfs: Path) -> str:
    out = f"{pfs}/{OUT}"
    if os.path.islink(out):  # noqa: PTH114 - pathlib takes longer than the call
        return os.fspath(_target(pfs, Path(out), ""))
    return out


def _store(objects: ObjectWriter, pfs: Path, folder: _Child, path: str) -> Ref | None:
    """Store a folder, whose path in the output this is; None when there are no files below it."""
    if path.count("/") > paths.MAX_DEPTH:
        raise OutputError(
            f"/pfs/out{_shown(path[:40])}… is more than {paths.MAX_DEPTH} folders deep"
        )
    with os.scandir(folder.place) as entries:
        children = sorted(_child(pfs, entry, path + entry.name, folder.links) for entry in entries)
    return folders.build(objects, _entries(objects, pfs, children, path))


def _entries(
    objects: ObjectWriter, pfs: Path, children: Iterable[_Child], path: str
) -> Iterator[Entry]:
    for child in children:
        key, below = child.key, path + child.key
        if not key.endswith("/"):
            paths.validate(below)
            yield Entry.of_file(key, _read(objects, child.place))
        elif (stored := _store(objects, pfs, child, below)) is not None:
            yield Entry(key, Kind.FOLDER, stored.hash, stored.size)


def _read(objects: ObjectWriter, place: str) -> Content:
    """Store a file's content."""
    writer = ContentWriter(objects)
    size = 0
    file = os.open(place, _OLD_FILE)
    try:
        while piece := os.read(file, _SMALL if size < _SMALL else _PIECE):
            writer.write(piece)
            size += len(piece)
    finally:
        os.close(file)
    return writer.finish()


def _child(pfs: Path, entry: os.DirEntry[str], path: str, links: int) -> _Child:
    """Return what is to be stored for an entry of a folder, whose path in the output this is."""
    if entry.is_file(follow_symlinks=False):
        return _Child(entry.name, entry.path, links)
    if entry.is_dir(follow_symlinks=False):
        return _Child(entry.name + "/", entry.path, links)
    if entry.is_symlink():
        place = _target(pfs, Path(entry.path), path)
        if not links:
            raise OutputError(f"/pfs/out{_shown(path)}: links lead in a circle")
        if place.is_dir():
            return _Child(entry.name + "/", os.fspath(place), links - 1)
        if place.is_file():
            return _Child(entry.name, os.fspath(place), links - 1)
    raise OutputError(f"/pfs/out{_shown(path)} is neither a file nor a folder")


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
