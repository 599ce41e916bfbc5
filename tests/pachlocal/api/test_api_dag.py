"""The DAG of a project in one answer."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from pachlocal.proto import (
    local_pb2,
    local_pb2_grpc,
    pfs_pb2,
    pfs_pb2_grpc,
    pps_pb2,
    pps_pb2_grpc,
)


def create(pps: pps_pb2_grpc.APIStub, name: str, command: str, **spec: Any) -> None:
    project = spec.pop("project", "default")
    whole = {
        "pipeline": {"name": name, "project": {"name": project}},
        "transform": {"image": "i", "cmd": ["sh", "-c", command]},
        "datum_tries": 1,
        **spec,
    }
    text = json.dumps(whole)
    pps.CreatePipelineV2(pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=text))


def dag_of(channel: grpc.Channel, project: str) -> local_pb2.Dag:
    request = local_pb2.InspectDagRequest(project=pfs_pb2.Project(name=project))
    answer: local_pb2.Dag = local_pb2_grpc.LocalStub(channel).InspectDag(request)
    return answer


def test_a_drawing_learns_what_it_needs(channel: grpc.Channel) -> None:
    pfs, pps = pfs_pb2_grpc.APIStub(channel), pps_pb2_grpc.APIStub(channel)
    pfs.CreateProject(pfs_pb2.CreateProjectRequest(project=pfs_pb2.Project(name="other")))
    repo = pfs_pb2.Repo(name="a")
    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo))
    data: dict[str, Any] = {"pfs": {"repo": "a", "glob": "/*"}}
    tick = {"cron": {"name": "tick", "spec": "@yearly"}}
    create(pps, "copy", "cp /pfs/a/* /pfs/out", input=data)
    create(pps, "check", "! grep bad /pfs/a/*", input={"union": [data, data]})
    create(pps, "both", "true", input={"cross": [{"pfs": {"repo": "copy", "glob": "/"}}, tick]})
    create(pps, "stream", "exec sleep 1000", spout={})
    abroad = {"pfs": {"project": "default", "repo": "copy", "glob": "/"}}
    create(pps, "abroad", "true", project="other", input=abroad)
    changes = [pfs_pb2.ModifyFileRequest(set_commit=pfs_pb2.Commit(repo=repo, id="master"))]
    for name in ("good", "bad"):
        file = pfs_pb2.AddFile(path=f"/{name}", raw=BytesValue(value=name.encode()))
        changes.append(pfs_pb2.ModifyFileRequest(add_file=file))
    pfs.ModifyFile(iter(changes))
    for name in ("copy", "check"):
        pipeline = pps_pb2.Pipeline(name=name)
        newest = next(iter(pps.ListJob(pps_pb2.ListJobRequest(pipeline=pipeline))))
        pps.InspectJob(pps_pb2.InspectJobRequest(job=newest.job, wait=True))

    dag = dag_of(channel, "default")
    assert [info.repo.name for info in dag.repos] == ["a", "both_tick"]
    assert dag.repos[0].details.size_bytes == 7
    found = {info.pipeline.name: info for info in dag.pipelines}
    assert {name: [repo.name for repo in info.inputs] for name, info in found.items()} == {
        "copy": ["a"],
        "check": ["a"],
        "both": ["copy", "both_tick"],
        "stream": [],
    }
    copied, checked = found["copy"].newest_job, found["check"].newest_job
    assert copied.state == pps_pb2.JobState.JOB_SUCCESS
    assert copied.finished.ToNanoseconds() > copied.created.ToNanoseconds()
    assert checked.state == pps_pb2.JobState.JOB_FAILURE
    assert (checked.total, checked.done, checked.failed) == (2, 2, 1)
    assert "failed" in checked.reason
    assert copied.id == checked.id
    copy = pps_pb2.Pipeline(name="copy")
    pps.StopPipeline(pps_pb2.StopPipelineRequest(pipeline=copy))
    (paused,) = (one for one in dag_of(channel, "default").pipelines if one.pipeline.name == "copy")
    assert paused.state == pps_pb2.PipelineState.PIPELINE_PAUSED

    other = dag_of(channel, "other")
    assert list(other.repos) == []
    (reader,) = other.pipelines
    assert [(repo.project, repo.name) for repo in reader.inputs] == [("default", "copy")]
    with pytest.raises(grpc.RpcError) as error:
        dag_of(channel, "none")
    assert error.value.code() is grpc.StatusCode.NOT_FOUND  # type: ignore[attr-defined]
