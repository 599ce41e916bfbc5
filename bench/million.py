"""A million files in one folder: put in one stream, and listed."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.wrappers_pb2 import BytesValue

from bench.harness import Client, Measurement, branch, client, daemon, note, repo, seconds
from pachlocal.proto import local_pb2, pfs_pb2

FILES = 1_000_000
_BATCH = 1_000


def measure() -> Iterator[Measurement]:
    """Compare with what is asked of a tenth of it."""
    with daemon() as server, client(server) as stubs:
        stubs.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo("data")))
        note(f"putting {FILES} files")
        put = FILES / seconds(lambda: stubs.local.ModifyFiles(_batches()))
        yield Measurement("put 1,000,000 files", put, 15_000, "goal", "files/s", 1, True)
        listed = FILES / seconds(lambda: _list(stubs))
        yield Measurement("list 1,000,000 files", listed, 50_000, "goal", "files/s", 1, True)
        yield Measurement(
            "memory, 1,000,000 files put", server.peak_memory_mb(), 150, "goal", "MB", 1
        )


def _batches() -> Iterator[local_pb2.ModifyFilesRequest]:
    first = pfs_pb2.ModifyFileRequest(set_commit=branch("data"))
    yield local_pb2.ModifyFilesRequest(requests=[first])
    for start in range(0, FILES, _BATCH):
        yield local_pb2.ModifyFilesRequest(
            requests=[_add(index) for index in range(start, start + _BATCH)]
        )


def _add(index: int) -> pfs_pb2.ModifyFileRequest:
    data = BytesValue(value=b"%016d" % index)
    return pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path=f"/data/f{index:06d}", raw=data))


def _list(stubs: Client) -> None:
    file = pfs_pb2.File(commit=branch("data"), path="/data")
    answers = stubs.local.ListFiles(pfs_pb2.ListFileRequest(file=file))
    assert sum(len(answer.files) for answer in answers) == FILES  # noqa: S101
