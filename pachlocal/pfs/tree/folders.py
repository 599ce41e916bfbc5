"""One folder: look up, list, change, compare. Subfolders are entries like any other here.

The shape of the map depends on the set of names alone (`pachlocal.pfs.tree.nodes`), so a changed
entry rewrites one node a level, and two versions share all the nodes in which they are alike.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

from pachlocal.pfs.tree.content import Objects, Reader
from pachlocal.pfs.tree.entries import Entry, Root
from pachlocal.pfs.tree.nodes import Node, Ref, boundary_level, encode, load, size_below

_KEY = itemgetter(0)  # of an entry or a pointer: what it is sorted by


def children(objects: Reader, root: Root, after: str = "") -> Iterator[Entry]:
    """Yield a folder's entries in byte order, those with a key greater than `after`."""
    if root is None:
        return
    node = load(objects, root)
    for ref in node.children:
        if ref.last > after:
            yield from children(objects, ref.hash, after)
    for entry in node.entries:
        if entry.key > after:
            yield entry


def find(objects: Reader, root: Root, key: str) -> Entry | None:
    """Return the entry of a key, or None."""
    found = _first(objects, root, key)
    return found if found is not None and found.key == key else None


def find_named(objects: Reader, root: Root, name: str) -> Entry | None:
    """Return the entry of a name, whoever wrote it, or None."""
    found = _first(objects, root, name)
    return found if found is not None and found.name == name else None


def _first(objects: Reader, root: Root, key: str) -> Entry | None:
    """Return the entry with the least key that isn't less than this one."""
    while root is not None:
        node = load(objects, root)
        items: Sequence[Entry | Ref] = node.entries or node.children
        at = bisect_left(items, key, key=_KEY)
        if at == len(items):
            return None
        found = items[at]
        if isinstance(found, Entry):
            return found
        root = found.hash
    return None


def build(objects: Objects, entries: Iterable[Entry]) -> Ref | None:
    """Store a folder that has these entries, given in order; None without any.

    A pointer to its map, that is, with its size.
    """
    builder = _FolderBuilder(objects)
    for entry in entries:
        builder.add(entry)
    return builder.finish()


def rewrite(objects: Objects, root: Root, changes: list[tuple[str, Entry | None]]) -> Ref | None:
    """Return a folder's map with sorted changes made: an entry set, or removed where it is None.

    A pointer to it, as of `build`; None when nothing is left.
    """
    if root is None:
        return build(objects, (entry for _, entry in changes if entry is not None))
    builder = _FolderBuilder(objects)
    position = _feed(builder, load(objects, root), changes, 0)
    for _, entry in changes[position:]:
        if entry is not None:
            builder.add(entry)
    return builder.finish()


def _feed(
    builder: _FolderBuilder, node: Node, changes: list[tuple[str, Entry | None]], position: int
) -> int:
    """Give a node's entries to the builder, with the changes up to its last name merged in.

    Returns the position of the first change after it. Subtrees without changes are passed on whole.
    """
    for ref in node.children:
        untouched = position == len(changes) or changes[position][0] > ref.last
        if untouched and builder.takes(ref, node.height - 1):
            builder.add_subtree(ref, node.height - 1)
        else:
            position = _feed(builder, load(builder.objects, ref.hash), changes, position)
    return _feed_leaf(builder, node.entries, changes, position) if node.entries else position


def _feed_leaf(
    builder: _FolderBuilder,
    entries: Sequence[Entry],
    changes: list[tuple[str, Entry | None]],
    position: int,
) -> int:
    """Do what `_feed` does for a node's entries, of which only the last one closes anything."""
    at = 0
    while position < len(changes) and changes[position][0] <= entries[-1].key:
        key, change = changes[position]
        found = bisect_left(entries, key, at, key=_KEY)
        builder.add_inner(entries[at:found])
        at = found + (entries[found].key == key)
        if change is not None:
            builder.add(change)
        position += 1
    builder.add_inner(entries[at:-1])
    if at < len(entries):
        builder.add(entries[-1])
    return position


class _FolderBuilder:
    """Builds a map from entries in order, reusing whole subtrees where the cuts fall alike."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._entries: list[Entry] = []
        self._levels: list[list[Ref]] = []  # open inner nodes; [0] points to leaves

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)
        for height in range(boundary_level(entry.key)):
            self._close(height)

    def add_inner(self, entries: Sequence[Entry]) -> None:
        """Add entries that close no node: they didn't in the one that they are from."""
        self._entries.extend(entries)

    def takes(self, ref: Ref, height: int) -> bool:
        """Whether a subtree fits here whole: nothing lower is open, and its end closes it."""
        lower_open = self._entries or any(self._levels[:height])
        return not lower_open and boundary_level(ref.last) > height

    def add_subtree(self, ref: Ref, height: int) -> None:
        self._push(ref, height)
        for above in range(height + 1, boundary_level(ref.last)):
            self._close(above)

    def finish(self) -> Ref | None:
        height = 0
        while any(self._levels[height:]):
            self._close(height)
            height += 1
        if height == 0:
            return self._ref(Node(0, tuple(self._entries), ())) if self._entries else None
        if len(self._levels[height - 1]) > 1:
            self._close(height)
        return self._top()

    def _top(self) -> Ref:
        """Return the lowest node that has all: a root with one child gives way to the child."""
        (ref,) = next(level for level in reversed(self._levels) if level)
        node = load(self.objects, ref.hash)
        while len(node.children) == 1:
            ref = node.children[0]
            node = load(self.objects, ref.hash)
        return ref

    def _close(self, height: int) -> None:
        """End the open node of a height and put a pointer to it into the node above."""
        if height == 0:
            if not self._entries:
                return
            node = Node(0, tuple(self._entries), ())
            self._entries = []
        else:
            refs = self._levels[height - 1] if height <= len(self._levels) else []
            if not refs:
                return
            node = Node(height, (), tuple(refs))
            self._levels[height - 1] = []
        self._push(self._ref(node), height)

    def _push(self, ref: Ref, height: int) -> None:
        while len(self._levels) <= height:
            self._levels.append([])
        self._levels[height].append(ref)

    def _ref(self, node: Node) -> Ref:
        """Store a node and point to it."""
        last = node.children[-1].last if node.height else node.entries[-1].key
        return Ref(last, self.objects.put(encode(node)), size_below(node))


def diff(objects: Reader, old: Root, new: Root) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Yield the (old, new) entries of two folders that differ, in byte order of names."""
    if old == new:
        return
    left, right = _Cursor(objects, old), _Cursor(objects, new)
    while True:
        left.skip_alike(right)
        a, b = left.head, right.head
        if a is None and b is None:
            return
        if isinstance(a, Ref) and not (isinstance(b, Ref) and b.last > a.last):
            left.expand(a)
        elif isinstance(b, Ref):
            right.expand(b)
        elif isinstance(a, Entry) and (b is None or a.key < b.key):
            left.skip()
            yield a, None
        elif isinstance(a, Entry) and isinstance(b, Entry) and a.key == b.key:
            left.skip()
            right.skip()
            yield a, b
        else:
            right.skip()
            yield None, b


class _Cursor:
    """Goes through a map in order, in whole subtrees for as long as they are not expanded."""

    def __init__(self, objects: Reader, root: Root) -> None:
        self._objects = objects
        self._ahead: list[Ref | Entry] = []  # the next one last
        if root is not None:
            self._push(load(objects, root))

    @property
    def head(self) -> Ref | Entry | None:
        return self._ahead[-1] if self._ahead else None

    def skip(self) -> None:
        self._ahead.pop()

    def skip_alike(self, other: _Cursor) -> None:
        """Skip what is the same at both."""
        ours, theirs = self._ahead, other._ahead
        while ours and theirs and ours[-1] == theirs[-1]:
            ours.pop()
            theirs.pop()

    def expand(self, ref: Ref) -> None:
        self._ahead.pop()
        self._push(load(self._objects, ref.hash))

    def _push(self, node: Node) -> None:
        self._ahead.extend(reversed(node.children))
        self._ahead.extend(reversed(node.entries))
