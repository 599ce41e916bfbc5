"""Where the time of jobs went, and which of their datums took longest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from walkthrough.machine import Daemon

from pachlocal.proto import (
    local_pb2,
    local_pb2_grpc,
    pfs_pb2,
    pfs_pb2_grpc,
    pps_pb2,
    pps_pb2_grpc,
)

PAUSE = timedelta(milliseconds=200)
SLOW = "sleep 0.2; cp /pfs/a/* /pfs/out; ! grep bad /pfs/a/*"
COPY = "cp /pfs/slow/* /pfs/out"
BATCH = "sleep 0.2; while pachctl next datum; do touch /pfs/out/$(ls /pfs/a); done"
PARTS = ("waiting", "planning", "input", "code_start", "user_code", "output", "merging")


class Jobs(NamedTuple):
    """Pipelines that have run.

    Attributes:
        pps: Where they ran.
        local: What says how long that took.
    """

    pps: pps_pb2_grpc.APIStub
    local: local_pb2_grpc.LocalStub

    def of(self, pipeline: str) -> pps_pb2.JobInfo:
        wanted = pps_pb2.Pipeline(name=pipeline)
        info = next(iter(self.pps.ListJob(pps_pb2.ListJobRequest(pipeline=wanted))))
        assert isinstance(info, pps_pb2.JobInfo)
        return info

    def times(self, *jobs: pps_pb2.Job) -> list[dict[str, timedelta]]:
        found = self.local.InspectJobTimes(local_pb2.InspectJobTimesRequest(jobs=jobs)).times
        return [{part: getattr(one, part).ToTimedelta() for part in PARTS} for one in found]

    def slowest(self, **fields: Any) -> list[pps_pb2.DatumInfo]:
        request = local_pb2.ListSlowestDatumsRequest(job=self.of("slow").job, **fields)
        return list(self.local.ListSlowestDatums(request))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    daemon = Daemon(tmp_path_factory.mktemp("times") / "store")
    daemon.start()
    try:
        with grpc.insecure_channel(daemon.address) as channel:
            pps = pps_pb2_grpc.APIStub(channel)
            run(pfs_pb2_grpc.APIStub(channel), pps)
            yield Jobs(pps, local_pb2_grpc.LocalStub(channel))
    finally:
        daemon.end()


def run(pfs: pfs_pb2_grpc.APIStub, pps: pps_pb2_grpc.APIStub) -> None:
    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=pfs_pb2.Repo(name="a")))
    for name, repo, script in (("slow", "a", SLOW), ("after", "slow", COPY), ("batch", "a", BATCH)):
        transform = pps_pb2.Transform(
            image="i", cmd=["sh", "-c", script], err_cmd=["true"], datum_batching=script is BATCH
        )
        pps.CreatePipeline(
            pps_pb2.CreatePipelineRequest(
                pipeline=pps_pb2.Pipeline(name=name),
                transform=transform,
                datum_tries=1,
                input=pps_pb2.Input(pfs=pps_pb2.PFSInput(repo=repo, glob="/*")),
            )
        )
    head = pfs_pb2.Commit(repo=pfs_pb2.Repo(name="a"), id="master")
    changes = [pfs_pb2.ModifyFileRequest(set_commit=head)]
    for name in ("x", "y", "z", "bad"):
        file = pfs_pb2.AddFile(path=f"/{name}", raw=BytesValue(value=name.encode()))
        changes.append(pfs_pb2.ModifyFileRequest(add_file=file))
    pfs.ModifyFile(iter(changes))
    for name in ("after", "batch"):
        head = pfs_pb2.Commit(repo=pfs_pb2.Repo(name=name), id="master")
        wait = pfs_pb2.InspectCommitRequest(commit=head, wait=pfs_pb2.CommitState.FINISHED)
        pfs.InspectCommit(wait)


def test_each_part_is_told_where_it_went(done: Jobs) -> None:
    slow, after = done.of("slow"), done.of("after")
    (first, second) = done.times(slow.job, after.job)
    for part in PARTS:
        assert first[part] > timedelta(0), part
    total = slow.stats.process_time.ToTimedelta()
    assert 4 * PAUSE <= first["user_code"] < total  # the start of the programs isn't in it
    assert second["waiting"] >= 4 * PAUSE  # for its input
    wall = slow.finished.ToDatetime() - slow.created.ToDatetime()
    assert first["waiting"] + first["planning"] + first["merging"] < wall


def test_the_start_of_a_batch_is_a_part_of_its_own(done: Jobs) -> None:
    (times,) = done.times(done.of("batch").job)
    assert times["code_start"] >= PAUSE


def test_jobs_that_are_gone_are_left_out(done: Jobs) -> None:
    slow = done.of("slow").job
    gone = pps_pb2.Job(pipeline=slow.pipeline, id="0" * 32)
    assert done.times(gone, slow) == done.times(slow)
    assert done.times() == []


def test_the_slowest_come_first_over_all_pages(done: Jobs) -> None:
    request = pps_pb2.ListDatumRequest(job=done.of("slow").job)
    by_time = sorted(
        done.pps.ListDatum(request),
        key=lambda one: (-one.stats.process_time.ToNanoseconds(), one.datum.id),
    )
    pages = [done.slowest(number=3)]
    pages.append(done.slowest(number=3, after=pages[0][-1].datum.id))
    assert [len(page) for page in pages] == [3, 1]
    assert [one for page in pages for one in page] == by_time
    assert done.slowest() == by_time
    recovered = [pps_pb2.DatumState.RECOVERED]
    assert [one.data[0].file.path for one in done.slowest(states=recovered)] == ["/bad"]
    assert done.slowest(states=[pps_pb2.DatumState.SKIPPED]) == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"after": "00"}, grpc.StatusCode.NOT_FOUND),
        ({"after": "x"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"number": -1}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_what_is_no_page_is_refused(
    done: Jobs, fields: dict[str, Any], code: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.RpcError) as error:
        done.slowest(**fields)
    assert error.value.code() is code  # type: ignore[attr-defined]
