"""Reading what one writer wrote of a commit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from pachlocal.pfs import paths, tree
from pachlocal.pfs.changes import Changes
from pachlocal.pfs.content import Immediate, Reader
from pachlocal.pfs.entries import DEFAULT_WRITER, Entry, Root, keyed
from pachlocal.pfs.globs import compile_glob, is_literal
from pachlocal.storage.objects import hash_of


def files_by(objects: Reader, root: Root, pattern: str, writer: str) -> tuple[Reader, Root]:
    """Return a tree that has one writer's files only, of those that matter for a glob.

    Args:
        objects: Where the tree is.
        root: The tree.
        pattern: What will be asked for: a path or glob.
        writer: Whose files.

    Returns:
        The new tree, and where it is: in memory, over the objects.
    """
    over = _Overlay(objects)
    writer = writer or DEFAULT_WRITER
    mine = Changes()
    for path, entry in _candidates(objects, root, pattern, writer):
        if entry.writer == writer:
            mine.set(keyed(path, writer), entry)
    return over, tree.apply(over, None, mine)


def _candidates(
    objects: Reader, root: Root, pattern: str, writer: str
) -> Iterator[tuple[str, Entry]]:
    place = paths.clean(pattern)
    if not is_literal(place):
        place = compile_glob(place).folder.rstrip("/") or "/"
    file = tree.lookup(objects, root, place, writer)
    folder = place.rstrip("/") + "/"
    below = tree.lookup(objects, root, folder)
    return chain(
        [(place, file)] if file is not None else [],
        tree.files(objects, below.hash, folder) if below is not None else [],
    )


class _Overlay(Immediate):
    """Takes objects over a store, in memory."""

    def __init__(self, store: Reader) -> None:
        self._store = store
        self._added: dict[bytes, bytes] = {}

    def put(self, data: bytes) -> bytes:
        name = hash_of(data)
        self._added[name] = data
        return name

    def get(self, name: bytes) -> bytes:
        added = self._added.get(name)
        return self._store.get(name) if added is None else added
