"""Branches and inputs whose new commits make none downstream."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc

PROJECT = pfs_pb2.Project(name="default")
NEVER = pfs_pb2.PropagationSpec(never=True)


def branch(repo: str) -> pfs_pb2.Branch:
    return pfs_pb2.Branch(name="master", repo=pfs_pb2.Repo(name=repo, type="user", project=PROJECT))


class Server:
    """A server, and what a DAG is made of."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.pfs = pfs_pb2_grpc.APIStub(channel)
        self.pps = pps_pb2_grpc.APIStub(channel)

    def create_repo(self, name: str) -> None:
        self.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=branch(name).repo))

    def connect(self, name: str, *sources: str, never: tuple[str, ...] = ()) -> None:
        self.pfs.CreateBranch(
            pfs_pb2.CreateBranchRequest(
                branch=branch(name),
                provenance=map(branch, sources),
                branch_propagation_specs=[
                    pfs_pb2.BranchPropagationSpec(branch=branch(source), propagation_spec=NEVER)
                    for source in never
                ],
            )
        )

    def never(self, name: str) -> list[str]:
        info = self.pfs.InspectBranch(pfs_pb2.InspectBranchRequest(branch=branch(name)))
        assert all(one.propagation_spec.never for one in info.branch_propagation_specs)
        return [one.branch.repo.name for one in info.branch_propagation_specs]

    def commit(self, name: str) -> str:
        """Makes a commit and returns its ID."""
        request = pfs_pb2.StartCommitRequest(branch=branch(name))
        commit = self.pfs.StartCommit(request)
        add = pfs_pb2.AddFile(path=f"/{commit.id}")
        messages = [
            pfs_pb2.ModifyFileRequest(set_commit=commit),
            pfs_pb2.ModifyFileRequest(add_file=add),
        ]
        self.pfs.ModifyFile(iter(messages))
        self.pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=commit))
        return str(commit.id)

    def reached(self, id_: str) -> list[str]:
        """Returns the user repos in which a commit set has commits of its own."""
        request = pfs_pb2.InspectCommitSetRequest(commit_set=pfs_pb2.CommitSet(id=id_))
        infos = list(self.pfs.InspectCommitSet(request))
        own = {info.commit.repo.name for info in infos if info.commit.id == id_}
        return sorted(own)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    daemon = Daemon(tmp_path_factory.mktemp("propagation") / "store")
    daemon.start()
    try:
        with grpc.insecure_channel(daemon.address) as channel:
            yield Server(channel)
    finally:
        daemon.end()


def test_commits_go_past_a_branch_that_is_not_to_follow(server: Server) -> None:
    for name in ("top", "left", "right", "end"):
        server.create_repo(name)
    server.connect("left", "top")
    server.connect("right", "top")
    server.connect("end", "left", "right")
    assert server.reached(server.commit("top")) == ["end", "left", "right", "top"]
    server.connect("left", "top", never=("top",))
    assert server.never("left") == ["top"]
    assert server.reached(server.commit("top")) == ["end", "right", "top"]
    server.connect("right", "top", never=("top",))
    assert server.reached(server.commit("top")) == ["top"]
    server.connect("left", "top")  # replaces what was said
    server.connect("right", "top")
    server.connect("end", "left", "right", never=("left",))
    assert server.reached(server.commit("top")) == ["end", "left", "right", "top"]
    server.connect("end", "left", "right", never=("left", "right"))
    assert server.reached(server.commit("top")) == ["left", "right", "top"]


def test_only_a_branch_of_the_provenance_is_not_followed(server: Server) -> None:
    for name in ("one", "other", "third"):
        server.create_repo(name)
    with pytest.raises(grpc.RpcError, match="must reference provenant branch") as refused:
        server.connect("one", "other", never=("third",))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_an_input_that_makes_no_job_is_there_in_those_of_others(server: Server) -> None:
    for name in ("data", "model"):
        server.create_repo(name)
    old = server.commit("model")
    pipeline = pps_pb2.Pipeline(name="p", project=PROJECT)
    quiet = pps_pb2.PFSInput(repo="model", glob="/", propagation_spec=NEVER)
    loud = pps_pb2.PFSInput(repo="data", glob="/")
    request = pps_pb2.CreatePipelineRequest(
        pipeline=pipeline,
        transform=pps_pb2.Transform(image="alpine", cmd=["sh", "-c", "ls /pfs/model >/pfs/out/a"]),
        input=pps_pb2.Input(cross=[pps_pb2.Input(pfs=loud), pps_pb2.Input(pfs=quiet)]),
    )
    server.pps.CreatePipeline(request)
    for again in (False, True):
        if again:
            server.pps.StopPipeline(pps_pb2.StopPipelineRequest(pipeline=pipeline))
            server.pps.StartPipeline(pps_pb2.StartPipelineRequest(pipeline=pipeline))
        assert server.never("p") == ["model"]
        new = server.commit("model")
        assert server.reached(new) == ["model"]
        assert server.reached(server.commit("data")) == ["data", "p"]
    (job,) = list(server.pps.ListJob(pps_pb2.ListJobRequest(pipeline=pipeline, number=1)))
    done = server.pps.InspectJob(pps_pb2.InspectJobRequest(job=job.job, wait=True))
    assert done.state == pps_pb2.JOB_SUCCESS
    file = pfs_pb2.File(commit=done.output_commit, path="/a")
    (listed,) = list(server.pfs.GetFile(pfs_pb2.GetFileRequest(file=file)))
    assert {old, new} <= set(listed.value.decode().split())
    shown = server.pps.InspectPipeline(
        pps_pb2.InspectPipelineRequest(pipeline=pipeline, details=True)
    )
    told = {leaf.pfs.name: leaf.pfs.propagation_spec.never for leaf in shown.details.input.cross}
    assert told == {"data": False, "model": True}
