"""An image that can't be run: the pipeline says so, and recovers."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from pps_world import FakeRuntime, FakeWorker, World, make_spec, pfs_input

from pachlocal.errors import ImageUnavailableError
from pachlocal.pfs.transaction import Transaction
from pachlocal.pps import pipelines
from pachlocal.pps.states import JobState, PipelineState
from pachlocal.runtime.contract import WorkerSpec

SPEC = make_spec("p", pfs_input("data", "/"))
CRASHING = (PipelineState.CRASHING, "image fake is not here")
RUNNING = (PipelineState.RUNNING, "")


class Hub:
    """Where images come from, or don't."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.missing = False
        self.unfit = False
        self.asked = threading.Event()
        self.free = threading.Event()
        self.free.set()
        opening = FakeRuntime.open_worker

        def prepare(_: FakeRuntime, image: str, given_up: Callable[[], bool]) -> None:
            self.asked.set()
            while not self.free.wait(0.01) and not given_up():
                continue
            if self.missing:
                raise ImageUnavailableError(f"image {image} is not here")

        def open_worker(runtime: FakeRuntime, spec: WorkerSpec) -> FakeWorker:
            if self.unfit:
                raise ImageUnavailableError(f"image {spec.image} does not start")
            return opening(runtime, spec)

        monkeypatch.setattr(FakeRuntime, "prepare", prepare)
        monkeypatch.setattr(FakeRuntime, "open_worker", open_worker)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    return Hub(monkeypatch)


def said(world: World) -> tuple[PipelineState, str]:
    pipeline = world.pipeline("p")
    return pipeline.state, pipeline.reason


def test_a_missing_image_shows_before_there_is_a_job(world: World, hub: Hub) -> None:
    hub.missing = True
    world.make_repos("data")
    world.create(SPEC)
    world.wait_until(lambda: said(world) == CRASHING)


def test_its_jobs_fail_until_it_is_there(world: World, hub: Hub) -> None:
    hub.missing = True
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    world.create(SPEC)
    job = world.wait("p")
    assert (job.state, job.reason) == (JobState.FAILURE, "image fake is not here")
    assert said(world) == CRASHING
    hub.missing = False
    world.put("data", {"/a": b"2"})
    world.succeed("p")
    assert said(world) == RUNNING


def test_an_image_that_does_not_start(world: World, hub: Hub) -> None:
    hub.unfit = True
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    world.create(SPEC)
    job = world.wait("p")
    assert (job.state, job.reason) == (JobState.FAILURE, "image fake does not start")
    assert said(world) == (PipelineState.CRASHING, "image fake does not start")


def test_an_update_recovers_it(world: World, hub: Hub) -> None:
    hub.missing = True
    world.make_repos("data")
    world.create(SPEC)
    world.wait_until(lambda: said(world) == CRASHING)
    hub.missing = False
    world.create(SPEC, update=True)
    assert said(world) == RUNNING
    world.put("data", {"/a": b"1"})
    world.succeed("p")


def test_a_restart_looks_again(world: World, hub: Hub) -> None:
    hub.missing = True
    world.make_repos("data")
    world.create(SPEC)
    world.wait_until(lambda: said(world) == CRASHING)
    hub.missing = False
    world.restart()
    world.wait_until(lambda: said(world) == RUNNING)


def test_a_job_stopped_while_its_image_comes_stays_stopped(world: World, hub: Hub) -> None:
    hub.missing = True
    world.make_repos("data")
    world.create(SPEC)
    world.wait_until(lambda: said(world) == CRASHING)
    hub.missing = False
    hub.free.clear()
    hub.asked.clear()
    world.put("data", {"/a": b"1"})
    assert hub.asked.wait(10)
    world.end(world.job("p"))
    world.put("data", {"/a": b"2"})
    hub.free.set()
    world.succeed("p")
    assert [job.state for job in world.jobs("p")][-2:] == [JobState.KILLED, JobState.SUCCESS]


def test_a_version_that_was_replaced_and_a_stopped_pipeline_have_no_say(world: World) -> None:
    world.make_repos("data")
    old = world.create(SPEC)

    def report(tx: Transaction) -> None:
        pipelines.report_problem(tx, old, "late news")

    world.create(SPEC, update=True)
    with world.files.transaction() as tx:
        report(tx)
    assert said(world) == RUNNING
    with world.files.transaction() as tx:
        pipelines.stop(tx, world.files.objects, world.pipeline("p"))
        pipelines.report_problem(tx, world.pipeline("p"), "late news")
    assert said(world) == (PipelineState.PAUSED, "")
