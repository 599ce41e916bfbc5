from __future__ import annotations

import random
from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pfs_builders import MemoryObjects, make_content

from pachlocal.pfs.tree.chunking import MAX_CHUNK, MIN_CHUNK
from pachlocal.pfs.tree.content import Content, ContentWriter, chunks_of, concatenate, pour, read

MIB = 1024 * 1024
# Random bytes of a known seed: content-defined cuts need content, and tests need to be repeatable.
LARGE = random.Random(150).randbytes(20 * MIB)  # noqa: S311 - not a secret


def joined(objects: MemoryObjects, content: Content, offset: int = 0) -> bytes:
    return b"".join(read(objects, content, offset))


def pieces_at(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[start:end] for start, end in pairwise(ends)]


@settings(deadline=None)
@given(pieces=st.lists(st.binary(max_size=20)))
def test_a_small_file_is_one_object_named_by_its_bytes(pieces: list[bytes]) -> None:
    objects = MemoryObjects()
    content = make_content(objects, *pieces)
    whole = b"".join(pieces)
    assert content == make_content(objects, whole)
    assert content.size == len(whole)
    assert not content.chunked
    assert objects.stored[content.hash] == whole


@settings(deadline=None, max_examples=10)
@given(
    size=st.sampled_from([MIN_CHUNK, MIN_CHUNK + 1, MAX_CHUNK + 1, 9 * MIB, 20 * MIB]),
    cuts=st.lists(st.integers(1, 20 * MIB), max_size=12),
)
@example(size=20 * MIB, cuts=[9 * MIB])
@example(size=20 * MIB, cuts=[8 * MIB, 8 * MIB + 1, 17 * MIB])
@example(size=9 * MIB, cuts=[*range(MIB // 2, 9 * MIB, MIB // 2)])
def test_a_file_has_the_same_content_in_whatever_pieces_it_came(size: int, cuts: list[int]) -> None:
    objects = MemoryObjects()
    data = LARGE[:size]
    content = make_content(objects, *pieces_at(data, cuts))
    assert content == make_content(objects, data)
    assert joined(objects, content) == data


@settings(deadline=None, max_examples=10)
@given(size=st.integers(0, 12 * MIB), at=st.integers(0, 12 * MIB))
def test_appending_gives_the_content_of_the_whole(size: int, at: int) -> None:
    objects = MemoryObjects()
    data, at = LARGE[:size], min(at, size)
    first, second = make_content(objects, data[:at]), make_content(objects, data[at:])
    whole = make_content(objects, data)
    assert concatenate(objects, first, second) == whole
    writer = ContentWriter(objects, first)
    writer.write(data[at:])
    assert writer.finish() == whole


@settings(deadline=None, max_examples=25)
@given(offset=st.integers(0, 6 * MIB + 10))
def test_reading_from_an_offset_gives_the_rest(offset: int) -> None:
    objects = MemoryObjects()
    data = LARGE[: 6 * MIB]
    content = make_content(objects, data)
    pieces = list(read(objects, content, offset))
    assert b"".join(pieces) == data[offset:]
    assert all(0 < len(piece) <= MAX_CHUNK for piece in pieces)


def test_reading_from_an_offset_loads_no_chunk_before_it() -> None:
    objects = MemoryObjects()
    content = make_content(objects, LARGE)
    last = chunks_of(objects, content)[-1]
    objects.gets = 0
    assert joined(objects, content, content.size - 1) == LARGE[-1:]
    assert objects.gets == 2  # the list and the last chunk
    assert last[0] in objects.stored


@pytest.mark.parametrize("size", [0, 1, MIN_CHUNK, MIN_CHUNK + 1, 5 * MIB])
def test_the_chunks_of_a_file_add_up_to_it(size: int) -> None:
    objects = MemoryObjects()
    content = make_content(objects, LARGE[:size])
    chunks = chunks_of(objects, content)
    assert sum(length for _, length in chunks) == content.size == size
    assert [len(objects.stored[name]) for name, _ in chunks] == [length for _, length in chunks]
    assert content.chunked == (len(chunks) > 1)


def test_an_empty_file_is_read_as_nothing() -> None:
    objects = MemoryObjects()
    content = make_content(objects)
    assert content.size == 0
    assert joined(objects, content) == b""
    assert joined(objects, content, offset=3) == b""
    assert concatenate(objects, content, content) == content


def test_an_edit_in_the_middle_of_a_large_file_stores_little() -> None:
    objects = MemoryObjects()
    make_content(objects, LARGE)
    before = sum(map(len, objects.stored.values()))
    middle = len(LARGE) // 2
    make_content(objects, LARGE[:middle] + b"inserted" + LARGE[middle:])
    added = sum(map(len, objects.stored.values())) - before
    assert added < 2 * MAX_CHUNK + 10_000


def test_a_writer_keeps_little_in_memory() -> None:
    objects = MemoryObjects()
    writer = ContentWriter(objects)
    written = 0
    for piece in [LARGE[:MIB], LARGE, LARGE[MIB:]]:
        writer.write(piece)
        written += len(piece)
        assert written - sum(map(len, objects.stored.values())) <= 3 * MAX_CHUNK
    writer.finish()


@settings(deadline=None, max_examples=10)
@given(
    size=st.sampled_from([0, 1, MIN_CHUNK, MIN_CHUNK + 1, 9 * MIB, 20 * MIB]),
    most=st.integers(MIB // 2, 20 * MIB),
    before=st.sampled_from([b"", b"a", LARGE[:MIB]]),
)
def test_a_file_that_is_read_has_the_same_content(size: int, most: int, before: bytes) -> None:
    objects = MemoryObjects()
    writer = ContentWriter(objects)
    writer.write(before)
    source = Slow(LARGE[:size], most)
    while writer.read_from(source):
        pass
    assert writer.finish() == make_content(objects, before + LARGE[:size])


class Slow:
    """Gives less than is asked for."""

    def __init__(self, data: bytes, most: int) -> None:
        self._file = BytesIO(data)
        self._most = most

    def readinto(self, buffer: memoryview, /) -> int:
        return self._file.readinto(buffer[: self._most])


@settings(deadline=None, max_examples=10)
@given(size=st.sampled_from([0, 1, MIN_CHUNK, 9 * MIB]), offset=st.integers(0, 10 * MIB))
@example(size=9 * MIB, offset=0)
def test_what_is_poured_is_what_is_read(size: int, offset: int) -> None:
    objects = MemoryObjects()
    content = make_content(objects, LARGE[:size])
    target = bytearray(max(size - offset, 0))

    def write(position: int, data: bytes) -> None:
        target[position : position + len(data)] = data

    ends = list(pour(objects, content, offset, write))
    assert bytes(target) == LARGE[:size][offset:]
    assert ends == sorted(ends)
    assert (ends or [0])[-1] == len(target)
