"""What the server refuses, in the words that Pachyderm's own tests and users know."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest
from google.protobuf.message import Message

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc

IN, OUT = (
    pfs_pb2.Branch(name="master", repo=pfs_pb2.Repo(name=name, project={"name": "default"}))
    for name in ("in", "out")
)
NO_TRANSFORM = '{"pipeline": {"name": "p"}, "transform": null, "input": {"cron": {}}}'


@pytest.mark.parametrize(
    ("call", "request_", "words"),
    [
        ("InspectJob", pps_pb2.InspectJobRequest(), "must specify a job"),
        ("CreatePipeline", pps_pb2.CreatePipelineRequest(), "request.Pipeline cannot be nil"),
        (
            "CreatePipelineV2",
            pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=NO_TRANSFORM),
            "invalid pipeline spec: pipeline must specify a transform",
        ),
    ],
)
def test_requests_that_lack_something(
    channel: grpc.Channel, call: str, request_: Message, words: str
) -> None:
    send: Callable[[Message], Message] = getattr(pps_pb2_grpc.APIStub(channel), call)
    with pytest.raises(grpc.RpcError) as refused:
        send(request_)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in refused.value.details()


def test_a_branch_that_others_are_made_from(channel: grpc.Channel) -> None:
    pfs = pfs_pb2_grpc.APIStub(channel)
    for branch in (IN, OUT):
        pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=branch.repo))
    pfs.CreateBranch(pfs_pb2.CreateBranchRequest(branch=OUT, provenance=[IN]))
    with pytest.raises(grpc.RpcError) as refused:
        pfs.DeleteBranch(pfs_pb2.DeleteBranchRequest(branch=IN))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert refused.value.details() == (
        'branch "default/in@master" cannot be deleted because it\'s in the direct provenance of '
        "[default/out@master]"
    )
