"""The `datum` of files: their datum tag."""

from __future__ import annotations

import grpc
import pytest

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

REPO = pfs_pb2.Repo(name="a")
HEAD = pfs_pb2.Commit(repo=REPO, id="master")


@pytest.fixture
def pfs(channel: grpc.Channel) -> pfs_pb2_grpc.APIStub:
    stub = pfs_pb2_grpc.APIStub(channel)
    stub.CreateRepo(pfs_pb2.CreateRepoRequest(repo=REPO))
    return stub


def file(path: str, datum: str = "") -> pfs_pb2.File:
    return pfs_pb2.File(commit=HEAD, path=path, datum=datum)


def put(path: str, data: bytes, datum: str = "") -> pfs_pb2.ModifyFileRequest:
    message = pfs_pb2.AddFile(path=path, datum=datum)
    message.raw.value = data
    return pfs_pb2.ModifyFileRequest(add_file=message)


def delete(path: str, datum: str = "") -> pfs_pb2.ModifyFileRequest:
    return pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=path, datum=datum))


def modify(pfs: pfs_pb2_grpc.APIStub, *messages: pfs_pb2.ModifyFileRequest) -> str:
    """Change files of the branch and return its commit's error."""
    pfs.ModifyFile(iter([pfs_pb2.ModifyFileRequest(set_commit=HEAD), *messages]))
    info: pfs_pb2.CommitInfo = pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=HEAD))
    return info.error


def get(pfs: pfs_pb2_grpc.APIStub, path: str, datum: str = "") -> bytes:
    pieces = pfs.GetFile(pfs_pb2.GetFileRequest(file=file(path, datum)))
    return b"".join(piece.value for piece in pieces)


def walked(pfs: pfs_pb2_grpc.APIStub, datum: str = "") -> list[tuple[str, str, int]]:
    infos = pfs.WalkFile(pfs_pb2.WalkFileRequest(file=file("/", datum)))
    return [(info.file.path, info.file.datum, info.size_bytes) for info in infos]


def test_a_file_has_its_tag(pfs: pfs_pb2_grpc.APIStub) -> None:
    assert modify(pfs, put("/d/x", b"1", "one"), put("/d/x", b"2", "one"), put("/d/y", b"3")) == ""
    assert walked(pfs) == [
        ("/", "", 3),
        ("/d/", "", 3),
        ("/d/x", "one", 2),
        ("/d/y", "default", 1),
    ]
    info = pfs.InspectFile(pfs_pb2.InspectFileRequest(file=file("/d/x")))
    assert info.file.datum == "one"
    assert pfs.InspectFile(pfs_pb2.InspectFileRequest(file=info.file)) == info
    assert modify(pfs, delete("/d/x"), delete("/d/y", "one")) == ""
    assert len(walked(pfs)) == 4
    assert modify(pfs, delete("/d/", "one")) == ""
    assert walked(pfs) == [("/", "", 1), ("/d/", "", 1), ("/d/y", "default", 1)]


def test_one_tag_is_read_alone(pfs: pfs_pb2_grpc.APIStub) -> None:
    modify(pfs, put("/d/x", b"12", "one"), put("/e/y", b"3"))
    assert get(pfs, "/d/x", "one") == get(pfs, "/d/*", "one") == get(pfs, "/d/x") == b"12"
    assert walked(pfs, "one") == [("/", "", 2), ("/d/", "", 2), ("/d/x", "one", 2)]
    assert walked(pfs, "default") == [("/", "", 1), ("/e/", "", 1), ("/e/y", "default", 1)]
    for path, datum in [("/d/x", "two"), ("/d/x", "default"), ("/e/y", "one"), ("/e/*", "one")]:
        with pytest.raises(grpc.RpcError) as caught:
            get(pfs, path, datum)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND  # type: ignore[attr-defined]
        assert f"file {path} not found in repo" in caught.value.details()  # type: ignore[attr-defined]


def test_two_tags_of_a_path_fail_the_commit(pfs: pfs_pb2_grpc.APIStub) -> None:
    assert modify(pfs, put("/x", b"1")) == ""
    assert modify(pfs, put("/x", b"2", "one")) == (
        "duplicate path output by different datums (/x from default and /x from one)"
    )


def test_a_copy_takes_and_makes_the_files_of_one_tag(pfs: pfs_pb2_grpc.APIStub) -> None:
    modify(pfs, put("/d/x", b"1", "one"), put("/d/y", b"3"))
    copy = pfs_pb2.CopyFile(dst="/to", src=file("/d", "one"), datum="two")
    assert modify(pfs, pfs_pb2.ModifyFileRequest(copy_file=copy)) == ""
    assert walked(pfs, "two") == [("/", "", 1), ("/to/", "", 1), ("/to/x", "two", 1)]


def test_a_diff_of_the_files_of_one_tag_shows_no_others(pfs: pfs_pb2_grpc.APIStub) -> None:
    modify(pfs, put("/x", b"1", "one"), put("/y", b"3"))
    found = pfs.DiffFile(
        pfs_pb2.DiffFileRequest(new_file=file("/", "one"), old_file=file("/", "two"))
    )
    assert [one.new_file.file.path for one in found] == ["/", "/x"]


def test_a_file_set_keeps_its_tags(pfs: pfs_pb2_grpc.APIStub) -> None:
    modify(pfs, put("/x", b"1", "one"), put("/y", b"3", "one"), put("/z", b"3"))
    made = pfs.CreateFileSet(iter([delete("/", "one"), put("/x", b"2", "one")]))
    with_set = pfs.StartCommit(
        pfs_pb2.StartCommitRequest(branch=pfs_pb2.Branch(repo=REPO, name="master"))
    )
    pfs.AddFileSet(pfs_pb2.AddFileSetRequest(commit=with_set, file_set_id=made.file_set_id))
    pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=with_set))
    assert walked(pfs)[1:] == [("/x", "one", 1), ("/z", "default", 1)]
    assert get(pfs, "/x") == b"2"
