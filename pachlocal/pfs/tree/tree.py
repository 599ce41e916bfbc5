"""The files of a commit: a Merkle tree of folders.

A folder maps names to entries, in byte order; the name of a subfolder ends in `/`, so a depth-first
walk yields paths in byte order. Trees are immutable values, named by the hash of their root node:

- equal folders have equal hashes, however they came about;
- a change costs what it touches, whatever the tree holds;
- two versions are compared at the cost of their difference, since equal subtrees have equal hashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from operator import itemgetter
from typing import NamedTuple

from pachlocal.pfs.tree import folders, paths
from pachlocal.pfs.tree.changes import Append, Change, Changes
from pachlocal.pfs.tree.content import Objects, Reader, chunks_of, concatenate
from pachlocal.pfs.tree.entries import Entry, Hash, Kind, Root, keyed
from pachlocal.pfs.tree.nodes import Ref, load, size_below

_NAME = itemgetter(0)
_MANY = 64  # look-ups in one folder; more are done in one pass over it


def lookup(objects: Reader, root: Root, path: str, tag: str = "") -> Entry | None:
    """Find a cleaned path: a file, or else a folder; the root itself is a folder named `/`.

    Args:
        objects: Where the nodes are.
        root: The tree.
        path: The path; with a `/` at the end only a folder is meant.
        tag: The file's datum tag; any if it isn't given.
    """
    folder = root
    parts = paths.segments(path)
    if not parts:
        return None if root is None else root_entry(objects, root)
    for part in parts[:-1]:
        entry = folders.find(objects, folder, part + "/")
        if entry is None:
            return None
        folder = entry.hash
    if path.endswith("/"):
        return folders.find(objects, folder, parts[-1] + "/")
    if tag:
        file = folders.find(objects, folder, keyed(parts[-1], tag))
    else:
        file = folders.find_named(objects, folder, parts[-1])
    return file or folders.find(objects, folder, parts[-1] + "/")


def root_entry(objects: Reader, root: Hash) -> Entry:
    """Return the entry of a whole tree, named `/`."""
    return Entry("/", Kind.FOLDER, root, size_below(load(objects, root)))


def size_of(objects: Reader, root: Root) -> int:
    """Return the bytes of all files of a tree."""
    return 0 if root is None else size_below(load(objects, root))


def walk(objects: Reader, root: Root, path: str = "/") -> Iterator[tuple[str, Entry]]:
    """Yield all below a folder, depth first, as (path, entry) in byte order; folders end in `/`.

    Args:
        objects: Where the nodes are.
        root: The folder.
        path: The folder's own path, with a `/` at the end; it is not yielded.
    """
    for entry in folders.children(objects, root):
        below = path + entry.name
        yield below, entry
        if entry.is_folder:
            yield from walk(objects, entry.hash, below)


def files(objects: Reader, root: Root, path: str = "/") -> Iterator[tuple[str, Entry]]:
    """Yield the files below a folder, as `walk` does."""
    return ((path, entry) for path, entry in walk(objects, root, path) if not entry.is_folder)


def apply(objects: Objects, root: Root, changes: Changes) -> Root:
    """Return the tree with the changes made; a folder that has become empty is gone."""
    if not (changes.cleared or changes.dropped or changes.names):
        return root
    after = _apply(objects, root, changes)
    return None if after is None else after.hash


def _apply(objects: Objects, root: Root, changes: Changes) -> Ref | None:
    if changes.cleared:
        root = None
    for tag in changes.dropped:
        root = _without(objects, root, tag)
    flat = [
        (name, change if isinstance(change, Entry) else _resolve(objects, root, name, change))
        for name, change in sorted(changes.names.items(), key=_NAME)
    ]
    return folders.rewrite(objects, root, flat)


def _without(objects: Objects, root: Root, tag: str) -> Root:
    gone = Changes()
    for path, entry in files(objects, root):
        if entry.tag == tag:
            gone.set(keyed(path, tag), None)
    return apply(objects, root, gone)


def _resolve(objects: Objects, root: Root, name: str, change: Change) -> Entry | None:
    if isinstance(change, Append):
        there = folders.find(objects, root, name) if root is not None else None
        if there is None or not there.size:
            return change.entry
        joined = concatenate(objects, there.content, change.entry.content)
        return Entry.of_file(name, joined)
    if not isinstance(change, Changes):
        return change
    before = None if change.cleared else folders.find(objects, root, name)
    after = _apply(objects, before.hash if before else None, change)
    return None if after is None else Entry(name, Kind.FOLDER, after.hash, after.size)


def diff(
    objects: Reader, old: Root, new: Root, path: str = "/"
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """Yield (path, old entry, new entry) for what differs, in byte order, folders before content.

    A folder is yielded when it was added or removed or when anything below it differs. The cost
    follows the number of differences, not the size of the trees.
    """
    for before, after in folders.diff(objects, old, new):
        entry = after or before
        assert entry is not None  # noqa: S101 - one side of a difference is there
        below = path + entry.name
        yield below, before, after
        if entry.is_folder:
            yield from diff(
                objects, before.hash if before else None, after.hash if after else None, below
            )


def flaw(objects: Reader, old: Root, new: Root, path: str = "/") -> str | None:
    """Return why the files of a tree can't be laid out, if an older tree's could; in words.

    A path is a file and a folder, or has several datum tags. The words are the real server's.
    """
    looked_up = 0
    crowd = _Crowd.of(objects, new) if old is None else None
    if crowd is not None and crowd.is_peaceful:
        return None
    for before, after in folders.diff(objects, old, new):
        if after is None:
            continue
        if after.is_folder:
            found = flaw(objects, before.hash if before else None, after.hash, path + after.name)
            if found is not None:
                return found
        if before is None:
            looked_up += 1
            if looked_up > _MANY and crowd is None:
                crowd = _Crowd.of(objects, new)
                if crowd.is_peaceful:
                    return None
            found = _clash(objects, new, after, path, crowd)
            if found is not None:
                return found
    return None


def collision(objects: Reader, root: Root, folder: str) -> str | None:
    """Return in words that a folder's path is that of a file, too; None when it isn't."""
    file, found = lookup(objects, root, folder[:-1]), lookup(objects, root, folder)
    if found is None or file is None or file.is_folder:
        return None
    return _collision(objects, found, folder[: -len(found.name)])


def _collision(objects: Reader, folder: Entry, path: str) -> str:
    """Say, as the real server does, which file lies below a path that is a file."""
    first, _ = next(files(objects, folder.hash, path + folder.name))
    return f"file / directory path collision ({first})"


def _clash(
    objects: Reader, folder: Root, entry: Entry, path: str, crowd: _Crowd | None
) -> str | None:
    """Return why an entry can't be together with the others in its folder; in words."""
    twin: Entry | None = None
    if entry.is_folder:
        twin = entry if folders.find_named(objects, folder, entry.name[:-1]) is not None else None
    elif crowd is None or entry.name + "/" in crowd.subfolders:
        twin = folders.find_named(objects, folder, entry.name + "/")
    if twin is not None:
        return _collision(objects, twin, path)
    if entry.is_folder or (crowd is not None and entry.name not in crowd.shared):
        return None
    tags = sorted(_tags(objects, folder, entry.name))
    if len(tags) < 2:
        return None
    first, second = (f"{path}{entry.name} from {tag}" for tag in tags[:2])
    return f"duplicate path output by different datums ({first} and {second})"


class _Crowd(NamedTuple):
    """What one pass over a folder finds out, which is cheaper than many look-ups.

    Attributes:
        subfolders: Their names.
        shared: The names of files that have several datum tags.
    """

    subfolders: set[str]
    shared: set[str]

    @property
    def is_peaceful(self) -> bool:
        """Whether nothing can clash."""
        return not self.subfolders and not self.shared

    @staticmethod
    def of(objects: Reader, folder: Root) -> _Crowd:
        crowd = _Crowd(set(), set())
        last = ""
        for entry in folders.children(objects, folder):
            if entry.is_folder:
                crowd.subfolders.add(entry.name)
            elif entry.name == last:
                crowd.shared.add(last)
            last = entry.name
        return crowd


def _tags(objects: Reader, root: Root, name: str) -> list[str]:
    """Return the datum tags of the files of one name in a folder."""
    first = folders.find_named(objects, root, name)
    if first is None:
        return []
    others = takewhile(lambda it: it.name == name, folders.children(objects, root, first.key))
    return [first.tag, *(other.tag for other in others)]


def visit(objects: Reader, root: Hash, seen: set[Hash]) -> None:
    """Add the names of all objects that a tree needs.

    Args:
        objects: Where they are.
        root: The tree.
        seen: What they are added to; what is below those in it isn't looked for again.
    """
    if root in seen:
        return
    seen.add(root)
    node = load(objects, root)
    for ref in node.children:
        visit(objects, ref.hash, seen)
    for entry in node.entries:
        if entry.is_folder:
            visit(objects, entry.hash, seen)
        elif entry.hash not in seen:
            seen.add(entry.hash)
            if entry.kind is Kind.CHUNKED:
                seen.update(name for name, _ in chunks_of(objects, entry.content))
