"""SubscribeChanges: what a client that shows the store goes by."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from google.protobuf.wrappers_pb2 import BytesValue

from pachlocal.proto import (
    local_pb2,
    local_pb2_grpc,
    pfs_pb2,
    pfs_pb2_grpc,
    pps_pb2,
    pps_pb2_grpc,
    pps_spec_pb2,
)

REPO = pfs_pb2.Repo(name="a")
LONGEST_S = 30.0


def until(changes: Iterator[local_pb2.Changes], *wanted: int) -> set[int]:
    """Reads until all these kinds have changed; returns what has."""
    found: set[int] = set()
    while not found >= set(wanted):
        found |= set(next(changes).kinds)
    return found


def test_it_tells_of_what_changes_by_kind(channel: grpc.Channel) -> None:
    local = local_pb2_grpc.LocalStub(channel)
    pfs, pps = pfs_pb2_grpc.APIStub(channel), pps_pb2_grpc.APIStub(channel)
    request = local_pb2.SubscribeChangesRequest()
    everything = local.SubscribeChanges(request, timeout=LONGEST_S)
    request.kinds.extend([local_pb2.PROJECTS, local_pb2.DATUMS])
    some = local.SubscribeChanges(request, timeout=LONGEST_S)
    assert not next(everything).kinds
    assert not next(some).kinds

    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=REPO))
    assert until(everything, local_pb2.REPOS) == {local_pb2.REPOS}
    add = pfs_pb2.AddFile(path="/f", raw=BytesValue(value=b"1"))
    head = pfs_pb2.Commit(repo=REPO, id="master")
    pfs.ModifyFile(
        iter([pfs_pb2.ModifyFileRequest(set_commit=head), pfs_pb2.ModifyFileRequest(add_file=add)])
    )
    found = until(everything, local_pb2.COMMITS, local_pb2.REPOS)
    assert found == {local_pb2.COMMITS, local_pb2.REPOS}
    pps.CreatePipeline(
        pps_pb2.CreatePipelineRequest(
            pipeline=pps_spec_pb2.Pipeline(name="p"),
            transform=pps_spec_pb2.Transform(image="i", cmd=["true"]),
            input=pps_spec_pb2.Input(pfs=pps_spec_pb2.PFSInput(repo="a", glob="/*")),
        )
    )
    until(everything, local_pb2.PIPELINES, local_pb2.JOBS, local_pb2.DATUMS)
    pfs.CreateProject(pfs_pb2.CreateProjectRequest(project=pfs_pb2.Project(name="other")))
    # Of all that has happened, the other client hears only what it asked for.
    found = until(some, local_pb2.PROJECTS)
    assert found == {local_pb2.DATUMS, local_pb2.PROJECTS}
