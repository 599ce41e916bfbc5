"""The stored nodes of folders, and where the names themselves cut them.

A folder is a sorted map from names to entries, cut into nodes as a prolly tree (a probabilistic
B-tree, as in Noms and Dolt): an entry closes its node when the hash of its *name* has `_BITS` zero
bits, it closes the node above too when it has twice as many, and so on.
"""

from __future__ import annotations

from operator import attrgetter
from threading import Lock
from typing import NamedTuple

import msgpack
from blake3 import blake3

from pachlocal.pfs.tree.content import Reader
from pachlocal.pfs.tree.entries import KINDS, Entry, Hash

_BITS = 6  # a node has 2**6 entries on average
_MASK = (1 << _BITS) - 1
_CACHED = 256  # nodes
_keeping = Lock()


class Ref(NamedTuple):
    """An inner node's pointer to a child.

    Attributes:
        last: The greatest name below the child.
        hash: The child node.
        size: Bytes of all files below.
    """

    last: str
    hash: Hash
    size: int


_SIZE = attrgetter("size")


class Node(NamedTuple):
    """One stored node: entries at height 0, pointers to nodes of the height below otherwise."""

    height: int
    entries: tuple[Entry, ...]
    children: tuple[Ref, ...]


_nodes: dict[bytes, Node] = {}  # by their bytes


def boundary_level(name: str) -> int:
    """Return how many nodes an entry closes, from the leaf upwards."""
    digest = blake3(name.encode()).digest(length=8)
    if digest[-1] & _MASK:  # most close none
        return 0
    value = int.from_bytes(digest, "big")
    closed = 0
    while value & _MASK == 0 and closed < 64 // _BITS:
        value >>= _BITS
        closed += 1
    return closed


def size_below(node: Node) -> int:
    """Return the bytes of all files below a node."""
    return sum(map(_SIZE, node.children or node.entries))


def load(objects: Reader, name: Hash) -> Node:
    """Read a node.

    Raises:
        DamagedStoreError: It is missing, or its bytes have changed.
    """
    return _decode(objects.get(name))


def encode(node: Node) -> bytes:
    """Return the bytes of a node: one value has one encoding."""
    data: bytes = msgpack.packb((node.height, node.children or node.entries))
    _remember(data, node)  # it is looked at again, at the latest by the next change
    return data


def _decode(data: bytes) -> Node:
    known = _nodes.get(data)
    if known is not None:
        return known
    height, items = msgpack.unpackb(data)
    if height:
        node = Node(height, (), tuple(Ref(*item) for item in items))
    else:
        entries = tuple(Entry(name, KINDS[kind], hash_, size) for name, kind, hash_, size in items)
        node = Node(0, entries, ())
    _remember(data, node)
    return node


def _remember(data: bytes, node: Node) -> None:
    """Keep a node in place of the one that has been kept longest."""
    with _keeping:
        if data not in _nodes:
            if len(_nodes) >= _CACHED:
                del _nodes[next(iter(_nodes))]
            _nodes[data] = node
