"""Calls that go through much end when their caller has gone, also while they find nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from pachlocal.api.local import LocalApi
from pachlocal.api.pfs import PfsApi
from pachlocal.api.pps import PpsApi
from pachlocal.api.service import Context
from pachlocal.errors import CallerGoneError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import repos
from pachlocal.pfs.history.names import CommitName, RepoName
from pachlocal.pps.tables import jobs, pipelines
from pachlocal.proto import local_pb2, pfs_pb2, pps_pb2

REPO = pfs_pb2.Repo(name="data")
COMMIT = pfs_pb2.Commit(repo=REPO, id="master")
ROOT = pfs_pb2.File(commit=COMMIT, path="/")
NONE = pfs_pb2.File(commit=COMMIT, path="/*x")
INPUT = pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="data", glob="/*x"))
START = pps_pb2.CreateDatumRequest(start=pps_pb2.StartCreateDatumRequest(input=INPUT))
CHANGES = [
    pfs_pb2.ModifyFileRequest(set_commit=COMMIT),
    pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path="/more")),
]


def spec(name: str) -> dict[str, Any]:
    return {
        "pipeline": {"name": name},
        "transform": {"image": "x", "cmd": ["true"]},
        "input": {"pfs": {"repo": "data", "glob": "/*x"}},
    }


class Call:
    """A call whose caller hangs up after some looks whether he is still there."""

    def __init__(self, looks: int) -> None:
        self._left = looks

    def is_active(self) -> bool:
        self._left -= 1
        return self._left >= 0

    def invocation_metadata(self) -> tuple[()]:
        return ()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[FileSystem]:
    files = FileSystem(tmp_path)
    files.before_commit.append(jobs.create_for_new_commits)
    with files.transaction() as tx:
        repos.create_repo(tx, RepoName("default", "data"), update=False)
    with files.modify(CommitName(RepoName("default", "data"), "master")) as modification:
        for number in range(3000):  # some ten nodes of a tree
            modification.add(f"/{number:04}", b"")
    with files.transaction() as tx:
        pipelines.create(tx, files.objects, spec("p"))
    yield files
    files.close()


@pytest.mark.parametrize(
    ("service", "call", "request_"),
    [
        ("pfs", "glob_file", pfs_pb2.GlobFileRequest(commit=COMMIT, pattern="/*x")),
        ("pfs", "get_file", pfs_pb2.GetFileRequest(file=NONE)),
        ("pfs", "get_file_tar", pfs_pb2.GetFileRequest(file=NONE)),
        ("pfs", "list_file", pfs_pb2.ListFileRequest(file=ROOT, reverse=True, number=1)),
        ("pfs", "walk_file", pfs_pb2.WalkFileRequest(file=ROOT, reverse=True, number=1)),
        ("pfs", "diff_file", pfs_pb2.DiffFileRequest(new_file=ROOT)),
        ("pps", "list_datum", pps_pb2.ListDatumRequest(input=INPUT)),
        ("pps", "create_datum", [START]),
        ("local", "list_files", pfs_pb2.ListFileRequest(file=ROOT)),
        ("local", "plan_files", [local_pb2.ModifyFilesRequest(requests=CHANGES)]),
        (
            "local",
            "plan_pipelines",
            local_pb2.PlanPipelinesRequest(pipelines=[{"spec_json": json.dumps(spec("q"))}]),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_call_ends_with_its_caller(
    files: FileSystem, service: str, call: str, request_: Any
) -> None:
    pfs, pps = PfsApi(files, cast(Any, None)), PpsApi(files, cast(Any, None))
    api = {"pfs": pfs, "pps": pps, "local": LocalApi(pfs, pps)}[service]
    if isinstance(request_, list):
        request_ = iter(request_)
    with pytest.raises(CallerGoneError):
        exhaust(getattr(api, call)(request_, cast(Context, Call(looks=3))))


def exhaust(answer: Any) -> None:
    for _ in answer if isinstance(answer, Iterator) else ():
        pass
