"""Paths in requests, where clients rely on what the real server makes of them."""

from __future__ import annotations

import grpc
import pytest

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

REPO = pfs_pb2.Repo(name="a")
HEAD = pfs_pb2.Commit(repo=REPO, id="master")


@pytest.fixture
def pfs(channel: grpc.Channel) -> pfs_pb2_grpc.APIStub:
    """A server with `/a/x` and `/b/x`, which are alike, and `/b/y`."""
    stub = pfs_pb2_grpc.APIStub(channel)
    stub.CreateRepo(pfs_pb2.CreateRepoRequest(repo=REPO))
    messages = [pfs_pb2.ModifyFileRequest(set_commit=HEAD)]
    for path in ("/a/x", "/b/x", "/b/y"):
        file = pfs_pb2.AddFile(path=path)
        file.raw.value = b"alike"
        messages.append(pfs_pb2.ModifyFileRequest(add_file=file))
    stub.ModifyFile(iter(messages))
    return stub


def file(path: str) -> pfs_pb2.File:
    return pfs_pb2.File(commit=HEAD, path=path)


@pytest.mark.parametrize(
    ("asked", "found"), [("/a/x", "/a/x"), ("/a/x/", "/a/x"), ("a", "/a/"), ("a/", "/a/")]
)
def test_a_slash_at_the_end_makes_no_difference(
    pfs: pfs_pb2_grpc.APIStub, asked: str, found: str
) -> None:
    info = pfs.InspectFile(pfs_pb2.InspectFileRequest(file=file(asked)))
    assert info.file.path == found


@pytest.mark.parametrize(
    ("new", "old", "differences"),
    [
        ("/a/x", "/b/x", [("/a/x", ""), ("", "/b/x")]),
        ("/b/x", "/a/x", [("", "/a/x"), ("/b/x", "")]),
        ("/a", "/b", [("/a/", ""), ("/a/x", ""), ("", "/b/"), ("", "/b/x"), ("", "/b/y")]),
        ("/", "/b", [("/", ""), ("/a/", ""), ("/a/x", "")]),
        ("/b", "/b", []),
        ("/a", "/missing", [("/a/", ""), ("/a/x", "")]),
    ],
)
def test_a_diff_of_unlike_paths_compares_what_has_the_same_path(
    pfs: pfs_pb2_grpc.APIStub, new: str, old: str, differences: list[tuple[str, str]]
) -> None:
    found = pfs.DiffFile(pfs_pb2.DiffFileRequest(new_file=file(new), old_file=file(old)))
    assert [(one.new_file.file.path, one.old_file.file.path) for one in found] == differences
