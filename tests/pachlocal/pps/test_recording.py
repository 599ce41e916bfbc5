"""How much is done and not recorded at most: that much runs again after a crash."""

from __future__ import annotations

import errno
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pps_world import DEADLINE_S, Run, World, copy, make_spec, pfs_input

from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.run import recording
from pachlocal.pps.run.recording import Recorder
from pachlocal.pps.spec.states import DatumState
from pachlocal.pps.tables.datum_store import DatumInfo, Result, Stats
from pachlocal.storage.database import Connection
from pachlocal.storage.object_writer import ObjectWriter, write_all

_NOTHING_MORE_S = 0.3  # what would begin does so in a fraction of it
WORKERS = 2


def test_for_each_worker_one_datum_is_done_and_one_at_work_while_nothing_can_be_recorded(
    world: World,
) -> None:
    begun: list[Run] = []

    def note(run: Run) -> None:
        with run.changed:
            begun.append(run)
            run.changed.notify_all()
        run.wait_until(lambda: "go" in world.runtime.open_flags)
        copy(run)

    world.runtime.programs["note"] = note
    world.make_repos("data")
    world.put("data", {f"/{number}": b"" for number in range(20)})
    spec = make_spec("out", pfs_input("data"), "note", parallelism_spec={"constant": WORKERS})
    world.create(spec)
    world.runtime.wait_until(lambda: len(begun) == WORKERS)
    with world.files.database.preview():  # nobody else can write
        world.runtime.raise_flag("go")
        world.runtime.wait_until(lambda: len(begun) == 2 * WORKERS)
        with world.runtime.changed:
            more = world.runtime.changed.wait_for(lambda: len(begun) > 2 * WORKERS, _NOTHING_MORE_S)
        # The second ones are done too by now, and wait to be recorded; no third one has begun.
        assert not more
    assert world.counts(world.succeed("out")) == {"total": 20, "processed": 20}
    assert len(begun) == 20


def test_an_outcome_counts_only_with_its_output(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[OSError] = []

    def fail_once(writers: Collection[ObjectWriter], connection: Connection) -> None:
        if not failed:
            failed.append(OSError(errno.ENOSPC, "no room"))
            raise failed[0]
        write_all(writers, connection)

    monkeypatch.setattr(recording, "write_all", fail_once)
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    world.create(make_spec("out", pfs_input("data")))
    assert world.content("out", world.succeed("out").id) == {"/a": b"1"}
    assert failed
    assert len(world.runtime.runs) == 2  # the first one is as if it had not been


@pytest.fixture
def files(tmp_path: Path) -> Iterator[FileSystem]:
    files = FileSystem(tmp_path)
    yield files
    files.close()


def test_with_batching_there_is_a_bound_too(
    files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_MOST", 3)
    recorder = Recorder(files.database, WORKERS, batching=True)
    taken = threading.Semaphore(0)

    def take() -> None:
        for number in range(5):
            datum = DatumInfo(
                0, bytes([number]) * 32, bytes(32), number, (), DatumState.UNKNOWN, ""
            )
            result = Result(DatumState.SUCCESS, None, 1, Stats())
            recorder.take(datum, result, ObjectWriter(files.objects))
            taken.release()

    taker = threading.Thread(target=take)
    with ExitStack() as ending:
        ending.callback(recorder.close)
        ending.callback(taker.join)
        with files.database.preview():
            taker.start()
            for _ in range(3):
                assert taken.acquire(timeout=DEADLINE_S)
            assert not taken.acquire(timeout=_NOTHING_MORE_S)
        for _ in range(2):
            assert taken.acquire(timeout=DEADLINE_S)
