"""The content of one file: a chunk, or a list of chunks cut where the content itself says.

Equal files have equal hashes, also when one was appended to and the other written whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol

import msgpack

from pachlocal.pfs.tree.chunking import MIN_CHUNK, Chunker, Source, Taker
from pachlocal.thread_affinity import ordinary_scheduling, spread

_POURERS = 2  # one reads while the other one writes


class Reader(Protocol):
    """Where bytes are found: names (32 bytes) to objects."""

    def get(self, name: bytes) -> bytes:
        """Return the bytes of a name."""


class Watched:
    """Objects that are read for as long as somebody needs what comes of it.

    What goes through a tree may find nothing for long; it can't be broken off by whoever waits for
    its results, but it reads an object at least for every few hundred entries.
    """

    def __init__(self, objects: Reader, go_on: Callable[[], None]) -> None:
        """Take the objects, and what is called before each is read: what it raises breaks off."""
        self._objects = objects
        self._go_on = go_on

    def get(self, name: bytes) -> bytes:
        """Return the bytes of a name."""
        self._go_on()
        return self._objects.get(name)


class Objects(Reader, Taker, Protocol):
    """Where bytes are put, too."""

    def put(self, data: bytes) -> bytes:
        """Store bytes and return their name."""


class Immediate:
    """Objects whose putting is over at once."""

    def put(self, data: bytes) -> bytes:
        """Store bytes and return their name."""
        raise NotImplementedError

    def begin_put(self, data: memoryview) -> Future[bytes]:
        """Store bytes; the future, which is done, has their name."""
        done: Future[bytes] = Future()
        done.set_result(self.put(bytes(data)))
        return done


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

    __slots__ = ("_begun", "_cutter", "_objects", "_small")

    def __init__(self, objects: Objects, start: Content | None = None) -> None:
        """Begin a file, empty or with what `start` has, to be appended to."""
        self._objects = objects
        self._small: bytes | bytearray = b""  # all of it, as long as that is one chunk anyway
        self._cutter: Chunker | None = None
        self._begun: list[tuple[bytes, int]] = []  # chunks of what it is appended to
        if start is not None and start.size:
            # The last chunk ended because the file did: it is cut again with what follows.
            *self._begun, (last, _) = chunks_of(objects, start)
            self._small = objects.get(last)

    def write(self, data: bytes) -> None:
        """Add bytes at the end."""
        if self._cutter is not None:
            self._cutter.write(data)
        elif not self._small:
            self._small = data
        elif len(self._small) + len(data) > MIN_CHUNK:
            self._cut().write(data)
        else:
            if isinstance(self._small, bytes):
                self._small = bytearray(self._small)
            self._small += data

    def read_from(self, source: Source) -> int:
        """Add bytes from a source, some MiB at the most; return how many, 0 at its end."""
        return self._cut().read_from(source)

    def finish(self) -> Content:
        """Store what is left and return the file's content."""
        length = len(self._small)
        if self._cutter is None and length <= MIN_CHUNK and not self._begun:
            return Content(self._objects.put(bytes(self._small)), length, chunked=False)
        chunks = self._begun + self._cut().finish()
        size = sum(length for _, length in chunks)
        if not chunks:
            return Content(self._objects.put(b""), 0, chunked=False)
        if len(chunks) == 1:
            return Content(chunks[0][0], size, chunked=False)
        return Content(self._objects.put(msgpack.packb(chunks)), size, chunked=True)

    def _cut(self) -> Chunker:
        """Return what cuts the file into chunks, from now on."""
        if self._cutter is None:
            spread()  # large from here on: hashes and the disk take a core of their own
            self._cutter = Chunker(self._objects)
            self._cutter.write(self._small)
            self._small = b""
        return self._cutter


def chunks_of(objects: Reader, content: Content) -> list[tuple[bytes, int]]:
    """Return the names and lengths (bytes) of a content's chunks, in order."""
    if not content.chunked:
        return [(content.hash, content.size)]
    return [(name, length) for name, length in msgpack.unpackb(objects.get(content.hash))]


def read(objects: Reader, content: Content, offset: int = 0) -> Iterator[bytes]:
    """Yield a content's bytes from an offset on, in pieces of at most `MAX_CHUNK`, none empty."""
    if not offset and not content.chunked and content.size:  # most are small
        yield objects.get(content.hash)
        return
    spread()
    for name, length in chunks_of(objects, content):
        if offset >= length:
            offset -= length
            continue
        data = objects.get(name)
        yield data[offset:] if offset else data
        offset = 0


def pour(
    objects: Reader, content: Content, offset: int, write: Callable[[int, bytes], None]
) -> Iterator[int]:
    """Write a content's bytes from an offset on, some pieces at a time.

    Args:
        objects: Where they are; must be usable by any thread.
        content: The content.
        offset: Bytes to leave out.
        write: Takes a position from 0 on and the bytes that belong there; called by several
            threads.

    Yields:
        How many bytes are written, as it grows.
    """
    places = []
    end = -offset
    for name, length in chunks_of(objects, content):
        start, end = end, end + length
        if end > 0:
            places.append((name, start, end))

    def pour_one(place: tuple[bytes, int, int]) -> int:
        name, start, end = place
        data = objects.get(name)
        write(max(start, 0), data[-start:] if start < 0 else data)
        return end

    pool = ThreadPoolExecutor(_POURERS, "pour", initializer=ordinary_scheduling)
    try:
        yield from pool.map(pour_one, places)
    finally:
        pool.shutdown(cancel_futures=True)


def concatenate(objects: Objects, first: Content, second: Content) -> Content:
    """Return the content of one file after the other."""
    writer = ContentWriter(objects, first)
    for piece in read(objects, second):
        writer.write(piece)
    return writer.finish()
