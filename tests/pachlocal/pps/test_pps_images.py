"""An image that can't be run: the pipeline says so, and recovers."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from pps_world import FakeRuntime, FakeWorker, World, make_spec, pfs_input

from pachlocal.errors import ImageUnavailableError
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pps.spec.states import JobState, PipelineState
from pachlocal.pps.tables import pipelines
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

        def prepare(
            _: FakeRuntime, image: str, given_up: Callable[[], bool], *others: object
        ) -> bool:
            self.asked.set()
            while not self.free.wait(0.01) and not given_up():
                continue
            if self.missing:
                raise ImageUnavailableError(f"image {image} is not here")
            return not given_up()

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


def test_its_jobs_wait_until_it_is_there(world: World, hub: Hub) -> None:
    hub.missing = True
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    world.create(SPEC)
    world.put("data", {"/a": b"2"})
    world.wait_until(lambda: said(world) == CRASHING)
    first = world.jobs("p")[0].id
    world.wait_until(lambda: world.job("p", first).state is JobState.STARTING)
    hub.missing = False
    for job in world.jobs("p"):
        world.succeed("p", job.id)
    assert said(world) == RUNNING


def test_it_recovers_without_a_job(world: World, hub: Hub) -> None:
    hub.missing = True
    world.make_repos("data")
    world.create(SPEC)
    world.wait_until(lambda: said(world) == CRASHING)
    hub.missing = False
    world.wait_until(lambda: said(world) == RUNNING)


def test_an_image_that_does_not_start(world: World, hub: Hub) -> None:
    hub.unfit = True
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    world.create(SPEC)
    unfit = (PipelineState.CRASHING, "image fake does not start")
    world.wait_until(lambda: said(world) == unfit)
    assert world.job("p").state is JobState.RUNNING
    hub.unfit = False
    job = world.succeed("p")
    assert world.counts(job) == {"total": 1, "processed": 1}
    world.wait_until(lambda: said(world) == RUNNING)


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
        pipelines.report(tx, old.key, old.version, PipelineState.CRASHING, "late news")

    world.create(SPEC, update=True)
    with world.files.transaction() as tx:
        report(tx)
    assert said(world) == RUNNING
    with world.files.transaction() as tx:
        pipelines.stop(tx, world.files.objects, world.pipeline("p"))
        version = world.pipeline("p").version
        pipelines.report(tx, old.key, version, PipelineState.CRASHING, "late news")
    assert said(world) == (PipelineState.PAUSED, "")
