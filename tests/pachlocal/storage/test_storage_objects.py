from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pachlocal.errors import DamagedStoreError
from pachlocal.storage.database import Database
from pachlocal.storage.object_writer import ObjectWriter, write_all
from pachlocal.storage.objects import INLINE_LIMIT, ObjectStore, hash_of

TIMEOUT_S = 20
SMALL = b"5.1,3.5,1.4,0.2,Iris-setosa\n"
LARGE = SMALL * (INLINE_LIMIT // len(SMALL) + 1)


def put(objects: ObjectStore, *contents: bytes) -> list[bytes]:
    with ObjectWriter(objects) as writer:
        names = [writer.put(data) for data in contents]
        writer.flush()
    return names


def known(objects: ObjectStore) -> set[bytes]:
    with objects.database.read() as connection:
        return {name for (name,) in connection.execute("SELECT hash FROM objects")}


def chunk_files(objects: ObjectStore) -> list[Path]:
    return sorted(path for path in objects.files._folder.rglob("*") if path.is_file())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(contents=st.lists(st.binary(max_size=200), max_size=8))
def test_whatever_is_put_can_be_got(objects: ObjectStore, contents: list[bytes]) -> None:
    names = put(objects, *contents)
    assert [objects.get(name) for name in names] == contents
    assert [hash_of(data) for data in contents] == names


@pytest.mark.parametrize("size", [0, 1, INLINE_LIMIT, INLINE_LIMIT + 1])
def test_sizes_around_the_limit_come_back(objects: ObjectStore, size: int) -> None:
    data = (LARGE * 2)[:size]
    (name,) = put(objects, data)
    assert objects.get(name) == data
    assert len(chunk_files(objects)) == (size > INLINE_LIMIT)


def test_equal_content_is_stored_once(objects: ObjectStore) -> None:
    first = put(objects, LARGE, LARGE, SMALL)
    second = put(objects, LARGE, SMALL)
    assert first[1:] == second
    assert len(chunk_files(objects)) == 1
    assert known(objects) == set(first)


def test_a_writer_reads_what_it_has_not_written_yet(objects: ObjectStore) -> None:
    with ObjectWriter(objects) as writer:
        name = writer.put(SMALL)
        assert name not in known(objects)
        assert writer.get(name) == SMALL
        writer.flush()
        assert name in known(objects)
        assert writer.get(name) == SMALL


def test_what_a_writer_did_not_flush_is_not_in_the_store(objects: ObjectStore) -> None:
    with ObjectWriter(objects) as writer:
        name = writer.put(LARGE)
    assert name not in known(objects)


def test_a_writer_does_not_collect_small_objects_without_end(objects: ObjectStore) -> None:
    with ObjectWriter(objects) as writer:
        for number in range(600):
            writer.put(number.to_bytes(2, "big") * (INLINE_LIMIT // 2))
        assert len(known(objects)) > 500


def test_a_writer_does_not_collect_tiny_objects_without_end(objects: ObjectStore) -> None:
    with ObjectWriter(objects) as writer:
        for number in range(10_002):
            writer.put(number.to_bytes(2, "big"))
        assert len(known(objects)) > 10_000


def test_a_writer_that_has_the_transaction_writes_there_what_it_can_not_keep(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pachlocal.storage.object_writer._FLUSH_OBJECTS", 0)
    with ObjectWriter(objects) as writer:
        with objects.database.write() as connection:
            names = [writer.put(SMALL), writer.put(SMALL * 2)]
            writer.write_into(connection)
        assert [objects.get(name) for name in names] == [SMALL, SMALL * 2]


def test_large_objects_wait_for_room_before_they_are_taken(objects: ObjectStore) -> None:
    begun, go_on, too_many = threading.Event(), threading.Event(), threading.Event()

    def begin() -> None:
        for _ in range(32):
            objects.files.begin(go_on.wait, TIMEOUT_S)
        begun.set()
        last = objects.files.begin(go_on.wait, TIMEOUT_S)
        too_many.set()
        assert last.result(TIMEOUT_S)

    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(begin)
        assert begun.wait(TIMEOUT_S)
        assert not too_many.wait(0.1)
        go_on.set()
        done.result(TIMEOUT_S)
    assert too_many.is_set()


def test_the_name_of_a_large_object_is_synced_also_when_another_wrote_it(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[bytes] = set()
    monkeypatch.setattr(objects.files, "sync", lambda names: synced.update(names))
    with ObjectWriter(objects) as first, ObjectWriter(objects) as second:
        name = first.put(LARGE)
        first.get(name)  # its file is there now, its folder not on disk
        second.put(LARGE)
        second.flush()
        assert synced == {name}


def test_an_unknown_object_is_missing(objects: ObjectStore) -> None:
    with pytest.raises(DamagedStoreError, match="missing"):
        objects.get(hash_of(b"never stored"))


def test_a_flipped_byte_in_the_database_is_detected(objects: ObjectStore) -> None:
    (name,) = put(objects, SMALL)
    with objects.database.write() as connection:
        connection.execute("UPDATE objects SET data = ? WHERE hash = ?", (b"6" + SMALL[1:], name))
    with pytest.raises(DamagedStoreError, match=f"{name.hex()} is damaged"):
        objects.get(name)


@pytest.mark.parametrize("at", [0, len(LARGE) // 2, len(LARGE) - 1])
def test_a_flipped_bit_in_a_chunk_file_is_detected(objects: ObjectStore, at: int) -> None:
    (name,) = put(objects, LARGE)
    (file,) = chunk_files(objects)
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
    with pytest.raises(DamagedStoreError, match=f"{name.hex()} is damaged"):
        objects.get(name)


def test_a_truncated_chunk_file_is_detected(objects: ObjectStore) -> None:
    (name,) = put(objects, LARGE)
    (file,) = chunk_files(objects)
    file.write_bytes(LARGE[:100])
    with pytest.raises(DamagedStoreError, match="damaged"):
        objects.get(name)


def test_a_chunk_file_that_is_gone_is_detected(objects: ObjectStore) -> None:
    (name,) = put(objects, LARGE)
    (file,) = chunk_files(objects)
    file.unlink()
    with pytest.raises(DamagedStoreError, match="missing from chunks/"):
        objects.get(name)


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def append(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"6")


@pytest.mark.parametrize("damage", [flip, append, lambda file: os.truncate(file, 99), Path.unlink])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_put_heals_a_damaged_chunk_file(
    objects: ObjectStore, damage: Callable[[Path], None], *, streamed: bool
) -> None:
    (name,) = put(objects, LARGE)
    (file,) = chunk_files(objects)
    damage(file)
    with ObjectWriter(objects) as writer:
        if streamed:
            assert writer.begin_put(memoryview(LARGE)).result() == name
        else:
            assert writer.put(LARGE) == name
        writer.flush()
    assert objects.get(name) == LARGE


@pytest.mark.parametrize(
    "change", ["data = '6'", "data = x''", "data = NULL", "size = 1, data = 'x'"]
)
@pytest.mark.parametrize("batched", [True, False])
def test_a_put_heals_a_damaged_row(objects: ObjectStore, change: str, *, batched: bool) -> None:
    (name,) = put(objects, SMALL)
    with objects.database.write() as connection:
        connection.execute(f"UPDATE objects SET {change} WHERE hash = ?", (name,))
    with ObjectWriter(objects) as writer:
        writer.put(SMALL)
        if batched:
            with objects.database.write() as connection:
                write_all([writer], connection)
        else:
            writer.flush()
    assert objects.get(name) == SMALL
    with objects.database.read() as connection:
        assert connection.execute("SELECT size FROM objects").fetchone()[0] == len(SMALL)


def test_a_put_of_what_is_sound_writes_nothing(objects: ObjectStore, tmp_path: Path) -> None:
    put(objects, SMALL, LARGE, b"\0" * INLINE_LIMIT)
    (file,) = chunk_files(objects)
    written = file.stat()
    log = tmp_path / "pach.db-wal"
    with objects.database.write() as connection:
        connection.execute("UPDATE store SET metadata = metadata")
    before = log.stat().st_size
    put(objects, SMALL, LARGE, b"\0" * INLINE_LIMIT)
    assert log.stat().st_size == before
    now = file.stat()
    assert (now.st_ino, now.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


def test_a_file_is_not_appended_to_what_is_damaged(objects: ObjectStore) -> None:
    with ObjectWriter(objects) as writer:
        name = writer.put(LARGE)
        writer.prepare()
        flip(chunk_files(objects)[0])
        with pytest.raises(DamagedStoreError, match="damaged"):
            writer.get(name)


def test_a_crash_between_file_and_row_leaves_no_object_and_no_obstacle(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise OSError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", crash)
        patch.setattr(ObjectStore, "discard", lambda *_: None)  # who crashes tidies nothing up
        with pytest.raises(OSError, match="power"):
            put(objects, LARGE, SMALL)
    name = hash_of(LARGE)
    assert len(chunk_files(objects)) == 1  # written, and no row says that it exists
    assert name not in known(objects)
    with pytest.raises(DamagedStoreError, match="missing"):
        objects.get(name)

    chunk_files(objects)[0].write_bytes(b"half of it")
    assert put(objects, LARGE) == [name]
    assert objects.get(name) == LARGE


def test_a_file_that_can_not_be_written_leaves_nothing(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="disk full"):
            put(objects, LARGE)
    assert chunk_files(objects) == []
    with pytest.raises(DamagedStoreError, match="missing"):
        objects.get(hash_of(LARGE))
    assert objects.get(put(objects, LARGE)[0]) == LARGE


def test_a_put_that_fails_gives_its_space_back_and_takes_nobody_elses(
    objects: ObjectStore,
) -> None:
    stored, held, dropped = (letter * (INLINE_LIMIT + 1) for letter in (b"s", b"h", b"d"))
    put(objects, stored)
    with ObjectWriter(objects) as other:
        name = other.put(held)
        other.prepare()
        with suppress(OSError), ObjectWriter(objects) as writer:
            for data in (stored, held, dropped):
                writer.put(data)
            raise OSError("disk full")
        other.flush()
    assert objects.get(hash_of(stored)) == stored
    assert objects.get(name) == held
    assert len(chunk_files(objects)) == 2


def test_a_sweep_removes_the_files_of_a_put_that_broke_off(objects: ObjectStore) -> None:
    with ObjectWriter(objects) as writer:
        writer.put(b"x" * (INLINE_LIMIT + 1))
        writer.prepare()  # on disk, and then nobody commits it
    assert len(list(objects.files.entries())) == 1
    epoch = objects.begin_collection()
    count, size = objects.sweep(epoch, set(), dry_run=False)
    assert (count, size) == (0, INLINE_LIMIT + 1)
    assert list(objects.files.entries()) == []


def test_a_sweep_leaves_an_old_object_that_a_writer_has_put_again(objects: ObjectStore) -> None:
    (name,) = put(objects, LARGE)
    with ObjectWriter(objects) as writer:
        writer.put(LARGE)
        writer.prepare()
        objects.sweep(objects.begin_collection(), set(), dry_run=False)
        writer.flush()
    assert objects.get(name) == LARGE


def test_a_sweep_leaves_what_a_writer_has_put_and_not_committed(objects: ObjectStore) -> None:
    data = b"y" * (INLINE_LIMIT + 1)
    with ObjectWriter(objects) as writer:
        name = writer.put(data)
        writer.prepare()
        objects.sweep(objects.begin_collection(), set(), dry_run=False)
        writer.flush()
    assert objects.get(name) == data
