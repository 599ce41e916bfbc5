"""Reads objects that are needed one after another in one go."""

from __future__ import annotations

from collections.abc import Iterable

from pachlocal.storage.objects import ObjectStore


class Prefetch:
    """Reads a store's objects. Any thread may use it."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._small: dict[bytes, bytes] = {}

    def fetch(self, names: Iterable[bytes]) -> None:
        """Read ahead what is small of this, instead of what was read ahead before."""
        self._small = self._objects.get_small(set(names))

    def get(self, name: bytes) -> bytes:
        """Return the bytes of a name; see `pachlocal.pfs.tree.content.Reader`."""
        data = self._small.get(name)
        return data if data is not None else self._objects.get(name)
