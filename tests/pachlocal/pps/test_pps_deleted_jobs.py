"""Jobs that are deleted while they are at work."""

from __future__ import annotations

import pytest
from pps_world import World, make_spec, pfs_input

from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps import jobs
from pachlocal.pps.jobs import JobInfo
from pachlocal.pps.pipelines import PipelineInfo
from pachlocal.pps.plan import plan


def test_a_job_deleted_before_its_datums_are_stored_is_no_trouble(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    deleted: list[str] = []

    def plan_what_is_gone(files: FileSystem, job: JobInfo, pipeline: PipelineInfo) -> None:
        if not deleted:
            with files.transaction() as tx:
                jobs.delete(tx, files.objects, job)
            deleted.append(job.id)
        plan(files, job, pipeline)

    monkeypatch.setattr("pachlocal.pps.job_run.plan", plan_what_is_gone)
    world.make_repos("a")
    world.put("a", {"/x": b"1"})
    world.create(make_spec("p", pfs_input("a")))
    world.wait_until(lambda: bool(deleted))

    assert world.succeed("p", world.put("a", {"/y": b"2"})).id not in deleted
    assert "could not be ended" not in caplog.text
