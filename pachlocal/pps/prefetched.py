"""The small files of the next datums, read all at once."""

from __future__ import annotations

from collections.abc import Iterable

from pachlocal.pfs.entries import Entry, Kind
from pachlocal.storage.objects import ObjectStore

_SMALL = 4096  # bytes
_MOST = 500  # files


class Prefetched:
    """Reads a store's objects. Any thread may use it."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._small: dict[bytes, bytes] = {}

    def fetch(self, entries: Iterable[Entry]) -> None:
        """Read some of these files ahead, instead of those that were read ahead before."""
        names = {
            entry.hash for entry in entries if entry.kind is Kind.FILE and entry.size <= _SMALL
        }
        self._small = self._objects.get_small(list(names)[:_MOST])

    def get(self, name: bytes) -> bytes:
        """Return the bytes of a name; see `pachlocal.pfs.content.Reader`."""
        data = self._small.get(name)
        return data if data is not None else self._objects.get(name)
