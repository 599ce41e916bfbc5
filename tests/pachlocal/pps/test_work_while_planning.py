"""Workers that begin with the first datums while the others are still being found."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from pps_world import DEADLINE_S, Run, World, copy, make_spec, pfs_input

from pachlocal.errors import InvalidArgumentError, LeftError
from pachlocal.pfs.tree.content import Reader
from pachlocal.pps.spec.datums import Commits, Datum, enumerate_datums
from pachlocal.pps.spec.inputs import Input
from pachlocal.pps.spec.states import JobState
from pachlocal.pps.tables import jobs, pipelines

FILES = {f"/{number:02}": str(number).encode() for number in range(20)}


def pause_planning(monkeypatch: pytest.MonkeyPatch, after: int, pause: Callable[[], None]) -> None:
    """Have planning store each datum by itself, and pause when it has found that many."""

    def enumerate_with_pause(
        objects: Reader, commits: Commits, input_: Input, check: Callable[[], None]
    ) -> Iterator[Datum]:
        for number, datum in enumerate(enumerate_datums(objects, commits, input_, check)):
            if number == after:
                pause()
            yield datum

    monkeypatch.setattr("pachlocal.pps.planning.plan._BATCH", 1)
    monkeypatch.setattr("pachlocal.pps.planning.plan.enumerate_datums", enumerate_with_pause)


@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_planned_runs_while_the_rest_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    ran: list[str] = []

    def note(run: Run) -> None:
        copy(run)
        with run.changed:
            ran.extend(run.inputs)
            run.changed.notify_all()

    pause_planning(monkeypatch, 5, lambda: world.runtime.wait_until(lambda: len(ran) >= 4))
    world.runtime.programs["note"] = note
    world.make_repos("data")
    world.put("data", FILES)
    spec = make_spec("out", pfs_input("data"), "note", parallelism_spec={"constant": workers})
    world.create(spec)
    job = world.succeed("out")
    assert world.counts(job) == {"total": 20, "processed": 20}
    assert sorted(ran) == [f"data{path}" for path in FILES]
    assert world.content("out") == FILES
    assert len(world.runtime.opened) == workers


def test_no_more_workers_begin_than_have_a_datum(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.make_repos("data")
    world.put("data", FILES)
    world.create(make_spec("out", pfs_input("data"), parallelism_spec={"constant": 3}))
    world.succeed("out")
    world.runtime.opened.clear()
    world.restart()
    monkeypatch.setattr("pachlocal.pps.planning.plan._BATCH", 1)
    world.put("data", {"/00": b"changed"})
    assert world.counts(world.succeed("out")) == {"total": 20, "processed": 1, "skipped": 19}
    assert len(world.runtime.opened) == 1


def test_a_job_stopped_while_it_is_planned_ends_what_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop() -> None:
        world.runtime.wait_until(lambda: bool(world.runtime.runs))
        world.end(world.job("out"))

    pause_planning(monkeypatch, 2, stop)
    world.runtime.programs["wait"] = world.runtime.copy_when("never")
    world.make_repos("data")
    world.put("data", FILES)
    world.create(make_spec("out", pfs_input("data"), "wait"))
    assert world.wait("out").state is JobState.KILLED
    world.scheduler.close()
    assert [run.killed for run in world.runtime.runs] == [True]


def test_a_job_whose_time_is_over_while_it_is_planned_ends_what_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_for_kill() -> None:
        world.runtime.wait_until(lambda: any(run.killed for run in world.runtime.runs))

    pause_planning(monkeypatch, 2, wait_for_kill)
    world.runtime.programs["wait"] = world.runtime.copy_when("never")
    world.make_repos("data")
    world.put("data", FILES)
    world.create(make_spec("out", pfs_input("data"), "wait", job_timeout="0.5s"))
    job = world.wait("out")
    assert (job.state, job.reason) == (JobState.KILLED, "job timeout exceeded")


def test_when_planning_fails_the_job_does_and_what_runs_is_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down() -> None:
        world.runtime.wait_until(lambda: bool(world.runtime.runs))
        raise InvalidArgumentError("no such input")

    pause_planning(monkeypatch, 2, break_down)
    world.runtime.programs["wait"] = world.runtime.copy_when("never")
    world.make_repos("data")
    world.put("data", FILES)
    world.create(make_spec("out", pfs_input("data"), "wait"))
    job = world.wait("out")
    reason = "its datums can't be found: no such input"
    assert (job.state, job.reason) == (JobState.FAILURE, reason)
    assert [run.killed for run in world.runtime.runs] == [True]


def test_what_ran_does_not_run_again_when_planning_broke_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    broken_off = threading.Event()

    def note(run: Run) -> None:
        run.wait_until(lambda: len(ran) < 3 or "go" in world.runtime.open_flags)
        copy(run)
        ran.extend(run.inputs)

    def break_off() -> None:
        if not broken_off.is_set():
            world.wait_until(
                lambda: world.counts(world.job("out")).get("processed") == 3,
                world.files.database.progress,
            )
            broken_off.set()
            raise LeftError

    pause_planning(monkeypatch, 10, break_off)
    world.runtime.programs["note"] = note
    world.make_repos("data")
    world.put("data", FILES)
    world.create(make_spec("out", pfs_input("data"), "note"))
    assert broken_off.wait(DEADLINE_S)
    world.restart()
    world.runtime.raise_flag("go")
    assert world.counts(world.succeed("out")) == {"total": 20, "processed": 20}
    assert sorted(ran) == [f"data{path}" for path in FILES]
    assert world.content("out") == FILES


def stop_job(world: World) -> None:
    world.end(world.job("out"))


def delete_job(world: World) -> None:
    job = world.job("out")
    with world.files.transaction() as tx:
        jobs.delete(tx, world.files.objects, job)


def stop_pipeline(world: World) -> None:
    pipeline = world.pipeline("out")
    with world.files.transaction() as tx:
        pipelines.stop(tx, world.files.objects, pipeline)


def stop_all(world: World) -> None:
    world.scheduler.close()


def wait(_: World) -> None:
    """Until the time of the job is over."""


@pytest.mark.parametrize(
    ("end", "timeout"),
    [(stop_job, ""), (delete_job, ""), (stop_pipeline, ""), (stop_all, ""), (wait, "0.2s")],
)
def test_a_search_for_datums_is_broken_off_when_its_job_is_over(
    world: World, monkeypatch: pytest.MonkeyPatch, end: Callable[[World], None], timeout: str
) -> None:
    searching, broken_off = threading.Event(), threading.Event()

    def search(
        objects: Reader, commits: Commits, input_: Input, check: Callable[[], None]
    ) -> Iterator[Datum]:
        deadline = time.monotonic() + DEADLINE_S
        try:
            while time.monotonic() < deadline:
                check()
                searching.set()
                broken_off.wait(0.01)  # it finds nothing
        except LeftError:
            broken_off.set()
            raise
        return iter(())

    monkeypatch.setattr("pachlocal.pps.planning.plan.enumerate_datums", search)
    world.make_repos("data")
    world.put("data", FILES)
    world.create(make_spec("out", pfs_input("data"), **{"job_timeout": timeout} if timeout else {}))
    assert searching.wait(DEADLINE_S)
    end(world)
    assert broken_off.wait(DEADLINE_S)
