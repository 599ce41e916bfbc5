"""100,000 files of 16 bytes: put, listed, and put by the standard stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from google.protobuf.wrappers_pb2 import BytesValue

from bench.echo import echo
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
        yield Measurement(
            "memory, 100,000 files put", server.peak_memory_mb(), 150, "goal", "MB", 1
        )


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
    """Measure the standard streams against servers that only count their messages.

    One is gRPC as it comes, the other polls as ours does.
    """
    note("the standard streams, and gRPC alone")
    requests = [
        pfs_pb2.ModifyFileRequest(
            add_file=pfs_pb2.AddFile(path=f"/s{index:06d}", raw=BytesValue(value=b"%016d" % index))
        )
        for index in range(STREAMED)
    ]
    put, listed = defaultdict(list), defaultdict(list)
    with echo() as bare, echo(polling_as_ours=True) as alike:
        for turn in range(_TURNS):  # by turns, and the quickest of each counts
            commit = pfs_pb2.Commit(repo=repo("data"), id=f"streamed-{turn}")
            stream = [pfs_pb2.ModifyFileRequest(set_commit=commit), *requests]
            listing = pfs_pb2.ListFileRequest(file=pfs_pb2.File(commit=commit, path="/"))
            for name, peer in (("bare", bare), ("alike", alike)):
                put[name].append(seconds(partial(peer.modify_file, iter(stream))))
            put["ours"].append(seconds(partial(stubs.pfs.ModifyFile, iter(stream))))
            infos = list(stubs.pfs.ListFile(listing))
            for name, peer in (("bare", bare), ("alike", alike)):
                listed[name].append(seconds(partial(_drain, peer.list_file, infos)))
            listed["ours"].append(seconds(partial(_drain, stubs.pfs.ListFile, listing)))
    for call, took in (("ModifyFile", put), ("ListFile", listed)):
        rate = {name: STREAMED / min(times) for name, times in took.items()}
        for name, peer_name in (("bare", "bare gRPC"), ("alike", "polling as ours")):
            yield Measurement(
                call, rate["ours"], rate[name], peer_name, "messages/s", 0.8, at_least=True
            )


def _drain(call: Callable[[T], Iterator[object]], request: T) -> None:
    for _ in call(request):
        pass
