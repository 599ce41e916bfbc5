"""Jobs most of whose datums are skipped: they are planned many at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pps_world import World, make_spec, pfs_input

from pachlocal.pps.spec.states import DatumState
from pachlocal.storage.database import Connection, Database

FILES = {f"/{number:02}": b"%d" % number for number in range(60)}


class Writes:
    """The transactions that store datums.

    Attributes:
        count: How many there were, from now on.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        write = Database.write

        @contextmanager
        def counted(database: Database, *, progress: bool = False) -> Iterator[Connection]:
            with write(database, progress=progress) as connection:
                before = connection.total_changes
                yield connection
                self.count += progress and connection.total_changes - before >= 10

        monkeypatch.setattr(Database, "write", counted)


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pachlocal.pps.planning.plan._BATCH", 10)


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize(("waiting", "transactions"), [(0, 2), (1, 6)])
def test_skipped_datums_share_transactions_while_nobody_waits_to_write(
    world: World, monkeypatch: pytest.MonkeyPatch, waiting: int, transactions: int
) -> None:
    world.make_repos("data")
    world.put("data", FILES)
    world.create(make_spec("out", pfs_input("data")))
    world.succeed("out")
    monkeypatch.setattr(Database, "waiting_writers", waiting)
    world.logs.flush()
    writes = Writes(monkeypatch)
    job = world.succeed("out", world.put("data", {"/00": b"new"}))
    assert world.counts(job) == {"total": 60, "processed": 1, "skipped": 59}
    assert writes.count == transactions
    assert world.content("out") == {**FILES, "/00": b"new"}


names = st.text(st.sampled_from('ab"\\ '), min_size=1, max_size=3).filter(lambda it: it.strip())
contents = st.dictionaries(names, st.sampled_from([b"0", b"1"]), min_size=1, max_size=12)


@pytest.mark.usefixtures("few_at_once")
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(contents, min_size=1, max_size=4), batch=st.integers(1, 4))
def test_a_job_skips_what_the_one_before_has_too(
    world: World, monkeypatch: pytest.MonkeyPatch, steps: list[dict[str, bytes]], batch: int
) -> None:
    monkeypatch.setattr("pachlocal.pps.planning.plan._BATCH", batch)
    monkeypatch.setattr("pachlocal.pps.planning.plan._MOST_FILES", 2 * batch)
    if not getattr(world, "is_prepared", False):
        world.make_repos("data")
        world.put("data", {"/first": b""})
        world.create(make_spec("out", pfs_input("data")))
        world.succeed("out")
        world.is_prepared = True  # type: ignore[attr-defined]
    for files in steps:
        before = world.content("data")
        now = {f"/{name}": content for name, content in files.items()}
        gone = [path for path in before if path not in now]
        job = world.succeed("out", world.put("data", now, delete=gone))
        datums = world.datums(job)
        assert [it.ordinal for it in datums] == list(range(len(now)))
        assert [it.files[0].path for it in datums] == sorted(now, key=str.encode)
        for datum in datums:
            (file,) = datum.files
            unchanged = before.get(file.path) == now[file.path]
            assert datum.state is (DatumState.SKIPPED if unchanged else DatumState.SUCCESS)
            assert file.commit == world.commit("data").key
            assert file.entry.key == file.path[1:]
        assert world.content("out") == now
