"""Objects that are never stored: for changes that are only looked at."""

from __future__ import annotations

import tempfile
import weakref
from types import TracebackType

from pachlocal.pfs.tree.content import Immediate, Reader
from pachlocal.storage.objects import hash_of

_IN_MEMORY = 1 << 20  # bytes; what is more lies in a file


class Scratch(Immediate):
    """Takes objects over a store without writing to it; what it took can be read back.

    When they are many the bytes lie in a temporary file without a name, and the memory holds where.
    It goes when the block ends, or with the last that refers to this. Belongs to one thread.
    """

    def __init__(self, store: Reader) -> None:
        self._store = store
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="pachlocal-")  # noqa: SIM115
        self._closing = weakref.finalize(self, self._file.close)
        self._places: dict[bytes, tuple[int, int]] = {}
        self._end = 0

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing()

    def put(self, data: bytes) -> bytes:
        """Add an object and return its name.

        Raises:
            OSError: The disk of the temporary files is full.
        """
        name = hash_of(data)
        if name not in self._places:
            self._file.seek(self._end)
            self._file.write(data)
            self._places[name] = self._end, len(data)
            self._end += len(data)
        return name

    def get(self, name: bytes) -> bytes:
        """Return an object's bytes, also those of the store."""
        place = self._places.get(name)
        if place is None:
            return self._store.get(name)
        self._file.seek(place[0])
        return self._file.read(place[1])
