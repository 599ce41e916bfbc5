"""What the machine fails is tried again: it counts as no try, and fails no job."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pps_world import FakeRuntime, FakeWorker, Run, World, copy, make_spec, pfs_input

from pachlocal.errors import InfrastructureError, RuntimeUnavailableError
from pachlocal.pps.run import job_run, pipeline_health
from pachlocal.pps.spec.states import DatumState, JobState, PipelineState
from pachlocal.pps.tables import datum_store, pipelines
from pachlocal.pps.tables.log_reading import LogFilter
from pachlocal.pps.worker import processing
from pachlocal.pps.worker.layout.reusing import ReusingLayout
from pachlocal.runtime.contract import WorkerSpec

AWAY = "Docker does not answer: Connection refused"
CRASHING = (PipelineState.CRASHING, AWAY)
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
THREE = {"/a": b"1", "/b": b"2", "/c": b"3"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(pipeline_health, "_PAUSES_S", (0.0, 0.01))


class Machine:
    """Fails as often, or for as long, as a test wants."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.left = 0  # failures
        self.failed = 0
        self.lock = threading.Lock()

    def fail(self) -> None:
        with self.lock:
            if self.left:
                self.left -= 1
                self.failed += 1
                raise self.error

    def before(self, program: Callable[..., Any]) -> Callable[..., Any]:
        def failing(*arguments: Any, **options: Any) -> Any:
            self.fail()
            return program(*arguments, **options)

        return failing


FOREVER = 1 << 30


@pytest.fixture
def machine(world: World) -> Machine:
    """Fails a command that copies."""
    machine = Machine(RuntimeUnavailableError(AWAY))
    world.runtime.programs["copy"] = machine.before(copy)
    return machine


def said(world: World, name: str = "out") -> tuple[PipelineState, str]:
    pipeline = world.pipeline(name)
    return pipeline.state, pipeline.reason


def start(world: World, files: dict[str, bytes] | None = None, **more: Any) -> None:
    world.make_repos("data")
    world.put("data", files or THREE)
    world.create(make_spec("out", pfs_input("data"), **more))


def assert_sound(world: World) -> None:
    job = world.succeed("out")
    assert world.counts(job) == {"total": 3, "processed": 3}
    assert [datum.attempts for datum in world.datums(job)] == [1, 1, 1]
    assert world.content("out") == THREE
    world.wait_until(lambda: said(world) == (PipelineState.RUNNING, ""))


def test_a_hiccup_costs_nothing(world: World, machine: Machine) -> None:
    machine.left = 1
    start(world)
    assert_sound(world)
    job = world.job("out")
    [line] = [line for line in world.log(LogFilter(job=job.key)) if AWAY in line.message]
    assert line.message == f"{AWAY}; this isn't counted as a try, and is tried again"
    assert line.datum is not None
    assert not line.user


def test_while_the_machine_is_away_the_pipeline_is_crashing_and_its_job_waits(
    world: World, machine: Machine
) -> None:
    machine.left = FOREVER
    start(world)
    world.wait_until(lambda: said(world) == CRASHING)
    failed = machine.failed
    world.wait_until(lambda: machine.failed > failed + 5, world.files.database.progress)
    job = world.job("out")
    assert job.state is JobState.RUNNING
    assert {datum.state for datum in world.datums(job)} == {DatumState.UNKNOWN}
    machine.left = 0
    assert_sound(world)


def test_a_commit_that_comes_meanwhile_is_worked_on_later(world: World, machine: Machine) -> None:
    start(world)
    world.succeed("out")
    machine.left = FOREVER
    world.put("data", {"/d": b"4"})
    world.put("data", {"/e": b"5"})
    world.wait_until(lambda: said(world) == CRASHING)
    machine.left = 0
    for job in world.jobs("out"):
        world.succeed("out", job.id)
    assert world.content("out") == {**THREE, "/d": b"4", "/e": b"5"}


def test_a_restart_goes_on_where_the_machine_was_away(world: World, machine: Machine) -> None:
    machine.left = FOREVER
    start(world)
    world.wait_until(lambda: said(world) == CRASHING)
    world.restart()
    machine.left = 0
    assert_sound(world)


def test_tries_of_the_command_count_as_ever(world: World, machine: Machine) -> None:
    def fails(_: Run) -> int:
        machine.fail()
        return 1

    world.runtime.programs["copy"] = fails
    machine.left = 2
    start(world, {"/a": b"1"}, datum_tries="3")
    job = world.wait("out")
    assert job.state is JobState.FAILURE
    assert [datum.attempts for datum in world.datums(job)] == [3]
    assert len(world.runtime.runs) == 2 + 3


def test_others_take_over_what_a_broken_worker_has(world: World) -> None:
    broken = []

    def program(run: Run) -> None:
        if not broken or run.worker in broken:
            broken.append(run.worker)
            raise InfrastructureError("its disk is broken")
        copy(run)

    world.runtime.programs["copy"] = program
    start(world, parallelism_spec={"constant": "2"})
    assert_sound(world)


def test_a_worker_that_failed_is_made_anew(world: World, machine: Machine) -> None:
    machine.left = 2
    start(world)
    assert_sound(world)
    assert len(world.runtime.opened) == 3


def test_a_command_that_runs_on_shows_that_the_machine_is_well(
    world: World, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_health, "_PROOF_S", 0.05)
    world.runtime.programs["copy"] = machine.before(world.runtime.copy_when("go"))
    machine.left = FOREVER
    start(world)
    world.wait_until(lambda: said(world) == CRASHING)
    machine.left = 0
    world.wait_until(lambda: said(world) == (PipelineState.RUNNING, ""))
    world.runtime.raise_flag("go")
    assert_sound(world)


@pytest.mark.parametrize(
    ("module", "function"),
    [
        (ReusingLayout, "lay_out"),
        (processing, "collect"),
        (datum_store, "record"),
        (job_run, "plan"),
        (job_run, "merge_output"),
        (job_run, "merge_meta"),
        (job_run.ThreadPoolExecutor, "submit"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
@pytest.mark.parametrize(
    "error",
    [
        FULL,
        OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError("can't start new thread"),
    ],
    ids=["ENOSPC", "EMFILE", "sqlite", "thread"],
)
def test_every_step_of_a_job_waits_for_the_machine(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    module: object,
    function: str,
    error: Exception,
) -> None:
    machine = Machine(error)
    monkeypatch.setattr(module, function, machine.before(getattr(module, function)))
    machine.left = 5
    start(world)
    assert_sound(world)
    assert machine.left == 0


def test_a_full_disk_is_the_reason_while_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(FULL)
    monkeypatch.setattr(ReusingLayout, "lay_out", machine.before(ReusingLayout.lay_out))
    machine.left = FOREVER
    start(world)
    reason = "No space left on device: the disk of the store is full"
    world.wait_until(lambda: said(world) == (PipelineState.CRASHING, reason))
    machine.left = 0
    assert_sound(world)


def test_a_name_that_no_file_can_have_fails_the_job(world: World) -> None:
    start(world, {"/" + "a" * 300: b"1"})
    job = world.wait("out")
    assert job.state is JobState.FAILURE
    name = "/data/" + "a" * 94
    assert job.reason == f"input /pfs{name}… can't be a file here: File name too long"


@pytest.mark.parametrize("spec", ["spout", "service"])
def test_programs_that_run_on_wait_for_the_machine_too(
    world: World, machine: Machine, spec: str
) -> None:
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    machine.left = FOREVER
    more: dict[str, Any] = {"spout": {"spout": {}}, "service": {"service": {"internal_port": 80}}}[
        spec
    ]
    made = make_spec("out", pfs_input("data", "/"), "serve", **more)
    if spec == "spout":
        del made["input"]
    world.runtime.programs["serve"] = machine.before(lambda run: run.wait_until(lambda: False))
    world.create(made)
    world.wait_until(lambda: said(world) == CRASHING)
    before = len(world.runtime.runs)
    machine.left = 0
    world.runtime.wait_until(lambda: len(world.runtime.runs) > before)
    world.wait_until(lambda: said(world) == (PipelineState.RUNNING, ""))


class Hanging:
    """A runtime that answers nothing until the test lets it go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pipeline: str) -> None:
        self.asked = threading.Event()
        self.free = threading.Event()
        opening = FakeRuntime.open_worker

        def open_worker(runtime: FakeRuntime, spec: WorkerSpec) -> FakeWorker:
            if pipeline in spec.name and not self.free.is_set():
                self.asked.set()
                assert self.free.wait(30)
                raise RuntimeUnavailableError(AWAY)
            return opening(runtime, spec)

        monkeypatch.setattr(FakeRuntime, "open_worker", open_worker)


def stop(world: World) -> None:
    with world.files.transaction() as tx:
        pipelines.stop(tx, world.files.objects, world.pipeline("out"))


def delete(world: World) -> None:
    with world.files.transaction() as tx:
        pipeline = world.pipeline("out")
        pipelines.delete(tx, world.files.objects, pipeline, force=True, keep_repo=False)


def update(world: World) -> None:
    world.create(make_spec("out", pfs_input("data")), update=True)


@pytest.mark.parametrize("change", [stop, delete, update])
def test_a_pipeline_whose_runtime_hangs_keeps_no_other_from_its_work(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Callable[[World], None]
) -> None:
    hanging = Hanging(monkeypatch, "out")
    start(world)
    assert hanging.asked.wait(30)
    change(world)
    try:
        world.create(make_spec("other", pfs_input("data")))
        world.succeed("other")
    finally:
        hanging.free.set()


def test_a_new_pipeline_waits_until_nothing_runs_of_the_one_that_had_its_name(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = Hanging(monkeypatch, "out")
    start(world)
    assert hanging.asked.wait(30)
    delete(world)
    world.create(make_spec("out", pfs_input("data")))
    try:
        world.create(make_spec("other", pfs_input("data")))
        world.succeed("other")
        assert world.job("out").state is JobState.CREATED
    finally:
        hanging.free.set()
    assert_sound(world)
