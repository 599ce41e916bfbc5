"""100,000 files of 16 bytes: put, listed, and put by the standard stream."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent import futures
from functools import partial
from pathlib import Path
from typing import TypeVar

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import BytesValue

from bench.harness import Client, Measurement, client, daemon, note, repo, run, scratch, seconds
from pachlocal.proto import pfs_pb2

FILES = 100_000
STREAMED = 20_000
_TURNS = 5
T = TypeVar("T")


def measure() -> Iterator[Measurement]:
    """Compare with git, and with gRPC that does nothing with the same messages."""
    with scratch() as folder, daemon() as server:
        source = folder / "source"
        _make_files(source, FILES)
        note(f"putting {FILES} files")
        run("pachctl", "create", "repo", "data", address=server.address)
        put = seconds(
            lambda: run("pachctl", "put", "file", "data@master:/", "-r", "-f", str(source),
                        address=server.address)
        )  # fmt: skip
        yield Measurement("put 100,000 files", FILES / put, 15_000, "goal", "files/s", 1, True)
        yield Measurement("put 100,000 files", put, _git(source), "git add, commit", "s", 4)
        listing = seconds(
            lambda: run("pachctl", "list", "file", "data@master", address=server.address)
        )
        rate = FILES / listing
        yield Measurement("list 100,000 files", rate, 50_000, "goal", "files/s", 1, True)
        with client(server) as stubs:
            yield from _streams(stubs)
        yield Measurement("memory at the most", server.peak_memory_mb(), 150, "goal", "MB", 1)


def _make_files(folder: Path, number: int) -> None:
    folder.mkdir()
    for index in range(number):
        (folder / f"f{index:06d}").write_text(f"{index:016d}")


def _git(source: Path) -> float:
    note("the same with git")
    run("git", "init", "-q", cwd=source)
    run("git", "config", "gc.auto", "0", cwd=source)  # it would go on in the background
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")

    def add_and_commit() -> None:
        run("git", "add", ".", cwd=source)
        run("git", *identity, "commit", "-q", "-m", "all", cwd=source)

    return seconds(add_and_commit)


def _streams(stubs: Client) -> Iterator[Measurement]:
    """Measure the standard streams against a server that only counts their messages."""
    note("the standard streams, and gRPC alone")
    requests = [
        pfs_pb2.ModifyFileRequest(
            add_file=pfs_pb2.AddFile(path=f"/s{index:06d}", raw=BytesValue(value=b"%016d" % index))
        )
        for index in range(STREAMED)
    ]
    bare_put, put, bare_list, got = [], [], [], []
    with _echo() as (modify, list_):
        for turn in range(_TURNS):  # by turns, and the quickest of each counts
            commit = pfs_pb2.Commit(repo=repo("data"), id=f"streamed-{turn}")
            stream = [pfs_pb2.ModifyFileRequest(set_commit=commit), *requests]
            bare_put.append(seconds(partial(modify, iter(stream))))
            put.append(seconds(partial(stubs.pfs.ModifyFile, iter(stream))))
            listing = pfs_pb2.ListFileRequest(file=pfs_pb2.File(commit=commit, path="/"))
            infos = list(stubs.pfs.ListFile(listing))
            bare_list.append(seconds(partial(_drain, list_, infos)))
            got.append(seconds(partial(_drain, stubs.pfs.ListFile, listing)))
    bare, name = "bare gRPC", "messages/s"
    yield Measurement(
        "ModifyFile", STREAMED / min(put), STREAMED / min(bare_put), bare, name, 0.8, at_least=True
    )
    yield Measurement(
        "ListFile", STREAMED / min(got), STREAMED / min(bare_list), bare, name, 0.8, at_least=True
    )


def _drain(call: Callable[[T], Iterator[object]], request: T) -> None:
    for _ in call(request):
        pass


class _echo:  # noqa: N801 - used like the function that it would be
    """A server in a process of its own that takes and gives messages and does nothing else."""

    def __enter__(self):  # type: ignore[no-untyped-def]
        """Start it; return calls for both directions."""
        reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _serve(writer)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            port = int(pipe.readline())
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        modify = self._channel.stream_unary(
            "/bench/put",
            pfs_pb2.ModifyFileRequest.SerializeToString,
            Empty.FromString,
        )
        list_ = self._channel.stream_stream(
            "/bench/list", pfs_pb2.FileInfo.SerializeToString, pfs_pb2.FileInfo.FromString
        )

        def listed(infos):  # type: ignore[no-untyped-def]
            return list_(iter(infos[:1]), metadata=[("number", str(len(infos)))])

        return modify, listed

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        os.kill(self._pid, 15)
        os.waitpid(self._pid, 0)


def _serve(writer: int) -> None:
    def put(requests, context):  # type: ignore[no-untyped-def]
        for _ in requests:
            pass
        return Empty()

    def list_(requests, context):  # type: ignore[no-untyped-def]
        info = next(requests)
        number = int(dict(context.invocation_metadata())["number"])
        for _ in range(number):
            yield info

    server = grpc.server(futures.ThreadPoolExecutor(2))
    handlers = {
        "put": grpc.stream_unary_rpc_method_handler(
            put, pfs_pb2.ModifyFileRequest.FromString, Empty.SerializeToString
        ),
        "list": grpc.stream_stream_rpc_method_handler(
            list_, pfs_pb2.FileInfo.FromString, pfs_pb2.FileInfo.SerializeToString
        ),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    os.write(writer, f"{port}\n".encode())
    os.close(writer)
    server.wait_for_termination()
