"""Commits and branches whose parents, heads and provenance are given in requests."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc

PROJECT = pfs_pb2.Project(name="default")


def repo(name: str, type_: str = "user") -> pfs_pb2.Repo:
    return pfs_pb2.Repo(name=name, type=type_, project=PROJECT)


def branch(name: str, type_: str = "user") -> pfs_pb2.Branch:
    return pfs_pb2.Branch(name="master", repo=repo(name, type_))


class Server:
    """A server, and what a DAG is made of."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.pfs = pfs_pb2_grpc.APIStub(channel)
        self.pps = pps_pb2_grpc.APIStub(channel)

    def create_repo(self, name: str) -> None:
        self.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(name)))

    def commit(self, name: str) -> pfs_pb2.Commit:
        """Makes a finished commit with one file of the repo's name."""
        commit = self.pfs.StartCommit(pfs_pb2.StartCommitRequest(branch=branch(name)))
        add = pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path=f"/{name}"))
        self.pfs.ModifyFile(iter([pfs_pb2.ModifyFileRequest(set_commit=commit), add]))
        self.pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=commit))
        return commit

    def head(self, of: pfs_pb2.Branch) -> pfs_pb2.CommitInfo:
        commit = pfs_pb2.Commit(repo=of.repo, id=of.name)
        return self.pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    daemon = Daemon(tmp_path_factory.mktemp("branches") / "store")
    daemon.start()
    try:
        with grpc.insecure_channel(daemon.address) as channel:
            yield Server(channel)
    finally:
        daemon.end()


def test_a_parent_of_another_repo_is_refused(server: Server) -> None:
    server.create_repo("child")
    server.create_repo("stranger")
    parent = server.commit("stranger")
    by_branch = pfs_pb2.Commit(branch=branch("stranger"))
    of_project = pfs_pb2.Commit(repo=repo("child", "spec"), id=parent.id)
    for wrong in (parent, by_branch, of_project):
        with pytest.raises(grpc.RpcError) as error:
            server.pfs.StartCommit(pfs_pb2.StartCommitRequest(branch=branch("child"), parent=wrong))
        assert error.value.code() in (
            grpc.StatusCode.FAILED_PRECONDITION,
            grpc.StatusCode.NOT_FOUND,
        )

    server.commit("child")

    assert list(server.pfs.ListBranch(pfs_pb2.ListBranchRequest(repo=repo("child"))))


def test_a_head_of_another_repo_is_refused(server: Server) -> None:
    server.create_repo("headed")
    server.create_repo("heading")
    wrong = server.commit("heading")

    with pytest.raises(grpc.RpcError, match="must belong to the same repo"):
        server.pfs.CreateBranch(pfs_pb2.CreateBranchRequest(branch=branch("headed"), head=wrong))

    assert not list(server.pfs.ListBranch(pfs_pb2.ListBranchRequest(repo=repo("headed"))))


def test_a_head_with_new_provenance_is_the_parent_of_a_commit(server: Server) -> None:
    server.create_repo("source")
    server.create_repo("computed")
    source = server.commit("source")
    old = server.commit("computed")

    server.pfs.CreateBranch(
        pfs_pb2.CreateBranchRequest(
            branch=branch("computed"), head=old, provenance=[branch("source")]
        )
    )

    head = server.head(branch("computed"))
    assert head.commit.id not in (old.id, source.id)
    assert head.parent_commit.id == old.id
    assert not head.HasField("finished")
    assert [commit.id for commit in head.direct_provenance] == [source.id]


def test_a_head_with_the_same_provenance_makes_no_commit(server: Server) -> None:
    server.create_repo("same-source")
    server.create_repo("same")
    server.commit("same-source")
    request = pfs_pb2.CreateBranchRequest(branch=branch("same"), provenance=[branch("same-source")])
    server.pfs.CreateBranch(request)
    head = server.head(branch("same")).commit

    request.head.CopyFrom(head)
    server.pfs.CreateBranch(request)

    assert server.head(branch("same")).commit.id == head.id


def test_a_pipelines_branch_that_is_created_again_has_a_job(server: Server) -> None:
    server.create_repo("again-in")
    server.commit("again-in")
    pipeline = pps_pb2.Pipeline(name="again", project=PROJECT)
    server.pps.CreatePipeline(
        pps_pb2.CreatePipelineRequest(
            pipeline=pipeline,
            transform=pps_pb2.Transform(image="none", cmd=["true"]),
            input=pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="again-in", glob="/*")),
        )
    )
    first = server.head(branch("again"))
    job = pps_pb2.Job(pipeline=pipeline, id=first.commit.id)
    server.pps.InspectJob(pps_pb2.InspectJobRequest(job=job, wait=True))
    server.pfs.DeleteBranch(pfs_pb2.DeleteBranchRequest(branch=branch("again")))

    server.pfs.CreateBranch(
        pfs_pb2.CreateBranchRequest(
            branch=branch("again"),
            head=first.commit,
            provenance=[branch("again-in"), branch("again", "spec")],
        )
    )

    renewed = server.head(branch("again"))
    assert renewed.parent_commit.id == first.commit.id
    job.id = renewed.commit.id
    assert job.id != first.commit.id
    info = server.pps.InspectJob(pps_pb2.InspectJobRequest(job=job, wait=True))
    assert info.state == pps_pb2.JOB_SUCCESS


def test_a_branch_computed_from_a_spec_alone_has_an_open_commit(server: Server) -> None:
    server.create_repo("spec-in")
    server.create_repo("from-spec")
    server.pps.CreatePipeline(
        pps_pb2.CreatePipelineRequest(
            pipeline=pps_pb2.Pipeline(name="has-spec", project=PROJECT),
            transform=pps_pb2.Transform(image="none", cmd=["true"]),
            input=pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="spec-in", glob="/*")),
        )
    )

    server.pfs.CreateBranch(
        pfs_pb2.CreateBranchRequest(
            branch=branch("from-spec"), provenance=[branch("has-spec", "spec")]
        )
    )

    assert not server.head(branch("from-spec")).HasField("finished")
