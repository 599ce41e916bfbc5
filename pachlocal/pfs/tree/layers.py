"""The changes of a long stream: in layers, of which all but the newest lie on disk.

A stream may change a million files; only so many changes are held in memory at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO

import msgpack

from pachlocal.pfs.tree import tree
from pachlocal.pfs.tree.changes import Changes, dump, load
from pachlocal.pfs.tree.content import Objects
from pachlocal.pfs.tree.entries import Root


class Layers:
    """Sets of changes, to be made one after the other. Belongs to one thread."""

    def __init__(self) -> None:
        self.newest = Changes()
        self._older: IO[bytes] | None = None

    @property
    def is_one(self) -> bool:
        """Whether all changes are in memory."""
        return self._older is None

    def spill(self) -> None:
        """Put the newest changes on disk, and begin with none."""
        if self._older is None:
            self._older = tempfile.TemporaryFile(prefix="pachlocal-changes-")  # noqa: SIM115
        self._older.write(msgpack.packb(dump(self.newest)))
        self.newest = Changes()

    def clear(self) -> None:
        """Forget all changes: what comes replaces everything that there is."""
        self.close()
        self.newest = Changes(cleared=True)

    def __iter__(self) -> Iterator[Changes]:
        """Yield the changes, the oldest first; may be done again."""
        if self._older is not None:
            self._older.seek(0)
            yield from map(load, msgpack.Unpacker(self._older, max_buffer_size=0))
            self._older.seek(0, 2)
        yield self.newest

    def apply(self, objects: Objects, root: Root) -> Root:
        """Return a tree with all changes made."""
        for changes in self:
            root = tree.apply(objects, root, changes)
        return root

    def close(self) -> None:
        """Give the disk space back."""
        if self._older is not None:
            self._older.close()
            self._older = None
