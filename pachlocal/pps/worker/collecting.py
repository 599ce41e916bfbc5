"""A worker's `/pfs/out` after a command: what the command left there becomes a tree.

See https://docs.pachyderm.com/latest/build-dags/pipeline-spec/transform/ for what a command may do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pachlocal.errors import OutputError
from pachlocal.pfs.tree import folders, paths, tree
from pachlocal.pfs.tree.content import Content, ContentWriter, Reader
from pachlocal.pfs.tree.entries import Entry, Kind, Root
from pachlocal.pfs.tree.nodes import Ref
from pachlocal.pps.spec.datums import Datum
from pachlocal.pps.worker.layout.places import OUT
from pachlocal.pps.worker.links import MAX_LINKS, Links, Place, path_text
from pachlocal.runtime.contract import Worker
from pachlocal.storage.object_writer import ObjectWriter

_SMALL = 64 * 1024  # bytes read at once: most files are small, and to make room takes time
_PIECE = 4 * 1024 * 1024  # of those that aren't
_OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def collect(objects: ObjectWriter, worker: Worker, datum: Datum) -> tuple[Root, int]:
    """Store what is in `/pfs/out`; return its tree and its bytes.

    Links are followed, also out of `/pfs` to what the command saw there, as far as the worker shows
    it. Empty folders vanish. A link to a file that was laid out empty (`empty_files`) stands for
    the input's file, whatever lies there now.

    Args:
        objects: Where it is stored.
        worker: Whose command has ended.
        datum: What was laid out there.

    Raises:
        OutputError: A name can't be a path in a repo, a link leads to what can't be output, or
            something is neither a file nor a folder.
        OSError: There is no such folder, or something can't be read.
    """
    links = Links(worker.pfs, worker.place_of)
    collector = _Collector(objects, links, _Originals(objects, links.root, datum))
    out = _store(collector, _Child("/", _folder(worker.pfs, links), MAX_LINKS), "/")
    return (None, 0) if out is None else (out.hash, out.size)


class _Originals:
    """The files of the inputs that only names are laid out of."""

    def __init__(self, objects: Reader, root: str, datum: Datum) -> None:
        self._objects = objects
        self._files = [file for file in datum if file.input.empty_files]
        self._root = root

    def find(self, place: str) -> Content | None:
        """Return the content of the input's file whose name lies at a path on disk, if one does."""
        for file in self._files:
            folder = f"{self._root}/{file.input.name}"
            if not place.startswith(folder + file.path):
                continue
            below = place[len(folder) + len(file.path) :]
            entry: Entry | None = file.entry
            if file.entry.is_folder:
                entry = tree.lookup(self._objects, file.entry.hash, "/" + below)
            elif below:
                continue
            if entry is not None and not entry.is_folder:
                return entry.content
        return None


class _Collector(NamedTuple):
    """Whose output is stored, and where.

    Attributes:
        objects: Where it is stored.
        links: What links stand for.
        originals: What lies there by name alone.
    """

    objects: ObjectWriter
    links: Links
    originals: _Originals


class _Child(NamedTuple):
    """A file or folder to be stored.

    Attributes:
        key: That of its entry: its name, a folder's with a `/` at the end.
        at: Where it is.
        links: How many more links may be followed below.
    """

    key: str
    at: Place
    links: int


def _folder(pfs: Path, links: Links) -> Place:
    out = f"{pfs}/{OUT}"
    if os.path.islink(out):  # noqa: PTH114 - pathlib takes longer than the call
        return links.follow("/pfs/out", "/pfs/out")
    return Place("/pfs/out", out)


def _store(worker: _Collector, folder: _Child, path: str) -> Ref | None:
    """Store a folder, whose path in the output this is; None when there are no files below it."""
    if path.count("/") > paths.MAX_DEPTH:
        raise OutputError(
            f"/pfs/out{path_text(path[:40])}… is more than {paths.MAX_DEPTH} folders deep"
        )
    with os.scandir(folder.at.place) as entries:
        children = sorted(
            _child(worker.links, entry, folder, path + entry.name) for entry in entries
        )
    return folders.build(worker.objects, _entries(worker, children, path))


def _entries(worker: _Collector, children: Iterable[_Child], path: str) -> Iterator[Entry]:
    for child in children:
        key, below = child.key, path + child.key
        if not key.endswith("/"):
            paths.validate(below)
            original = worker.originals.find(child.at.place)
            yield Entry.of_file(key, original or _read(worker.objects, child.at.place))
        elif (stored := _store(worker, child, below)) is not None:
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


def _child(links: Links, entry: os.DirEntry[str], folder: _Child, path: str) -> _Child:
    """Return what is to be stored for an entry of a folder, whose path in the output this is."""
    name, seen = entry.name, f"{folder.at.seen}/{entry.name}"
    if entry.is_file(follow_symlinks=False):
        return _Child(name, Place(seen, entry.path), folder.links)
    if entry.is_dir(follow_symlinks=False):
        return _Child(f"{name}/", Place(seen, entry.path), folder.links)
    shown = f"/pfs/out{path_text(path)}"
    if entry.is_symlink():
        if not folder.links:
            raise OutputError(f"{shown}: links lead in a circle")
        found = links.follow(seen, shown)
        if os.path.isdir(found.place):  # noqa: PTH112 - pathlib takes longer
            return _Child(f"{name}/", found, folder.links - 1)
        if os.path.isfile(found.place):  # noqa: PTH113
            return _Child(name, found, folder.links - 1)
    raise OutputError(f"{shown} is neither a file nor a folder")
