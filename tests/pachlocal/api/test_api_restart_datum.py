"""A datum that hangs can be begun anew."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc

PIPELINE = pps_pb2.Pipeline(name="hangs")


@dataclass
class HangingJob:
    """A job with one datum, `/f`, whose command hangs the first time that it runs."""

    pps: pps_pb2_grpc.APIStub
    job: pps_pb2.Job

    def restart(self, *filters: str) -> None:
        self.pps.RestartDatum(pps_pb2.RestartDatumRequest(job=self.job, data_filters=filters))

    def wait(self) -> pps_pb2.JobInfo:
        return self.pps.InspectJob(pps_pb2.InspectJobRequest(job=self.job, wait=True))

    def wait_until_it_hangs(self) -> None:
        lines = self.pps.GetLogs(pps_pb2.GetLogsRequest(job=self.job, follow=True))
        next(line for line in lines if line.user and line.message == "it hangs")
        lines.cancel()


@pytest.fixture
def hanging(channel: grpc.Channel, tmp_path: Path) -> HangingJob:
    repo = pfs_pb2.Repo(name="a")
    pfs, pps = pfs_pb2_grpc.APIStub(channel), pps_pb2_grpc.APIStub(channel)
    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo))
    commit = pfs_pb2.ModifyFileRequest(set_commit=pfs_pb2.Commit(repo=repo, id="master"))
    file = pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path="/f"))
    pfs.ModifyFile(iter([commit, file]))
    seen = tmp_path / "seen"
    script = f"if [ -e {seen} ]; then exit; fi; touch {seen}; echo it hangs; sleep 600"
    spec = {
        "pipeline": {"name": PIPELINE.name},
        "transform": {"image": "alpine", "cmd": ["sh", "-c", script]},
        "input": {"pfs": {"repo": "a", "glob": "/*"}},
        "datum_tries": 1,  # so that the job succeeds only if the interrupted try doesn't count
    }
    pps.CreatePipelineV2(
        pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=json.dumps(spec))
    )
    (info,) = pps.ListJob(pps_pb2.ListJobRequest(pipeline=PIPELINE))
    hanging = HangingJob(pps, info.job)
    hanging.wait_until_it_hangs()
    return hanging


def test_a_datum_that_is_restarted_loses_no_try(hanging: HangingJob) -> None:
    hanging.restart("/f")
    ended = hanging.wait()
    assert (ended.state, ended.data_processed) == (pps_pb2.JOB_SUCCESS, 1)


def test_only_a_datum_that_runs_and_matches_is_restarted(hanging: HangingJob) -> None:
    with pytest.raises(grpc.RpcError) as error:
        hanging.restart("/f", "/other")
    refused = rf"datum matching filter [/f /other] could not be found for job ID {hanging.job.id}"
    assert error.value.details() == refused
    hanging.restart()
    hanging.wait()
    with pytest.raises(grpc.RpcError, match="could not be found"):
        hanging.restart("/f")
