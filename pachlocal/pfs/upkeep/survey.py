"""One pass over the objects that trees need, which remembers what is damaged and for whom."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from pachlocal.errors import DamagedStoreError
from pachlocal.pfs.tree.content import chunks_of
from pachlocal.pfs.tree.entries import Entry, Hash, Kind
from pachlocal.pfs.tree.nodes import load
from pachlocal.storage.objects import ObjectStore


class Survey:
    """Reads every object once, however many trees need it.

    Attributes:
        seen: What was to be read.
        damaged: What can't be had.
        touched: Folders and files that need something damaged, or are.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self.seen: set[Hash] = set()
        self.damaged: set[Hash] = set()
        self.touched: set[Hash] = set()

    def get(self, name: Hash) -> bytes:
        """Return an object's bytes, or remember that it is damaged.

        Raises:
            DamagedStoreError: It is.
        """
        try:
            return self._objects.get(name)
        except (DamagedStoreError, sqlite3.DatabaseError) as error:
            self.damaged.add(name)
            raise DamagedStoreError(str(error)) from error

    def visit(self, root: Hash) -> bool:
        """Read a tree, or the part of one below a node; return whether it is whole."""
        if root in self.seen:
            return root not in self.touched
        self.seen.add(root)
        try:
            node = load(self, root)
        except DamagedStoreError:
            whole = False
        else:
            below = [self.visit(ref.hash) for ref in node.children]
            below += [
                self.visit(entry.hash) if entry.is_folder else self._visit_file(entry)
                for entry in node.entries
            ]
            whole = all(below)
        if not whole:
            self.touched.add(root)
        return whole

    def _visit_file(self, entry: Entry) -> bool:
        if entry.hash in self.seen:
            return entry.hash not in self.touched
        whole = self._read(entry.hash)
        if whole and entry.kind is Kind.CHUNKED:
            chunks = chunks_of(self, entry.content)
            whole = all([self._read(name) for name, _ in chunks])  # noqa: C419 - all are to be read
        if not whole:
            self.touched.add(entry.hash)
        return whole

    def _read(self, name: Hash) -> bool:
        """Read an object, if it hasn't been; return whether it is sound."""
        if name not in self.seen:
            self.seen.add(name)
            try:
                self.get(name)
            except DamagedStoreError:
                return False
        return name not in self.damaged

    def needed(self, root: Hash, path: str = "/") -> Iterator[tuple[Hash, str]]:
        """Yield the damaged objects that a tree needs, each with the path it is needed for."""
        if root in self.damaged:
            yield root, path
        elif root in self.touched:
            try:
                node = load(self._objects, root)
            except DamagedStoreError:  # it was there: whoever needed it has gone
                return
            for ref in node.children:
                yield from self.needed(ref.hash, path)
            for entry in node.entries:
                if entry.is_folder:
                    yield from self.needed(entry.hash, path + entry.name)
                elif entry.hash in self.touched:
                    yield from self._needed_by(entry, path + entry.name)

    def _needed_by(self, entry: Entry, path: str) -> Iterator[tuple[Hash, str]]:
        if entry.hash in self.damaged:
            yield entry.hash, path
        elif entry.kind is Kind.CHUNKED:
            names = {name for name, _ in chunks_of(self._objects, entry.content)}
            yield from ((name, path) for name in names & self.damaged)
