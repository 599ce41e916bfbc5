"""Jobs of one pipeline that run at the same time, as far as workers are idle."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

from pps_world import FakeRuntime, Run, World, copy, fail, make_spec, pfs_input

from pachlocal.pps.run.slot_pool import SlotPool
from pachlocal.pps.spec.states import DatumState, JobState
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.worker.workers import WorkerSlot
from pachlocal.storage.change_notifier import ChangeNotifier


def create(world: World, workers: int, **more: Any) -> list[str]:
    """Make a pipeline whose command waits for a flag that is named as its file's content is.

    Returns:
        The content of the files whose commands have begun, in their order.
    """
    began: list[str] = []

    def hold(run: Run) -> None:
        (content,) = (data.decode() for data in run.inputs.values())
        with run.changed:
            began.append(content)
            run.changed.notify_all()
        run.wait_until(lambda: content in world.runtime.open_flags)
        copy(run)

    world.make_repos("data")
    world.runtime.programs["hold"] = hold
    parallelism = {"constant": workers}
    world.create(make_spec("out", pfs_input("data"), "hold", parallelism_spec=parallelism, **more))
    world.succeed("out")
    return began


def put(world: World, **files: str) -> JobInfo:
    world.put("data", {f"/{name}": text.encode() for name, text in files.items()})
    return world.job("out")


def wait_until_begun(world: World, began: list[str], *expected: str) -> None:
    world.runtime.wait_until(lambda: sorted(began) == sorted(expected))


def wait_until_recorded(world: World, job: JobInfo, state: str) -> None:
    """Wait until the one datum that a job can run ahead has that state."""
    progress = world.files.database.progress
    world.wait_until(lambda: world.counts(job).get(state) == 1, progress)


def test_new_datums_of_later_jobs_run_while_workers_are_idle(world: World) -> None:
    began = create(world, 4)
    jobs = [put(world, **{name: name}) for name in "abc"]
    wait_until_begun(world, began, *"abc")
    assert [world.job("out", job.id).state for job in jobs] == [JobState.RUNNING] * 3
    world.runtime.raise_flag("c")
    wait_until_recorded(world, jobs[2], "processed")
    assert not world.job("out", jobs[2].id).state.is_terminal  # those before it end first
    world.runtime.raise_flag("a")
    first = world.succeed("out", jobs[0].id)
    assert world.content("out", first.id) == {"/a": b"a"}
    world.runtime.raise_flag("b")
    ended = [world.succeed("out", job.id) for job in jobs]
    assert [world.counts(job) for job in ended] == [
        {"total": 1, "processed": 1},
        {"total": 2, "processed": 1, "skipped": 1},
        {"total": 3, "processed": 1, "skipped": 2},
    ]
    assert sorted(ended, key=lambda job: job.finished or 0) == ended
    assert world.content("out", ended[1].id) == {"/a": b"a", "/b": b"b"}
    assert world.content("out") == {"/a": b"a", "/b": b"b", "/c": b"c"}
    wait_until_begun(world, began, *"abc")


def test_what_the_job_before_has_too_waits_for_it(world: World) -> None:
    began = create(world, 4)
    first = put(world, a="a1", b="b1")
    second = put(world, a="a2", c="c2")  # changed, unchanged, new
    wait_until_begun(world, began, "a1", "b1", "c2")
    states = {datum.files[0].path: datum.state for datum in world.datums(second)}
    waits = DatumState.STARTING
    assert states == {"/a": waits, "/b": waits, "/c": DatumState.UNKNOWN}
    for content in ("a1", "b1", "a2", "c2"):
        world.runtime.raise_flag(content)
    world.succeed("out", first.id)
    counts = world.counts(world.succeed("out", second.id))
    assert counts == {"total": 3, "processed": 2, "skipped": 1}
    assert world.content("out") == {"/a": b"a2", "/b": b"b1", "/c": b"c2"}


def test_no_more_jobs_run_than_there_are_workers(world: World) -> None:
    began = create(world, 2)
    for name in "abc":
        put(world, **{name: name})
    wait_until_begun(world, began, *"ab")
    world.runtime.raise_flag("b")
    world.runtime.raise_flag("a")
    wait_until_begun(world, began, *"abc")
    assert began[2] == "c"
    world.runtime.raise_flag("c")
    world.succeed("out")


def test_a_job_whose_turn_comes_waits_for_workers(world: World) -> None:
    began = create(world, 3)
    put(world, a="a1")
    second = put(world, a="a2")  # it waits for the first
    put(world, **{f"n{number}": f"n{number}" for number in range(5)})
    wait_until_begun(world, began, "a1", "n0", "n1")
    world.runtime.raise_flag("a1")
    world.runtime.wait_until(lambda: len(began) == 4)  # the third may have all workers now
    for content in ("a2", *(f"n{number}" for number in range(5))):
        world.runtime.raise_flag(content)
    assert world.counts(world.succeed("out", second.id)) == {"total": 1, "processed": 1}
    assert world.content("out", second.id) == {"/a": b"a2"}
    assert world.counts(world.succeed("out")) == {"total": 6, "processed": 5, "skipped": 1}


def test_an_older_job_is_lent_workers_before_a_younger_one() -> None:
    slots = [WorkerSlot(FakeRuntime(Path()), Mock(), number) for number in range(2)]
    pool = SlotPool(slots, ChangeNotifier())
    assert [pool.take(2), pool.take(2), pool.take(1)] == [*slots, None]
    assert (pool.is_lacked(2), pool.is_lacked(1)) == (True, False)
    pool.give_back(slots[1])
    assert pool.take(2) is None
    assert pool.take(1) is slots[1]
    pool.suffices(1)
    pool.suffices(2)
    assert not pool.is_lacked(3)
    assert not pool.has_free


def test_a_job_ahead_that_is_stopped_ends_alone(world: World) -> None:
    began = create(world, 4)
    first, second, third = (put(world, **{name: name}) for name in "abc")
    wait_until_begun(world, began, *"abc")
    world.end(second)
    world.runtime.wait_until(lambda: [run.killed for run in world.runtime.runs].count(True) == 1)
    for name in "abc":
        world.runtime.raise_flag(name)
    world.succeed("out", first.id)
    counts = world.counts(world.succeed("out", third.id))
    assert counts == {"total": 3, "processed": 2, "skipped": 1}
    assert world.content("out") == {"/a": b"a", "/b": b"b", "/c": b"c"}


def test_the_job_before_may_be_stopped(world: World) -> None:
    began = create(world, 3)
    first = put(world, a="a")
    second = put(world, b="b")
    wait_until_begun(world, began, *"ab")
    world.end(first)
    for name in "ab":
        world.runtime.raise_flag(name)
    counts = world.counts(world.succeed("out", second.id))
    assert counts == {"total": 2, "processed": 2}
    assert world.content("out") == {"/a": b"a", "/b": b"b"}


def test_a_failure_ahead_fails_its_job_alone(world: World) -> None:
    began = create(world, 2, datum_tries=1)
    first = put(world, a="a")
    wait_until_begun(world, began, "a")
    world.runtime.programs["hold"], hold = fail, world.runtime.programs["hold"]
    second = put(world, b="b")
    wait_until_recorded(world, second, "failed")
    world.runtime.programs["hold"] = hold
    world.runtime.raise_flag("a")
    world.succeed("out", first.id)
    assert world.wait("out", second.id).state is JobState.FAILURE


def test_a_stop_of_the_daemon_keeps_what_ran_ahead(world: World) -> None:
    began = create(world, 3)
    put(world, a="a")
    second = put(world, b="b")
    wait_until_begun(world, began, *"ab")
    world.runtime.raise_flag("b")
    wait_until_recorded(world, second, "processed")
    world.restart()
    world.runtime.raise_flag("a")
    counts = world.counts(world.succeed("out", second.id))
    assert counts == {"total": 2, "processed": 1, "skipped": 1}
    assert began.count("b") == 1
