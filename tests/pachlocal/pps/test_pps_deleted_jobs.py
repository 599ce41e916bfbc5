"""Jobs that are deleted or stopped while they are at work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import pytest
from pps_world import DEADLINE_S, World, make_spec, pfs_input

from pachlocal.errors import LeftError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.tree.entries import Root
from pachlocal.pps.planning.plan import plan
from pachlocal.pps.run.merge import merge_output
from pachlocal.pps.spec.states import JobState
from pachlocal.pps.tables import jobs
from pachlocal.pps.tables.datum_store import DatumInfo
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.storage.database import Connection
from pachlocal.storage.object_writer import ObjectWriter


def test_a_job_deleted_before_its_datums_are_stored_is_no_trouble(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    deleted: list[str] = []

    def plan_what_is_gone(
        files: FileSystem, job: JobInfo, pipeline: PipelineInfo, *checks: Callable[[], None]
    ) -> None:
        if not deleted:
            with files.transaction() as tx:
                jobs.delete(tx, files.objects, job)
            deleted.append(job.id)
        plan(files, job, pipeline, *checks)

    monkeypatch.setattr("pachlocal.pps.run.job_run.plan", plan_what_is_gone)
    world.make_repos("a")
    world.put("a", {"/x": b"1"})
    world.create(make_spec("p", pfs_input("a")))
    world.wait_until(lambda: bool(deleted))

    assert world.succeed("p", world.put("a", {"/y": b"2"})).id not in deleted
    assert "could not be ended" not in caplog.text


def test_planning_a_job_that_was_stopped_breaks_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[int] = []

    def store_and_stop(connection: Connection, datums: Iterable[DatumInfo]) -> None:
        if not stored:
            # What a user does meanwhile, from another thread: this one has a transaction open.
            connection.execute("UPDATE jobs SET state = ?", (int(JobState.KILLED),))
        stored.append(len(list(datums)))

    monkeypatch.setattr("pachlocal.pps.planning.plan._BATCH", 10)
    monkeypatch.setattr("pachlocal.pps.tables.datum_store.insert", store_and_stop)
    world.make_repos("a")
    world.put("a", {f"/{number}": b"" for number in range(100)})
    world.create(make_spec("p", pfs_input("a")))
    world.wait_until(lambda: bool(stored), world.files.database.progress)
    world.scheduler.close()
    assert stored == [10]


def test_merging_for_a_job_that_was_stopped_breaks_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off = threading.Event()

    def stop_and_merge(
        files: FileSystem,
        objects: ObjectWriter,
        job: JobInfo,
        pipeline: PipelineInfo,
        base: JobInfo | None,
        go_on: Callable[[], None],
    ) -> Root:
        world.end(job)
        try:
            return merge_output(files, objects, job, pipeline, base, go_on)
        except LeftError:
            broken_off.set()
            raise

    monkeypatch.setattr("pachlocal.pps.run.job_run.merge_output", stop_and_merge)
    world.make_repos("a")
    world.put("a", {"/x": b"1"})
    world.create(make_spec("p", pfs_input("a")))
    assert world.wait("p").state is JobState.KILLED
    assert broken_off.wait(DEADLINE_S)
