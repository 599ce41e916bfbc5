"""Reading the files of one datum tag in a commit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from pachlocal.pfs.patterns.syntax import is_literal
from pachlocal.pfs.tree import paths, tree
from pachlocal.pfs.tree.changes import Changes
from pachlocal.pfs.tree.content import Reader
from pachlocal.pfs.tree.entries import DEFAULT_TAG, Entry, Root, keyed
from pachlocal.pfs.tree.globs import compile_glob
from pachlocal.pfs.tree.scratch import Scratch


def files_tagged(objects: Reader, root: Root, pattern: str, tag: str) -> tuple[Reader, Root]:
    """Return a tree that has the files of one datum tag only, of those that matter for a glob.

    Args:
        objects: Where the tree is.
        root: The tree.
        pattern: What will be asked for: a path or glob.
        tag: The datum tag.

    Returns:
        The new tree, and where it is, over the objects.
    """
    over = Scratch(objects)
    tag = tag or DEFAULT_TAG
    mine = Changes()
    for path, entry in _candidates(objects, root, pattern, tag):
        if entry.tag == tag:
            mine.set(keyed(path, tag), entry)
    return over, tree.apply(over, None, mine)


def _candidates(objects: Reader, root: Root, pattern: str, tag: str) -> Iterator[tuple[str, Entry]]:
    place = paths.clean(pattern)
    if not is_literal(place):
        place = compile_glob(place).folder.rstrip("/") or "/"
    file = tree.lookup(objects, root, place, tag)
    folder = place.rstrip("/") + "/"
    below = tree.lookup(objects, root, folder)
    return chain(
        [(place, file)] if file is not None else [],
        tree.files(objects, below.hash, folder) if below is not None else [],
    )
