"""Streams that break off: nothing of them counts, and gRPC doesn't make it easy to tell."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.wrappers_pb2 import BytesValue

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

REPO = pfs_pb2.Repo(name="a")
HEAD = pfs_pb2.Commit(repo=REPO, id="master")
STREAMS, AT_ONCE = 200, 8


def test_a_stream_that_is_cancelled_changes_nothing(channel: grpc.Channel) -> None:
    pfs = pfs_pb2_grpc.APIStub(channel)
    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=REPO))

    def break_off(number: int) -> None:
        sent, over = threading.Event(), threading.Event()

        def messages() -> Iterator[pfs_pb2.ModifyFileRequest]:
            yield pfs_pb2.ModifyFileRequest(set_commit=HEAD)
            for piece in range(number % 4):
                add = pfs_pb2.AddFile(path=f"/{number}-{piece}", raw=BytesValue(value=b"half"))
                yield pfs_pb2.ModifyFileRequest(add_file=add)
            sent.set()
            over.wait()

        call = pfs.ModifyFile.future(messages())
        sent.wait()
        call.cancel()
        over.set()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(break_off, range(STREAMS)))
    # A commit that is made after all that came before it has been dealt with.
    whole = pfs_pb2.AddFile(path="/whole", raw=BytesValue(value=b"whole"))
    pfs.ModifyFile(
        iter(
            [
                pfs_pb2.ModifyFileRequest(set_commit=HEAD),
                pfs_pb2.ModifyFileRequest(add_file=whole),
            ]
        )
    )
    files = pfs.ListFile(pfs_pb2.ListFileRequest(file=pfs_pb2.File(commit=HEAD, path="/")))
    assert [info.file.path for info in files] == ["/whole"]
    commits = pfs.ListCommit(pfs_pb2.ListCommitRequest(repo=REPO))
    assert len(list(commits)) == 1
