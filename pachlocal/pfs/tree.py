"""The files of a commit: a Merkle tree of folders, each folder a sorted map cut by content.

A folder maps names to entries, in byte order; the name of a subfolder ends in `/`, so a
depth-first walk yields paths in byte order. The map is a prolly tree (a probabilistic B-tree, as in
Noms and Dolt): an entry closes its node when the hash of its *name* has `_BITS` zero bits, it
closes the node above too when it has twice as many, and so on. So the shape depends on the set of
names alone:

- equal folders have equal hashes, however they came about;
- a changed entry rewrites one node a level, whatever the folder holds;
- two versions are compared at the cost of their difference, since equal subtrees have equal hashes.

Trees are immutable values named by the hash of their root node; None is the empty tree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import msgpack
from blake3 import blake3

from pachlocal.pfs import paths
from pachlocal.pfs.content import Content, Objects, Reader, chunks_of, concatenate

Hash: TypeAlias = bytes
Root: TypeAlias = "Hash | None"

_BITS = 6  # a node has 2**6 entries on average
_MASK = (1 << _BITS) - 1
_CACHED_NODES = 256
_KEY = itemgetter(0)
_MANY = 64


class Kind(IntEnum):
    """What an entry's hash names."""

    FILE = 0  # the file's bytes
    CHUNKED = 1  # the list of the file's chunks
    FOLDER = 2  # the root node of a folder


class Entry(NamedTuple):
    """A name in a folder.

    Attributes:
        name: One path segment; a folder's ends in `/`.
        kind: What `hash` names.
        hash: 32 bytes.
        size: Bytes; a folder's is the sum of its files'.
    """

    name: str
    kind: Kind
    hash: Hash
    size: int

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder."""
        return self.kind is Kind.FOLDER

    @property
    def content(self) -> Content:
        """The content of a file."""
        return Content(self.hash, self.size, chunked=self.kind is Kind.CHUNKED)

    @staticmethod
    def of_file(name: str, content: Content) -> Entry:
        """Make a file's entry."""
        kind = Kind.CHUNKED if content.chunked else Kind.FILE
        return Entry(name, kind, content.hash, content.size)


class _Ref(NamedTuple):
    """An inner node's pointer to a child.

    Attributes:
        last: The greatest name below the child.
        hash: The child node.
        size: Bytes of all files below.
    """

    last: str
    hash: Hash
    size: int


class _Node(NamedTuple):
    """One stored node: entries at height 0, pointers to nodes of the height below otherwise."""

    height: int
    entries: tuple[Entry, ...]
    children: tuple[_Ref, ...]


class Append(NamedTuple):
    """A change that adds a file's content to what is there."""

    entry: Entry


@dataclass(slots=True)
class Changes:
    """What is to become of a folder, whatever it holds: the same changes fit any tree.

    Attributes:
        cleared: Whether all that was there goes before the changes apply.
        names: By name (a folder's ends in `/`): an entry to set, a file to append, changes further
            down, or None for what is to go.
    """

    cleared: bool = False
    names: dict[str, Change] = field(default_factory=dict)

    def set(self, path: str, change: Change) -> None:
        """Put a change at a path, in place of what was to become of it; a folder's ends in `/`."""
        *folders, name = paths.segments(path)
        changes = self.folder(folders)
        changes.names[name + "/" if path.endswith("/") else name] = change

    def folder(self, names: Iterable[str]) -> Changes:
        """Return the changes of a folder further down, which are to come about if they don't."""
        changes = self
        for name in names:
            below = changes.names.get(name + "/")
            if not isinstance(below, Changes):
                below = changes.names[name + "/"] = Changes()
            changes = below
        return changes


Change: TypeAlias = "Entry | Append | Changes | None"


def lookup(objects: Reader, root: Root, path: str) -> Entry | None:
    """Find a cleaned path: a file, or else a folder; the root itself is a folder named `/`."""
    folder = root
    parts = paths.segments(path)
    if not parts:
        return None if root is None else root_entry(objects, root)
    for part in parts[:-1]:
        entry = _find(objects, folder, part + "/")
        if entry is None:
            return None
        folder = entry.hash
    if path.endswith("/"):
        return _find(objects, folder, parts[-1] + "/")
    return _find(objects, folder, parts[-1]) or _find(objects, folder, parts[-1] + "/")


def root_entry(objects: Reader, root: Hash) -> Entry:
    """Return the entry of a whole tree, named `/`."""
    return Entry("/", Kind.FOLDER, root, _size(_load(objects, root)))


def size_of(objects: Reader, root: Root) -> int:
    """Return the bytes of all files of a tree."""
    return 0 if root is None else _size(_load(objects, root))


def children(objects: Reader, root: Root, after: str = "") -> Iterator[Entry]:
    """Yield a folder's entries in byte order, those with a name greater than `after`."""
    if root is None:
        return
    node = _load(objects, root)
    for ref in node.children:
        if ref.last > after:
            yield from children(objects, ref.hash, after)
    for entry in node.entries:
        if entry.name > after:
            yield entry


def walk(objects: Reader, root: Root, path: str = "/") -> Iterator[tuple[str, Entry]]:
    """Yield all below a folder, depth first, as (path, entry) in byte order; folders end in `/`.

    Args:
        objects: Where the nodes are.
        root: The folder.
        path: The folder's own path, with a `/` at the end; it is not yielded.
    """
    for entry in children(objects, root):
        below = path + entry.name
        yield below, entry
        if entry.is_folder:
            yield from walk(objects, entry.hash, below)


def files(objects: Reader, root: Root, path: str = "/") -> Iterator[tuple[str, Entry]]:
    """Yield the files below a folder, as `walk` does."""
    return ((path, entry) for path, entry in walk(objects, root, path) if not entry.is_folder)


def apply(objects: Objects, root: Root, changes: Changes) -> Root:
    """Return the tree with the changes made; a folder that has become empty is gone."""
    if changes.cleared:
        root = None
    flat = [
        (name, change if isinstance(change, Entry) else _resolve(objects, root, name, change))
        for name, change in sorted(changes.names.items(), key=_KEY)
    ]
    return _rewrite(objects, root, flat)


def _resolve(objects: Objects, root: Root, name: str, change: Change) -> Entry | None:
    if isinstance(change, Append):
        there = _find(objects, root, name)
        if there is None or not there.size:
            return change.entry
        joined = concatenate(objects, there.content, change.entry.content)
        return Entry.of_file(name, joined)
    if not isinstance(change, Changes):
        return change
    before = None if change.cleared else _find(objects, root, name)
    after = apply(objects, before.hash if before else None, change)
    return None if after is None else root_entry(objects, after)._replace(name=name)


def diff(
    objects: Reader, old: Root, new: Root, path: str = "/"
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """Yield (path, old entry, new entry) for what differs, in byte order, folders before content.

    A folder is yielded when it was added or removed or when anything below it differs. The cost
    follows the number of differences, not the size of the trees.
    """
    for before, after in _diff_folder(objects, old, new):
        entry = after or before
        assert entry is not None  # noqa: S101 - one side of a difference is there
        below = path + entry.name
        yield below, before, after
        if entry.is_folder:
            yield from diff(
                objects, before.hash if before else None, after.hash if after else None, below
            )


def collision(objects: Reader, old: Root, new: Root, path: str = "/") -> str | None:
    """Return a path that is a file and a folder in a tree and wasn't both in an older one."""
    added: list[Entry] = []
    for before, after in _diff_folder(objects, old, new):
        if after is None:
            continue
        if before is None:
            added.append(after)
        if after.is_folder:
            found = collision(
                objects, before.hash if before else None, after.hash, path + after.name
            )
            if found is not None:
                return found
    twins = (entry.name[:-1] if entry.is_folder else entry.name + "/" for entry in added)
    if len(added) > _MANY:  # one pass over the folder is cheaper than as many look-ups
        there = {entry.name for entry in children(objects, new)}
        twin = next((name for name in twins if name in there), None)
    else:
        twin = next((name for name in twins if _find(objects, new, name) is not None), None)
    return None if twin is None else path + twin.rstrip("/")


def visit(objects: Reader, root: Hash, seen: set[Hash], usable: Callable[[Hash], bool]) -> None:
    """Go through every object that a tree needs, once.

    Args:
        objects: Where they are.
        root: The tree.
        seen: Those to pass over; the others are added.
        usable: Called with each name, before the object is read; what isn't usable isn't read.
    """
    if root in seen:
        return
    seen.add(root)
    if not usable(root):
        return
    node = _load(objects, root)
    for ref in node.children:
        visit(objects, ref.hash, seen, usable)
    for entry in node.entries:
        if entry.is_folder:
            visit(objects, entry.hash, seen, usable)
        elif entry.hash not in seen:
            seen.add(entry.hash)
            if usable(entry.hash) and entry.kind is Kind.CHUNKED:
                for name, _ in chunks_of(objects, entry.content):
                    if name not in seen:
                        seen.add(name)
                        usable(name)


# --- one folder ---------------------------------------------------------------------------------


def _find(objects: Reader, root: Root, name: str) -> Entry | None:
    while root is not None:
        node = _load(objects, root)
        items: Sequence[Entry | _Ref] = node.entries or node.children
        at = bisect_left(items, name, key=_KEY)  # both begin with the name they are sorted by
        if at == len(items):
            return None
        found = items[at]
        if isinstance(found, Entry):
            return found if found.name == name else None
        root = found.hash
    return None


def _rewrite(objects: Objects, root: Root, changes: list[tuple[str, Entry | None]]) -> Root:
    """Return a folder's map with sorted changes made: an entry set, or removed where it is None."""
    if not changes:
        return root
    builder = _Builder(objects)
    position = 0
    if root is not None:
        node = _load(objects, root)
        position = _feed(builder, node, changes, position)
    for _, entry in changes[position:]:
        if entry is not None:
            builder.add(entry)
    return builder.finish()


def _feed(
    builder: _Builder, node: _Node, changes: list[tuple[str, Entry | None]], position: int
) -> int:
    """Give a node's entries to the builder, with the changes up to its last name merged in.

    Returns the position of the first change after it. Subtrees without changes are passed on whole.
    """
    for ref in node.children:
        untouched = position == len(changes) or changes[position][0] > ref.last
        if untouched and builder.takes(ref, node.height - 1):
            builder.add_subtree(ref, node.height - 1)
        else:
            position = _feed(builder, _load(builder.objects, ref.hash), changes, position)
    for entry in node.entries:
        while position < len(changes) and changes[position][0] < entry.name:
            added = changes[position][1]
            if added is not None:
                builder.add(added)
            position += 1
        if position < len(changes) and changes[position][0] == entry.name:
            replacement = changes[position][1]
            if replacement is not None:
                builder.add(replacement)
            position += 1
        else:
            builder.add(entry)
    return position


class _Builder:
    """Builds a map from entries in order, reusing whole subtrees where the cuts fall alike."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._entries: list[Entry] = []
        self._levels: list[list[_Ref]] = []  # open inner nodes; [0] points to leaves

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)
        closes = _closes(entry.name)
        for height in range(closes):
            self._close(height)

    def takes(self, ref: _Ref, height: int) -> bool:
        """Whether a subtree fits here whole: nothing lower is open, and its end closes it."""
        lower_open = self._entries or any(self._levels[:height])
        return not lower_open and _closes(ref.last) > height

    def add_subtree(self, ref: _Ref, height: int) -> None:
        self._push(ref, height)
        for above in range(height + 1, _closes(ref.last)):
            self._close(above)

    def finish(self) -> Root:
        height = 0
        while any(self._levels[height:]):
            self._close(height)
            height += 1
        if height == 0:
            return self._store(_Node(0, tuple(self._entries), ())) if self._entries else None
        if len(self._levels[height - 1]) > 1:
            self._close(height)
        return self._top()

    def _top(self) -> Hash:
        """Return the lowest node that has all: a root with one child gives way to the child."""
        (ref,) = next(level for level in reversed(self._levels) if level)
        node = _load(self.objects, ref.hash)
        while len(node.children) == 1:
            ref = node.children[0]
            node = _load(self.objects, ref.hash)
        return ref.hash

    def _close(self, height: int) -> None:
        """End the open node of a height and put a pointer to it into the node above."""
        if height == 0:
            if not self._entries:
                return
            node = _Node(0, tuple(self._entries), ())
            last = self._entries[-1].name
            self._entries = []
        else:
            refs = self._levels[height - 1] if height <= len(self._levels) else []
            if not refs:
                return
            node = _Node(height, (), tuple(refs))
            last = refs[-1].last
            self._levels[height - 1] = []
        self._push(_Ref(last, self._store(node), _size(node)), height)

    def _push(self, ref: _Ref, height: int) -> None:
        while len(self._levels) <= height:
            self._levels.append([])
        self._levels[height].append(ref)

    def _store(self, node: _Node) -> Hash:
        return self.objects.put(_encode(node))


def _diff_folder(
    objects: Reader, old: Root, new: Root
) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Yield the (old, new) entries of two folders that differ, in byte order of names."""
    if old == new:
        return
    left, right = _Cursor(objects, old), _Cursor(objects, new)
    while True:
        a, b = left.head, right.head
        if a is None and b is None:
            return
        if isinstance(a, _Ref) and isinstance(b, _Ref) and a.hash == b.hash:
            left.skip()
            right.skip()
        elif isinstance(a, _Ref) and not (isinstance(b, _Ref) and b.last > a.last):
            left.expand(a)
        elif isinstance(b, _Ref):
            right.expand(b)
        elif isinstance(a, Entry) and (b is None or a.name < b.name):
            left.skip()
            yield a, None
        elif isinstance(a, Entry) and isinstance(b, Entry) and a.name == b.name:
            left.skip()
            right.skip()
            if a != b:
                yield a, b
        else:
            right.skip()
            yield None, b


class _Cursor:
    """Goes through a map in order, in whole subtrees for as long as they are not expanded."""

    def __init__(self, objects: Reader, root: Root) -> None:
        self._objects = objects
        self._ahead: list[_Ref | Entry] = []  # the next one last
        if root is not None:
            self._push(_load(objects, root))

    @property
    def head(self) -> _Ref | Entry | None:
        return self._ahead[-1] if self._ahead else None

    def skip(self) -> None:
        self._ahead.pop()

    def expand(self, ref: _Ref) -> None:
        self._ahead.pop()
        self._push(_load(self._objects, ref.hash))

    def _push(self, node: _Node) -> None:
        self._ahead.extend(reversed(node.children))
        self._ahead.extend(reversed(node.entries))


# --- one node -----------------------------------------------------------------------------------


def _closes(name: str) -> int:
    """Return how many nodes an entry closes, from the leaf upwards."""
    value = int.from_bytes(blake3(name.encode()).digest(length=8), "big")
    closed = 0
    while value & _MASK == 0 and closed < 64 // _BITS:
        value >>= _BITS
        closed += 1
    return closed


def _size(node: _Node) -> int:
    return sum(item.size for item in node.children) + sum(item.size for item in node.entries)


def _load(objects: Reader, name: Hash) -> _Node:
    return _decode(objects.get(name))


def _encode(node: _Node) -> bytes:
    data: bytes = msgpack.packb((node.height, node.children or node.entries))
    return data


_KINDS = tuple(Kind)


@lru_cache(maxsize=_CACHED_NODES)
def _decode(data: bytes) -> _Node:
    height, items = msgpack.unpackb(data)
    if height:
        return _Node(height, (), tuple(_Ref(*item) for item in items))
    entries = tuple(Entry(name, _KINDS[kind], hash_, size) for name, kind, hash_, size in items)
    return _Node(0, entries, ())
