"""What the API says of commits that are still open, and of branches when their heads move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

PROJECT = pfs_pb2.Project(name="default")


def branch(repo: str, name: str = "master") -> pfs_pb2.Branch:
    return pfs_pb2.Branch(name=name, repo=pfs_pb2.Repo(name=repo, type="user", project=PROJECT))


def create(pfs: pfs_pb2_grpc.APIStub, of: pfs_pb2.Branch, **fields: Any) -> None:
    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=of.repo, update=True))
    pfs.CreateBranch(pfs_pb2.CreateBranchRequest(branch=of, **fields))


def put(pfs: pfs_pb2_grpc.APIStub, commit: pfs_pb2.Commit, *paths: str, size: int = 1) -> None:
    requests = [pfs_pb2.ModifyFileRequest(set_commit=commit)]
    for path in paths:
        added = pfs_pb2.AddFile(path=path)
        added.raw.value = b"x" * size
        requests.append(pfs_pb2.ModifyFileRequest(add_file=added))
    pfs.ModifyFile(iter(requests))


def refusal(call: Callable[[], Any]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


@pytest.fixture(scope="module")
def pfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pfs_pb2_grpc.APIStub]:
    daemon = Daemon(tmp_path_factory.mktemp("open") / "store")
    daemon.start()
    try:
        with grpc.insecure_channel(daemon.address) as channel:
            yield pfs_pb2_grpc.APIStub(channel)
    finally:
        daemon.end()


def test_a_search_in_an_open_commit_says_which_one_has_to_be_finished(
    pfs: pfs_pb2_grpc.APIStub,
) -> None:
    create(pfs, branch("searched"))
    commit = pfs.StartCommit(pfs_pb2.StartCommitRequest(branch=branch("searched")))

    error = refusal(
        lambda: list(pfs.FindCommits(pfs_pb2.FindCommitsRequest(start=commit, file_path="/a")))
    )

    (whole,) = (value for key, value in error.trailing_metadata() if key.endswith("details-bin"))
    status = status_pb2.Status.FromString(whole)
    found = error_details_pb2.ResourceInfo()
    assert status.details[0].Unpack(found)
    assert (status.code, status.message) == (grpc.StatusCode.UNAVAILABLE.value[0], error.details())
    assert (found.resource_type, found.resource_name, found.description) == (
        "pfs:commit",
        commit.id,
        "commit not finished",
    )


def test_what_cannot_be_laid_out_cannot_be_read(pfs: pfs_pb2_grpc.APIStub) -> None:
    create(pfs, branch("torn"))
    put(pfs, pfs_pb2.Commit(branch=branch("torn")), "/a", "/c/d")
    commit = pfs.StartCommit(pfs_pb2.StartCommitRequest(branch=branch("torn")))
    put(pfs, commit, "/a/b/e", "/a/f")

    def at(path: str) -> dict[str, Callable[[], Any]]:
        file = pfs_pb2.File(commit=commit, path=path)
        return {
            "inspect": lambda: pfs.InspectFile(pfs_pb2.InspectFileRequest(file=file)),
            "list": lambda: list(pfs.ListFile(pfs_pb2.ListFileRequest(file=file))),
            "walk": lambda: list(pfs.WalkFile(pfs_pb2.WalkFileRequest(file=file))),
            "get": lambda: list(pfs.GetFileTAR(pfs_pb2.GetFileRequest(file=file))),
            "diff": lambda: list(pfs.DiffFile(pfs_pb2.DiffFileRequest(new_file=file))),
        }

    def refused() -> set[tuple[str, str, str]]:
        return {
            (path, call, refusal(read).details())
            for path in ("/", "/a", "/a/")
            for call, read in at(path).items()
        }

    assert {words for _, _, words in refused()} == {"file / directory path collision (/a/b/e)"}
    for path in ("/c", "/c/d", "/a/b", "/a/f"):
        for read in at(path).values():
            read()
    pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=commit))
    info = pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit))
    assert info.error == "file / directory path collision (/a/b/e)"
    assert {words for _, _, words in refused()} == {info.error}


def test_branches_say_when_they_were_changed(pfs: pfs_pb2_grpc.APIStub) -> None:
    def updated() -> int:
        request = pfs_pb2.InspectBranchRequest(branch=branch("dated"))
        return pfs.InspectBranch(request).updated_at.ToNanoseconds()

    create(pfs, branch("dated", "other"))
    create(pfs, branch("dated"))
    created = updated()
    put(pfs, pfs_pb2.Commit(branch=branch("dated", "other")), "/a")
    assert created == updated() > 0
    put(pfs, pfs_pb2.Commit(branch=branch("dated")), "/a")
    moved = updated()
    assert moved > created
    create(pfs, branch("dated"), trigger=pfs_pb2.Trigger(branch="other", commits=1))
    assert updated() > moved


def test_all_branches_come_with_their_inputs_first(pfs: pfs_pb2_grpc.APIStub) -> None:
    create(pfs, branch("first"))
    create(pfs, branch("second"), provenance=[branch("first")])
    create(pfs, branch("apart"))

    def names(*, reverse: bool) -> list[str]:
        found = pfs.ListBranch(pfs_pb2.ListBranchRequest(reverse=reverse))
        own = ("first", "second", "apart")
        return [info.branch.repo.name for info in found if info.branch.repo.name in own]

    assert names(reverse=False) == ["apart", "first", "second"]
    assert names(reverse=True) == ["second", "first", "apart"]


def test_what_follows_by_a_trigger_makes_a_commit_set_of_its_own(
    pfs: pfs_pb2_grpc.APIStub,
) -> None:
    create(pfs, branch("followed", "staging"))
    trigger = pfs_pb2.Trigger(branch="staging", size="1K")
    create(pfs, branch("followed"), trigger=trigger)
    create(pfs, branch("following"), provenance=[branch("followed")])
    staging = pfs_pb2.Commit(branch=branch("followed", "staging"))

    put(pfs, staging, "/a", size=1000)

    def head(of: pfs_pb2.Branch) -> str:
        return pfs.InspectBranch(pfs_pb2.InspectBranchRequest(branch=of)).head.id

    made, caused = head(branch("followed", "staging")), head(branch("following"))
    assert head(branch("followed")) == made != caused
    alias = pfs_pb2.Commit(repo=branch("followed").repo, id=caused)
    assert pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=alias)).commit.id == made


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("-a", "project names must start with an alphanumeric character"),
        ("a.b", r"name \(a.b\) invalid"),
        ("a" * 53, 'project name "a+" is 2 characters longer than the 51 max'),
    ],
)
def test_a_project_is_refused_in_the_real_words(
    pfs: pfs_pb2_grpc.APIStub, name: str, words: str
) -> None:
    project = pfs_pb2.Project(name=name)
    with pytest.raises(grpc.RpcError, match=f"invalid project name: {words}"):
        pfs.CreateProject(pfs_pb2.CreateProjectRequest(project=project))


def test_two_branches_of_a_repo_in_a_dag_are_refused_in_the_real_words(
    pfs: pfs_pb2_grpc.APIStub,
) -> None:
    create(pfs, branch("twice", "one"))
    create(pfs, branch("twice", "two"))
    both = [branch("twice", "one"), branch("twice", "two")]
    words = 'multiple branches from the same repo, "default/twice", cannot participate in a DAG'
    with pytest.raises(grpc.RpcError, match=words):
        create(pfs, branch("joined"), provenance=both)
