"""Metadata: what clients attach to things is shown with them."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
import pytest

from pachlocal.proto import (
    admin_pb2,
    admin_pb2_grpc,
    metadata_pb2,
    metadata_pb2_grpc,
    pfs_pb2,
    pfs_pb2_grpc,
    pps_pb2,
    pps_pb2_grpc,
)
from pachlocal.proto.metadata_pb2 import ClusterPicker, Edit

REPO = pfs_pb2.Repo(name="a")
BRANCH = pfs_pb2.Branch(repo=REPO, name="master")
PICK_REPO = pfs_pb2.RepoPicker(name=pfs_pb2.RepoPicker.RepoName(name="a"))
PICK_BRANCH = pfs_pb2.BranchPicker(
    name=pfs_pb2.BranchPicker.BranchName(repo=PICK_REPO, name="master")
)
TARGETS = {
    "cluster": Edit(cluster=ClusterPicker()),
    "project": Edit(project=pfs_pb2.ProjectPicker(name="default")),
    "repo": Edit(repo=PICK_REPO),
    "branch": Edit(branch=PICK_BRANCH),
    "commit": Edit(commit=pfs_pb2.CommitPicker(branch_head=PICK_BRANCH)),
    "pipeline": Edit(
        pipeline=pps_pb2.PipelinePicker(name=pps_pb2.PipelinePicker.PipelineName(name="p"))
    ),
}


@pytest.fixture
def channel_to_a(channel: grpc.Channel) -> grpc.Channel:
    """A channel to a server with a repo that has a branch and a commit, and a pipeline."""
    pfs = pfs_pb2_grpc.APIStub(channel)
    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=REPO))
    pfs.CreateBranch(pfs_pb2.CreateBranchRequest(branch=BRANCH))
    pps_pb2_grpc.APIStub(channel).CreatePipeline(
        pps_pb2.CreatePipelineRequest(
            pipeline=pps_pb2.Pipeline(name="p"),
            transform=pps_pb2.Transform(image="alpine", cmd=["true"]),
            input=pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="a", glob="/*")),
        )
    )
    return channel


def edit(channel: grpc.Channel, target: Edit, *operations: Edit) -> None:
    edits = []
    for operation in operations:
        edits.append(Edit())
        edits[-1].CopyFrom(target)
        edits[-1].MergeFrom(operation)
    stub = metadata_pb2_grpc.APIStub(channel)
    stub.EditMetadata(metadata_pb2.EditMetadataRequest(edits=edits))


def shown(channel: grpc.Channel, kind: str) -> Mapping[str, str]:
    pfs = pfs_pb2_grpc.APIStub(channel)
    if kind == "cluster":
        request = admin_pb2.InspectClusterRequest()
        return admin_pb2_grpc.APIStub(channel).InspectCluster(request).metadata
    if kind == "pipeline":
        wanted = pps_pb2.InspectPipelineRequest(pipeline=pps_pb2.Pipeline(name="p"))
        return pps_pb2_grpc.APIStub(channel).InspectPipeline(wanted).metadata
    if kind == "project":
        project = pfs_pb2.Project(name="default")
        return pfs.InspectProject(pfs_pb2.InspectProjectRequest(project=project)).metadata
    if kind == "repo":
        return pfs.InspectRepo(pfs_pb2.InspectRepoRequest(repo=REPO)).metadata
    if kind == "branch":
        return pfs.InspectBranch(pfs_pb2.InspectBranchRequest(branch=BRANCH)).metadata
    commit = pfs_pb2.Commit(repo=REPO, id="master")
    return pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit)).metadata


@pytest.mark.parametrize("kind", TARGETS)
def test_what_is_added_is_shown_there_and_nowhere_else(
    channel_to_a: grpc.Channel, kind: str
) -> None:
    edit(channel_to_a, TARGETS[kind], Edit(add_key=Edit.AddKey(key="by", value="me")))
    for other in TARGETS:
        assert shown(channel_to_a, other) == ({"by": "me"} if other == kind else {})


def test_edits_are_made_in_their_order(channel_to_a: grpc.Channel) -> None:
    edit(
        channel_to_a,
        TARGETS["repo"],
        Edit(replace=Edit.Replace(replacement={"a": "1", "b": "2"})),
        Edit(delete_key=Edit.DeleteKey(key="a")),
        Edit(delete_key=Edit.DeleteKey(key="never there")),
        Edit(edit_key=Edit.EditKey(key="b", value="3")),
        Edit(edit_key=Edit.EditKey(key="c", value="4")),
    )
    assert shown(channel_to_a, "repo") == {"b": "3", "c": "4"}


def test_one_edit_that_fails_undoes_all(channel_to_a: grpc.Channel) -> None:
    add = Edit(add_key=Edit.AddKey(key="by", value="me"))
    with pytest.raises(grpc.RpcError) as error:
        edit(channel_to_a, TARGETS["repo"], add, add)
    assert 'edit #1: add_key target key "by" already exists' in error.value.details()
    assert shown(channel_to_a, "repo") == {}


@pytest.mark.parametrize(
    ("edit_", "code"),
    [
        (Edit(edit_key=Edit.EditKey(key="k")), grpc.StatusCode.INVALID_ARGUMENT),
        (Edit(repo=PICK_REPO), grpc.StatusCode.INVALID_ARGUMENT),
        (
            Edit(repo=PICK_REPO, edit_key=Edit.EditKey(value="without a key")),
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        (
            Edit(project=pfs_pb2.ProjectPicker(name="x"), edit_key=Edit.EditKey(key="k")),
            grpc.StatusCode.NOT_FOUND,
        ),
        (
            Edit(pipeline=pps_pb2.PipelinePicker(), edit_key=Edit.EditKey(key="k")),
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
    ],
    ids=["no target", "no operation", "no key", "no such project", "no pipeline"],
)
def test_edits_that_can_not_be(channel_to_a: grpc.Channel, edit_: Edit, code: object) -> None:
    with pytest.raises(grpc.RpcError) as error:
        edit(channel_to_a, edit_, Edit())
    assert error.value.code() is code
