"""Thousands of clients that wait, or hold a stream open: what that costs the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from statistics import median
from typing import Any

from grpc import aio

from bench.harness import Client, Daemon, Measurement, client, daemon, note, repo
from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

WAITING = 5_000
MEMORY_MB = 300
ANSWER_MS = 1000
ALL_ANSWERED_S = 5
_TIMES = 200
_REPO = "waited-for"
_ASK = pfs_pb2.InspectRepoRequest(repo=repo(_REPO))

Open = Callable[[Any, pfs_pb2.Commit], Awaitable[Any]]  # with an asynchronous stub


async def _inspect(stub: Any, commit: pfs_pb2.Commit) -> Any:
    return stub.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit, wait=pfs_pb2.FINISHED))


async def _subscribe(stub: Any, _: pfs_pb2.Commit) -> Any:
    return stub.SubscribeCommit(
        pfs_pb2.SubscribeCommitRequest(repo=repo(_REPO), branch="master", state=pfs_pb2.FINISHED)
    )


async def _half_a_put(stub: Any, commit: pfs_pb2.Commit) -> Any:
    call = stub.ModifyFile()
    await call.write(pfs_pb2.ModifyFileRequest(set_commit=commit))
    return call


_KINDS: dict[str, Open] = {
    "InspectCommit": _inspect,
    "SubscribeCommit": _subscribe,
    "half-open ModifyFile": _half_a_put,
}


def measure() -> Iterator[Measurement]:
    """Take the time of calls beside 5,000 that wait, and of what they wait for."""
    for name, open_ in _KINDS.items():
        note(f"opening {WAITING} {name}")
        with daemon() as server, client(server) as stubs:
            yield from asyncio.run(_beside(name, open_, server, stubs))


async def _beside(name: str, open_: Open, server: Daemon, stubs: Client) -> list[Measurement]:
    stubs.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(_REPO)))
    master = pfs_pb2.Branch(repo=repo(_REPO), name="master")
    commit = stubs.pfs.StartCommit(pfs_pb2.StartCommitRequest(branch=master))
    alone = await asyncio.to_thread(_inspect_ms, stubs)
    async with aio.insecure_channel(server.address.removeprefix("grpc://")) as channel:
        stub = pfs_pb2_grpc.APIStub(channel)
        calls = [await open_(stub, commit) for _ in range(WAITING)]
        await asyncio.to_thread(_wait_until_taken, stubs)
        beside = await asyncio.to_thread(_inspect_ms, stubs)
        begun = time.perf_counter()
        request = pfs_pb2.FinishCommitRequest(commit=commit)
        await asyncio.to_thread(stubs.pfs.FinishCommit, request)
        finished = time.perf_counter() - begun
        found = [
            Measurement(f"InspectRepo beside {WAITING} {name}", beside, alone, "alone", "ms", 5),
            Measurement(
                f"FinishCommit beside {WAITING} {name}",
                finished * 1e3,
                ANSWER_MS,
                "goal",
                "ms",
                1,
            ),
        ]
        if open_ is not _half_a_put:
            await asyncio.gather(*(_first(call) for call in calls))
            answered = time.perf_counter() - begun
            found.append(
                Measurement(f"all {name} answered", answered, ALL_ANSWERED_S, "goal", "s", 1)
            )
        peak = server.peak_memory_mb()
        found.append(Measurement(f"memory, {WAITING} {name}", peak, MEMORY_MB, "goal", "MB", 1.2))
        for call in calls:
            call.cancel()
    return found


async def _first(call: Any) -> None:
    """Wait for the first answer of a call, or the only one."""
    if hasattr(call, "read"):
        await call.read()
    else:
        await call


def _inspect_ms(stubs: Client) -> float:
    """Return how long InspectRepo takes, in the median."""
    taken = []
    for _ in range(_TIMES):
        begun = time.perf_counter()
        stubs.pfs.InspectRepo(_ASK)
        taken.append((time.perf_counter() - begun) * 1e3)
    return median(taken)


def _wait_until_taken(stubs: Client) -> None:
    """Return when calls that came at once are being served: one that comes now is answered soon."""
    quick = 0
    while quick < _TIMES:
        begun = time.perf_counter()
        stubs.pfs.InspectRepo(_ASK)
        quick = quick + 1 if time.perf_counter() - begun < 0.05 else 0
