"""Paths that want out, or that no cluster would take: refused, and nothing is changed by them."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

REPO = pfs_pb2.Repo(name="a")
HEAD = pfs_pb2.Commit(repo=REPO, id="master")

RELATIVE = ["..", "/..", "../x", "/a/../../etc/passwd", "/a/./b", ".", "./", "/a/.."]
UNPRINTABLE = [
    "/nul\0byte",
    "/line\nfeed",
    "/tab\t",
    "/escape\x1b[31m",
    "/delete\x7f",
    "/überall",
    "/\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}/x",
    "/\N{DIVISION SLASH}etc",
    "/\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe",
    "/ze\N{ZERO WIDTH SPACE}ro",
]
GLOBBING = [f"/x{character}y" for character in "*?[]{}!()@+^"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pfs_pb2_grpc.APIStub]:
    """One server for all: what is refused changes nothing, so it stays as it is."""
    daemon = Daemon(tmp_path_factory.mktemp("hostile") / "store")
    daemon.start()
    with grpc.insecure_channel(daemon.address) as channel:
        yield pfs_pb2_grpc.APIStub(channel)
    daemon.end()


@pytest.fixture
def pfs(server: pfs_pb2_grpc.APIStub) -> pfs_pb2_grpc.APIStub:
    """A server whose repo has one file."""
    server.DeleteRepo(pfs_pb2.DeleteRepoRequest(repo=REPO, force=True))
    server.CreateRepo(pfs_pb2.CreateRepoRequest(repo=REPO))
    modify(server, add("/good"))
    return server


def add(path: str) -> pfs_pb2.ModifyFileRequest:
    request = pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path=path))
    request.add_file.raw.value = b"content"
    return request


def copy(path: str) -> pfs_pb2.ModifyFileRequest:
    source = pfs_pb2.File(commit=HEAD, path="/good")
    return pfs_pb2.ModifyFileRequest(copy_file=pfs_pb2.CopyFile(dst=path, src=source))


def delete(path: str) -> pfs_pb2.ModifyFileRequest:
    return pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=path))


def url(path: str) -> pfs_pb2.ModifyFileRequest:
    source = pfs_pb2.AddFile.URLSource(URL="http://127.0.0.1:9/never-asked")
    return pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path=path, url=source))


def modify(stub: pfs_pb2_grpc.APIStub, *requests: pfs_pb2.ModifyFileRequest) -> None:
    stub.ModifyFile(iter([pfs_pb2.ModifyFileRequest(set_commit=HEAD), *requests]))


def everything(stub: pfs_pb2_grpc.APIStub) -> list[str]:
    root = pfs_pb2.WalkFileRequest(file=pfs_pb2.File(commit=HEAD, path="/"))
    return [info.file.path for info in stub.WalkFile(root)]


@pytest.mark.parametrize("path", RELATIVE + UNPRINTABLE + GLOBBING)
@pytest.mark.parametrize("how", [add, copy, url, delete])
def test_a_hostile_path_is_refused_and_the_stream_with_it(
    pfs: pfs_pb2_grpc.APIStub, how, path: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        modify(pfs, add("/before"), how(path), add("/after"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "\n" not in refused.value.details()
    assert everything(pfs) == ["/", "/good"]


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "file:/etc/passwd", "FILE:///etc/passwd", "file://localhost/etc/passwd"],
)
def test_no_file_of_the_machine_is_read_that_is_not_shared(
    pfs: pfs_pb2_grpc.APIStub, address: str
) -> None:
    source = pfs_pb2.AddFile.URLSource(URL=address)
    request = pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path="/x", url=source))
    with pytest.raises(grpc.RpcError, match="may not be read"):
        modify(pfs, request)
    assert everything(pfs) == ["/", "/good"]


@pytest.mark.parametrize("address", ["ftp://x/y", "s3://bucket/x", "data:,hello", "/etc/passwd"])
def test_other_sources_are_not_served(pfs: pfs_pb2_grpc.APIStub, address: str) -> None:
    source = pfs_pb2.AddFile.URLSource(URL=address)
    request = pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path="/x", url=source))
    with pytest.raises(grpc.RpcError) as refused:
        modify(pfs, request)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_path_may_be_long_and_deep(pfs: pfs_pb2_grpc.APIStub) -> None:
    deep = "/" + "/".join(["d"] * 198) + "/file"
    modify(pfs, add(deep), add("/" + "n" * 4000))
    assert everything(pfs)[-1] == "/" + "n" * 4000
    assert deep in everything(pfs)


def test_a_path_too_deep_to_walk_is_refused(pfs: pfs_pb2_grpc.APIStub) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        modify(pfs, add("/" + "d/" * 5000 + "file"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert everything(pfs) == ["/", "/good"]
