"""Lists: their order, pages and limits; and what answers name of commits and branches."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from walkthrough.machine import Daemon

from pachlocal.proto import (
    pfs_pb2,
    pfs_pb2_grpc,
    pps_pb2,
    pps_pb2_grpc,
    transaction_pb2,
    transaction_pb2_grpc,
)

PROJECT = pfs_pb2.Project(name="default")
PIPELINE = pps_pb2.Pipeline(name="out", project=PROJECT)


def repo(name: str, type_: str = "user") -> pfs_pb2.Repo:
    return pfs_pb2.Repo(name=name, type=type_, project=PROJECT)


def branch(name: str, of: str = "master", type_: str = "user") -> pfs_pb2.Branch:
    return pfs_pb2.Branch(name=of, repo=repo(name, type_))


class Server:
    """A server with two input repos, `in` with three commits, and a pipeline of two versions.

    Attributes:
        commits: Those of `in`, the oldest first.
        versions: The IDs of the pipeline's spec commits.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self.pfs = pfs_pb2_grpc.APIStub(channel)
        self.pps = pps_pb2_grpc.APIStub(channel)
        self.transactions = transaction_pb2_grpc.APIStub(channel)
        for name in ("in", "also"):
            self.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(name)))
        self.other = self.commit("also")
        self.commits = [self.commit("in") for _ in range(2)]
        self.versions = []
        for update in (False, True):
            self.pps.CreatePipeline(
                pps_pb2.CreatePipelineRequest(
                    pipeline=PIPELINE,
                    transform=pps_pb2.Transform(image="none", cmd=["true"]),
                    output_branch="results",
                    update=update,
                    input=pps_pb2.Input(
                        cross=[
                            pps_pb2.Input(pfs=pps_pb2.PFSInput(repo=name, glob="/"))
                            for name in ("in", "also")
                        ]
                    ),
                )
            )
            self.versions.append(self.head(branch("out", type_="spec")).commit.id)
            job = pps_pb2.Job(pipeline=PIPELINE, id=self.head(branch("out", "results")).commit.id)
            self.pps.InspectJob(pps_pb2.InspectJobRequest(job=job, wait=True))
        self.commits.append(self.commit("in"))
        job.id = self.commits[-1].id
        self.pps.InspectJob(pps_pb2.InspectJobRequest(job=job, wait=True))

    def commit(self, name: str) -> pfs_pb2.Commit:
        commit = self.pfs.StartCommit(pfs_pb2.StartCommitRequest(branch=branch(name)))
        self.pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=commit))
        return commit

    def head(self, of: pfs_pb2.Branch) -> pfs_pb2.CommitInfo:
        return self.inspect(pfs_pb2.Commit(repo=of.repo, id=of.name))

    def inspect(self, commit: pfs_pb2.Commit) -> pfs_pb2.CommitInfo:
        return self.pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit))

    def pipelines(self, **fields: object) -> list[tuple[str, int]]:
        found = self.pps.ListPipeline(pps_pb2.ListPipelineRequest(**fields))
        return [(info.pipeline.name, info.version) for info in found]

    def started(self, **fields: object) -> list[str]:
        request = pfs_pb2.ListCommitRequest(repo=repo("in"), **fields)
        return [info.commit.id for info in self.pfs.ListCommit(request)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    daemon = Daemon(tmp_path_factory.mktemp("lists") / "store")
    daemon.start()
    try:
        with grpc.insecure_channel(daemon.address) as channel:
            yield Server(channel)
    finally:
        daemon.end()


def test_commits_are_listed_up_to_a_time(server: Server) -> None:
    first, second, third = server.commits
    middle: Timestamp = server.inspect(second).started

    assert server.started(started_time=middle) == [first.id]
    assert server.started(started_time=middle, reverse=True) == [third.id]


def test_branches_of_all_repos_are_listed(server: Server) -> None:
    found = {
        (info.branch.repo.name, info.branch.repo.type, info.branch.name)
        for info in server.pfs.ListBranch(pfs_pb2.ListBranchRequest())
    }

    assert found == {
        ("in", "user", "master"),
        ("also", "user", "master"),
        ("out", "user", "results"),
        ("out", "meta", "results"),
        ("out", "spec", "master"),
    }


def test_repos_are_listed_by_name_and_in_pages(server: Server) -> None:
    def names(**fields: object) -> list[str]:
        found = server.pfs.ListRepo(pfs_pb2.ListRepoRequest(type="user", **fields))
        return [info.repo.name for info in found]

    assert names() == ["also", "in", "out"]
    assert names(page=pfs_pb2.RepoPage(page_size=2, page_index=1)) == ["out"]
    assert names(page=pfs_pb2.RepoPage(page_size=2)) == ["also", "in"]


def test_projects_are_listed_the_oldest_first(server: Server) -> None:
    server.pfs.CreateProject(
        pfs_pb2.CreateProjectRequest(project=pfs_pb2.Project(name="a-newer-one"))
    )

    found = server.pfs.ListProject(pfs_pb2.ListProjectRequest())

    assert [info.project.name for info in found] == ["default", "a-newer-one"]


def test_pipelines_are_listed_as_they_were_in_a_commit_set(server: Server) -> None:
    first, second = server.versions

    assert server.pipelines(commit_set=pfs_pb2.CommitSet(id=first)) == [("out", 1)]
    assert server.pipelines(commit_set=pfs_pb2.CommitSet(id=second)) == [("out", 2)]
    later = pfs_pb2.CommitSet(id=server.commits[-1].id)
    assert server.pipelines(commit_set=later) == [("out", 2)]
    before = pfs_pb2.CommitSet(id=server.commits[0].id)
    assert server.pipelines(commit_set=before) == []


def test_pipelines_are_listed_in_pages(server: Server) -> None:
    page = pps_pb2.PipelinePage(page_size=1)
    assert server.pipelines(history=-1, page=page) == [("out", 2)]
    page.page_index = 1
    assert server.pipelines(history=-1, page=page) == [("out", 1)]
    page.page_index = 2
    assert server.pipelines(history=-1, page=page) == []


@pytest.mark.parametrize("suffix", ["^", "~", "^1", "~1"])
def test_an_earlier_version_of_a_pipeline_is_inspected(server: Server, suffix: str) -> None:
    pipeline = pps_pb2.Pipeline(name=f"out{suffix}", project=PROJECT)
    info = server.pps.InspectPipeline(pps_pb2.InspectPipelineRequest(pipeline=pipeline))
    assert info.version == 1


@pytest.mark.parametrize("suffix", ["^^", "~2", ".1", "^x"])
def test_a_version_that_cannot_be_is_refused(server: Server, suffix: str) -> None:
    pipeline = pps_pb2.Pipeline(name=f"out{suffix}", project=PROJECT)
    with pytest.raises(grpc.RpcError) as error:
        server.pps.InspectPipeline(pps_pb2.InspectPipelineRequest(pipeline=pipeline))
    assert error.value.code() is not grpc.StatusCode.UNKNOWN


@pytest.mark.parametrize(
    ("suffix", "nth"),
    [
        ("", 2),
        ("^", 1),
        ("~", 1),
        ("^^", 0),
        ("~~", 0),
        ("^2", 0),
        ("~2", 0),
        (".1", 0),
        (".3", 2),
        (".3^", 1),
        (".3~2", 0),
    ],
)
def test_ancestry_is_read_in_each_field(server: Server, suffix: str, nth: int) -> None:
    wanted = server.commits[nth].id
    master = branch("in")
    by_id = pfs_pb2.Commit(repo=repo("in"), id=f"master{suffix}")
    in_the_branch = pfs_pb2.Commit(branch=branch("in", f"master{suffix}"))
    behind_the_branch = pfs_pb2.Commit(repo=repo("in"), branch=master, id=suffix)
    for commit in (by_id, in_the_branch, behind_the_branch):
        assert server.inspect(commit).commit.id == wanted


def test_walks_go_no_deeper_than_asked(server: Server) -> None:
    start = pfs_pb2.CommitPicker(
        id=pfs_pb2.CommitPicker.CommitByGlobalId(
            repo=pfs_pb2.RepoPicker(name=pfs_pb2.RepoPicker.RepoName(name="out", type="user")),
            id=server.commits[-1].id,
        )
    )
    chain = pfs_pb2.CreateBranchRequest(branch=branch("out", "results"))
    all_of_it = list(
        server.pfs.WalkCommitProvenance(pfs_pb2.WalkCommitProvenanceRequest(start=[start]))
    )
    server.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo("walked")))
    chain.branch.CopyFrom(branch("walked"))
    chain.provenance.append(branch("out", "results"))
    server.pfs.CreateBranch(chain)
    picker = pfs_pb2.BranchPicker(
        name=pfs_pb2.BranchPicker.BranchName(
            repo=pfs_pb2.RepoPicker(name=pfs_pb2.RepoPicker.RepoName(name="walked", type="user")),
            name="master",
        )
    )

    near = pfs_pb2.WalkBranchProvenanceRequest(start=[picker], max_depth=1)
    far = pfs_pb2.WalkBranchProvenanceRequest(start=[picker])

    assert [info.branch.repo.name for info in server.pfs.WalkBranchProvenance(near)] == ["out"]
    assert len(list(server.pfs.WalkBranchProvenance(far))) == 4
    assert len(all_of_it) == 3
    server.pfs.DeleteRepo(pfs_pb2.DeleteRepoRequest(repo=repo("walked")))


def test_branches_are_told_of_the_commits_that_others_name(server: Server) -> None:
    job = pps_pb2.Job(pipeline=PIPELINE, id=server.commits[-1].id)
    output = server.pps.InspectJob(pps_pb2.InspectJobRequest(job=job)).output_commit
    assert output.branch == branch("out", "results")

    info = server.inspect(pfs_pb2.Commit(repo=repo("out"), id=job.id))
    assert not info.commit.HasField("branch")
    assert not info.parent_commit.HasField("branch")
    assert {(it.branch.repo.name, it.branch.name) for it in info.direct_provenance} == {
        ("in", "master"),
        ("also", "master"),
        ("out", "master"),
    }
    source = server.inspect(server.commits[-1])
    made = {(it.repo.type, it.branch.name, it.id) for it in source.direct_subvenance}
    assert made == {("user", "results", job.id), ("meta", "results", job.id)}
    (child,) = server.inspect(server.commits[1]).child_commits
    assert child.branch == branch("in")
    (pipeline,) = server.pps.ListPipeline(pps_pb2.ListPipelineRequest())
    assert pipeline.spec_commit.branch == branch("out", type_="spec")


def test_a_transaction_tells_the_branch_of_a_commit(server: Server) -> None:
    start = pfs_pb2.StartCommitRequest(branch=branch("also", "aside"))
    request = transaction_pb2.TransactionRequest(start_commit=start)

    info = server.transactions.BatchTransaction(
        transaction_pb2.BatchTransactionRequest(requests=[request])
    )

    assert info.responses[0].commit.branch == branch("also", "aside")
    server.pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=info.responses[0].commit))
    server.pfs.DeleteBranch(pfs_pb2.DeleteBranchRequest(branch=branch("also", "aside")))


def test_an_open_commit_has_details_and_times(server: Server) -> None:
    commit = server.pfs.StartCommit(pfs_pb2.StartCommitRequest(branch=branch("also", "open")))

    info = server.inspect(commit)

    assert info.HasField("details")
    assert info.updated_at == info.created_at
    server.pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=commit))
    finished = server.inspect(commit)
    assert finished.updated_at == finished.finished
    server.pfs.DeleteBranch(pfs_pb2.DeleteBranchRequest(branch=branch("also", "open")))


def test_commit_sets_have_the_commits_of_older_sets_that_they_were_made_from(
    server: Server,
) -> None:
    sets = {
        info.commit_set.id: {(it.commit.repo.name, it.commit.id) for it in info.commits}
        for info in server.pfs.ListCommitSet(pfs_pb2.ListCommitSetRequest())
    }

    newest = sets[server.commits[-1].id]

    assert ("also", server.other.id) in newest
    assert ("out", server.versions[-1]) in newest
