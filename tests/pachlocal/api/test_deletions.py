"""What deletions take with them, what they refuse, and what force changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc

HOME, LAB = pfs_pb2.Project(name="default"), pfs_pb2.Project(name="lab")
DATA = pfs_pb2.Repo(name="data", project=HOME)


class Server:
    """Two projects: `default` has the repo `data`, and each has a pipeline, which makes a chain."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.pfs = pfs_pb2_grpc.APIStub(channel)
        self.pps = pps_pb2_grpc.APIStub(channel)

    def fill(self) -> None:
        projects = {
            info.project.name for info in self.pfs.ListProject(pfs_pb2.ListProjectRequest())
        }
        if LAB.name not in projects:
            self.pfs.CreateProject(pfs_pb2.CreateProjectRequest(project=LAB))
        self.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=DATA))
        self.create_pipeline(HOME, "first", DATA)
        self.create_pipeline(LAB, "second", pfs_pb2.Repo(name="first", project=HOME))

    def create_pipeline(self, project: pfs_pb2.Project, name: str, source: pfs_pb2.Repo) -> None:
        read = pps_pb2.PFSInput(project=source.project.name, repo=source.name, glob="/")
        self.pps.CreatePipeline(
            pps_pb2.CreatePipelineRequest(
                pipeline=pps_pb2.Pipeline(name=name, project=project),
                transform=pps_pb2.Transform(image="alpine", cmd=["true"]),
                input=pps_pb2.Input(pfs=read),
            )
        )

    def empty(self) -> None:
        self.pps.DeletePipelines(pps_pb2.DeletePipelinesRequest(all=True, force=True))
        self.pfs.DeleteRepos(pfs_pb2.DeleteReposRequest(all=True, force=True))

    def pipelines(self) -> list[str]:
        infos = self.pps.ListPipeline(pps_pb2.ListPipelineRequest())
        return sorted(info.pipeline.name for info in infos)

    def repos(self) -> list[str]:
        infos = self.pfs.ListRepo(pfs_pb2.ListRepoRequest(type="user"))
        return sorted(info.repo.name for info in infos)

    def delete_pipelines(self, *projects: pfs_pb2.Project, **fields: Any) -> list[str]:
        request = pps_pb2.DeletePipelinesRequest(projects=projects, **fields)
        return sorted(it.name for it in self.pps.DeletePipelines(request).pipelines)

    def delete_repos(self, *projects: pfs_pb2.Project, **fields: Any) -> list[str]:
        request = pfs_pb2.DeleteReposRequest(projects=projects, **fields)
        return sorted(it.name for it in self.pfs.DeleteRepos(request).repos)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    daemon = Daemon(tmp_path_factory.mktemp("deletions") / "store")
    daemon.start()
    try:
        with grpc.insecure_channel(daemon.address) as channel:
            yield Server(channel)
    finally:
        daemon.end()


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    running.fill()
    yield running
    running.empty()


def refused(words: str, code: grpc.StatusCode = grpc.StatusCode.FAILED_PRECONDITION) -> Any:
    class Refused:
        def __enter__(self) -> None:
            self.raised = pytest.raises(grpc.RpcError, match=words)
            self.info = self.raised.__enter__()

        def __exit__(self, *error: Any) -> bool:
            passed = bool(self.raised.__exit__(*error))
            assert self.info.value.code() is code
            return passed

    return Refused()


def test_all_pipelines_are_those_of_all_projects_whichever_are_named(server: Server) -> None:
    """Upstream's pachctl names the active project with `--all-projects`, too."""
    assert server.delete_pipelines(HOME, all=True) == ["first", "second"]
    assert server.pipelines() == []
    assert server.delete_repos(LAB, all=True) == ["data"]


def test_pipelines_that_others_read_from_go_by_force(server: Server) -> None:
    with refused(r"default/first@master\" cannot be deleted .* direct provenance of \[lab/second@"):
        server.delete_pipelines(HOME)
    assert server.pipelines() == ["first", "second"]
    assert server.delete_pipelines(HOME, force=True) == ["first"]
    assert server.pipelines() == ["second"]


def test_an_output_that_is_kept_may_be_read_from(server: Server) -> None:
    assert server.delete_pipelines(HOME, keep_repo=True) == ["first"]
    assert server.repos() == ["data", "first", "second"]


def test_all_at_once_heeds_what_a_single_one_does(server: Server) -> None:
    request = pps_pb2.DeletePipelineRequest(all=True, keep_repo=True)
    server.pps.DeletePipeline(request)
    assert (server.pipelines(), server.repos()) == ([], ["data", "first", "second"])


def test_repos_are_not_deleted_beside_those_of_pipelines(server: Server) -> None:
    for request in ({"all": True, "force": True}, {"projects": [HOME], "force": True}):
        with refused("cannot delete a repo associated with a pipeline"):
            server.pfs.DeleteRepos(pfs_pb2.DeleteReposRequest(**request))
    assert "data" in server.repos()


def test_repos_that_depend_on_each_other_go_together(server: Server) -> None:
    server.delete_pipelines(all=True)
    for name in ("late", "early"):
        repo = pfs_pb2.Repo(name=name, project=HOME)
        server.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo))
    late, early = (
        pfs_pb2.Branch(name="master", repo=pfs_pb2.Repo(name=name, project=HOME))
        for name in ("late", "early")
    )
    server.pfs.CreateBranch(pfs_pb2.CreateBranchRequest(branch=late, provenance=[early]))
    assert server.delete_repos(HOME) == ["data", "early", "late"]


def test_a_branch_that_a_trigger_ties_to_another_goes_by_force(server: Server) -> None:
    server.delete_pipelines(all=True)
    master, staging = (pfs_pb2.Branch(name=name, repo=DATA) for name in ("master", "staging"))
    server.pfs.CreateBranch(pfs_pb2.CreateBranchRequest(branch=master))
    tie = pfs_pb2.Trigger(branch="master", commits=1)
    server.pfs.CreateBranch(pfs_pb2.CreateBranchRequest(branch=staging, trigger=tie))
    for branch, words in ((master, "triggers branches"), (staging, "is triggered by branches")):
        with refused(f"branch {branch.name} cannot be deleted because it {words}"):
            server.pfs.DeleteBranch(pfs_pb2.DeleteBranchRequest(branch=branch))
    with refused("cannot be deleted because it"):
        server.pfs.DeleteRepo(pfs_pb2.DeleteRepoRequest(repo=DATA))
    server.pfs.DeleteBranch(pfs_pb2.DeleteBranchRequest(branch=master, force=True))
    left = server.pfs.InspectBranch(pfs_pb2.InspectBranchRequest(branch=staging))
    assert not left.HasField("trigger")


def test_a_project_with_repos_stays_even_by_force(server: Server) -> None:
    server.delete_pipelines(all=True)
    for force in (False, True):
        with refused("cannot delete project .*data still exists"):
            request = pfs_pb2.DeleteProjectRequest(project=HOME, force=force)
            server.pfs.DeleteProject(request)


def test_what_is_named_wrongly_is_not_found(server: Server) -> None:
    nope = pfs_pb2.Project(name="nope")
    with refused('project "nope" not found', grpc.StatusCode.NOT_FOUND):
        server.pfs.CreateProject(pfs_pb2.CreateProjectRequest(project=nope, update=True))
    pipeline = pps_pb2.Pipeline(name="nope", project=HOME)
    with refused('pipeline "default/nope" not found', grpc.StatusCode.NOT_FOUND):
        list(server.pps.ListPipeline(pps_pb2.ListPipelineRequest(pipeline=pipeline)))
