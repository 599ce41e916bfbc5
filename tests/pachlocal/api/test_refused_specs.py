"""Specs and names that a real server refuses, and so do we."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc

ID = "4cb860cbdccb493c89e6655205fa6507"
REPO = pfs_pb2.Repo(name="in", type="user")
SECRET = {"name": "known", "key": "password", "env_var": "PASSWORD"}


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    daemon = Daemon(tmp_path_factory.mktemp("refused") / "store")
    daemon.start()
    try:
        with grpc.insecure_channel(daemon.address) as channel:
            pfs = pfs_pb2_grpc.APIStub(channel)
            pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=REPO))
            project = pfs_pb2.Project(name="p" * 30)
            pfs.CreateProject(pfs_pb2.CreateProjectRequest(project=project))
            secret = {
                "kind": "Secret",
                "apiVersion": "v1",
                "metadata": {"name": "known"},
                "stringData": {"password": "x"},
            }
            pps_pb2_grpc.APIStub(channel).CreateSecret(
                pps_pb2.CreateSecretRequest(file=json.dumps(secret).encode())
            )
            yield channel
    finally:
        daemon.end()


def create(channel: grpc.Channel, **changes: Any) -> None:
    spec = {
        "pipeline": {"name": "p"},
        "transform": {"image": "none", "cmd": ["true"]},
        "input": {"pfs": {"repo": "in", "glob": "/", "project": "default"}},
        **changes,
    }
    request = pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=json.dumps(spec))
    pps_pb2_grpc.APIStub(channel).CreatePipelineV2(request)


def transform(**secret: str) -> dict[str, Any]:
    return {"image": "none", "cmd": ["true"], "secrets": [{**SECRET, **secret}]}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"spec_commit": {}}, "cannot pick commit"),
        (
            {"service": {"type": "NodePort"}, "parallelism_spec": {}},
            "services can only be run with a constant parallelism of 1",
        ),
        ({"pipeline": {"name": "-p"}}, "must start with an alphanumeric character"),
        (
            {"pipeline": {"name": "n" * 30, "project": {"name": "p" * 30}}},
            "is 2 characters longer than the 63 max",
        ),
        ({"pod_spec": "{"}, "malformed PodSpec"),
        ({"pod_patch": "[,]"}, "malformed PodPatch"),
        ({"tolerations": [{"key": "a"}]}, "toleration 1/1"),
        ({"transform": transform(name="unknown")}, "missing Kubernetes secret unknown"),
        ({"transform": transform(key="user")}, "Kubernetes secret known missing key user"),
        (
            {"input": {"cron": {"name": "t", "spec": "TZ=UTC * * * * *"}}},
            "exactly 5 fields, found 6",
        ),
        (
            {"input": {"pfs": {"repo": "in", "glob": "/", "trigger": {"branch": "gone"}}}},
            'branch "gone" not found',
        ),
        ({"output_branch": ID}, "branch name cannot be a UUID V4"),
    ],
)
def test_a_spec_is_refused(channel: grpc.Channel, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(grpc.RpcError) as error:
        create(channel, **changes)
    assert text in (error.value.details() or "")
    assert error.value.code() is not grpc.StatusCode.UNKNOWN


@pytest.mark.parametrize(
    "changes",
    [
        {"pipeline": {"name": "secretive"}, "transform": transform()},
        {"pipeline": {"name": "lazy"}, "input": {"cron": {"name": "t", "spec": "0 0 31 2 *"}}},
    ],
)
def test_a_spec_is_taken(channel: grpc.Channel, changes: dict[str, Any]) -> None:
    create(channel, **changes)


def test_no_branch_is_named_like_a_commit(channel: grpc.Channel) -> None:
    branch = pfs_pb2.Branch(repo=REPO, name=ID)
    pfs = pfs_pb2_grpc.APIStub(channel)
    for call, request in (
        (pfs.CreateBranch, pfs_pb2.CreateBranchRequest(branch=branch)),
        (pfs.StartCommit, pfs_pb2.StartCommitRequest(branch=branch)),
    ):
        with pytest.raises(grpc.RpcError) as error:
            call(request)
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "cannot be a UUID V4" in (error.value.details() or "")
