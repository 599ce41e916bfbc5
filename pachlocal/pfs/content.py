"""The content of one file: a chunk, or a list of chunks cut where the content itself says.

Content-defined chunking (FastCDC, Xia et al., USENIX ATC 2016) puts a cut where a hash of the last
bytes says so: an edit in the middle of a large file changes the chunks around it and no others.
The cuts depend on the content alone, not on how it came, so equal files have equal hashes, also
when one was appended to and the other written whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import msgpack
from pyfastcdc import FastCDC

# Changing any of these changes the hash of every file larger than MIN_CHUNK.
MIN_CHUNK = 512 * 1024  # bytes
AVERAGE_CHUNK = 2 * 1024 * 1024
MAX_CHUNK = 8 * 1024 * 1024
_SEED = 0

_CHUNKER = FastCDC(AVERAGE_CHUNK, min_size=MIN_CHUNK, max_size=MAX_CHUNK, seed=_SEED)
_CUT_AT = 2 * MAX_CHUNK  # bytes collected before cutting, so that all cuts but the last are final


class Objects(Protocol):
    """Where the bytes lie: names (32 bytes) to objects."""

    def put(self, data: bytes) -> bytes:
        """Store bytes and return their name."""

    def get(self, name: bytes) -> bytes:
        """Return the bytes of a name."""


class Reader(Protocol):
    """The reading half of `Objects`."""

    def get(self, name: bytes) -> bytes:
        """Return the bytes of a name."""


class Content(NamedTuple):
    """What a file holds.

    Attributes:
        hash: Its name, 32 bytes: that of the only chunk, or of the list of chunks.
        size: Bytes.
        chunked: Whether `hash` names a list of chunks.
    """

    hash: bytes
    size: int
    chunked: bool


class ContentWriter:
    """Takes a file's bytes in pieces and stores them in chunks; holds at most some MiB of them."""

    __slots__ = ("_chunks", "_objects", "_tail")

    def __init__(self, objects: Objects, start: Content | None = None) -> None:
        """Begin a file, empty or with what `start` has, to be appended to."""
        self._objects = objects
        self._chunks: list[tuple[bytes, int]] = []
        self._tail = bytearray()
        if start is not None and start.size:
            # The last chunk ended because the file did: it is cut again with what follows.
            *self._chunks, (last, _) = chunks_of(objects, start)
            self._tail += objects.get(last)

    def write(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._tail += data
        if len(self._tail) >= _CUT_AT:
            self._cut(final=False)

    def finish(self) -> Content:
        """Store what is left and return the file's content."""
        length = len(self._tail)
        if length <= MIN_CHUNK and not self._chunks:
            return Content(self._objects.put(bytes(self._tail)), length, chunked=False)
        if length > MIN_CHUNK:
            self._cut(final=True)
        elif length:
            self._chunks.append((self._objects.put(bytes(self._tail)), length))
        size = sum(length for _, length in self._chunks)
        if len(self._chunks) == 1:
            return Content(self._chunks[0][0], size, chunked=False)
        return Content(self._objects.put(msgpack.packb(self._chunks)), size, chunked=True)

    def _cut(self, *, final: bool) -> None:
        cuts = [(chunk.offset, chunk.length) for chunk in _CHUNKER.cut_buf(self._tail)]
        if not final:
            cuts.pop()  # it may end where the data does, not where the content says
        for offset, length in cuts:
            with memoryview(self._tail) as whole:
                piece = bytes(whole[offset : offset + length])
            self._chunks.append((self._objects.put(piece), length))
        taken = sum(length for _, length in cuts)
        del self._tail[:taken]


def chunks_of(objects: Reader, content: Content) -> list[tuple[bytes, int]]:
    """Return the names and lengths (bytes) of a content's chunks, in order."""
    if not content.chunked:
        return [(content.hash, content.size)]
    return [(name, length) for name, length in msgpack.unpackb(objects.get(content.hash))]


def read(objects: Reader, content: Content, offset: int = 0) -> Iterator[bytes]:
    """Yield a content's bytes from an offset on, in pieces of at most `MAX_CHUNK`, none empty."""
    for name, length in chunks_of(objects, content):
        if offset >= length:
            offset -= length
            continue
        data = objects.get(name)
        yield data[offset:] if offset else data
        offset = 0


def concatenate(objects: Objects, first: Content, second: Content) -> Content:
    """Return the content of one file after the other."""
    writer = ContentWriter(objects, first)
    for piece in read(objects, second):
        writer.write(piece)
    return writer.finish()
