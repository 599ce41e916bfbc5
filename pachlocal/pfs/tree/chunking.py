"""Cutting a large file into chunks where the content itself says.

Content-defined chunking (FastCDC, Xia et al., USENIX ATC 2016) puts a cut where a hash of the last
bytes says so: an edit in the middle of a large file changes the chunks around it and no others.
The cuts depend on the content alone, not on how it came.
"""

from __future__ import annotations

from concurrent.futures import Future
from mmap import mmap
from typing import Protocol

from pyfastcdc import FastCDC

# Changing any of these changes the hash of every file larger than MIN_CHUNK.
MIN_CHUNK = 512 * 1024  # bytes
AVERAGE_CHUNK = 2 * 1024 * 1024
MAX_CHUNK = 8 * 1024 * 1024
_SEED = 0

_CHUNKER = FastCDC(AVERAGE_CHUNK, min_size=MIN_CHUNK, max_size=MAX_CHUNK, seed=_SEED)
_BUFFER = MAX_CHUNK + 4 * 1024 * 1024  # bytes; more than a chunk, so that the first cut is final


class Source(Protocol):
    """What bytes can be read from."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Read into a buffer; return how many bytes, 0 at the end."""


class Taker(Protocol):
    """Takes chunks."""

    def begin_put(self, data: memoryview) -> Future[bytes]:
        """Begin to store bytes, which stay as they are until it is done; the result names them."""


class Chunker:
    """Takes a file's bytes and stores them in chunks.

    There are two buffers: while the chunks in one are being stored, the other one is filled.
    """

    __slots__ = ("_begun", "_chunks", "_filled", "_spare", "_taker", "_view")

    def __init__(self, taker: Taker) -> None:
        self._taker = taker
        self._view = _buffer()
        self._filled = 0  # bytes
        self._spare: memoryview | None = None
        self._begun: list[tuple[Future[bytes], int]] = []  # chunks that lie in the spare one
        self._chunks: list[tuple[bytes, int]] = []

    def write(self, data: bytes | bytearray) -> None:
        """Add bytes at the end."""
        rest = memoryview(data)
        while rest:
            room = self._room()
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            self._filled += count
            rest = rest[count:]

    def read_from(self, source: Source) -> int:
        """Add bytes from a source, some MiB at the most; return how many, 0 at its end."""
        count = source.readinto(self._room())
        self._filled += count
        return count

    def finish(self) -> list[tuple[bytes, int]]:
        """Store what is left; return the names and lengths (bytes) of all chunks."""
        if self._filled:
            self._cut(final=True)
        self._await()
        return self._chunks

    def _room(self) -> memoryview:
        if self._filled == len(self._view):
            self._cut(final=False)
        return self._view[self._filled :]

    def _cut(self, *, final: bool) -> None:
        """Begin to store the chunks of the buffer, and go on with the other one."""
        filled = self._view[: self._filled]
        cuts = [(chunk.offset, chunk.length) for chunk in _CHUNKER.cut_buf(filled)]
        if not final:
            cuts.pop()  # it may end where the data does, not where the content says
        self._await()
        for offset, length in cuts:
            piece = filled[offset : offset + length]
            self._begun.append((self._taker.begin_put(piece), length))
        rest = filled[sum(length for _, length in cuts) :]
        spare = self._spare if self._spare is not None else _buffer()
        spare[: len(rest)] = rest
        self._view, self._spare, self._filled = spare, self._view, len(rest)

    def _await(self) -> None:
        self._chunks += [(future.result(), length) for future, length in self._begun]
        self._begun.clear()


def _buffer() -> memoryview:
    # Memory of its own, which goes back when it is no longer needed, and costs nothing where a
    # small file doesn't touch it.
    return memoryview(mmap(-1, _BUFFER))
