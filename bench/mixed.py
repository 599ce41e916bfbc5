"""Many clients at mixed work: puts, gets, lists, globs, and a pipeline on one of the repos."""

from __future__ import annotations

import json
import multiprocessing
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median, quantiles

import grpc
from google.protobuf.wrappers_pb2 import BytesValue

from bench.harness import Client, Daemon, Measurement, branch, client, daemon, note, repo
from bench.pipelines import create
from pachlocal.proto import pfs_pb2

FEW, MANY = 8, 200  # clients
SECONDS = 60
MEMORY_MB = 200
LONGEST_MS = 2000
_PROCESSES = 4  # that the clients are in: one could not keep the daemon busy
_REPOS = 16
_FILES = 50  # in each repo from the start
_SIZE = 1000  # bytes of a file
_WORK = {"put": 40, "get": 25, "list": 15, "glob": 10, "put for a pipeline": 10}  # in a hundred
_SPEC = {
    "pipeline": {"name": "copy"},
    "transform": {"image": "machine", "cmd": ["sh", "-c", "cp /pfs/watched/* /pfs/out/"]},
    "input": {"pfs": {"repo": "watched", "glob": "/*"}},
}


@dataclass
class Done:
    """What clients did: how long each call took (s), and what went wrong."""

    taken: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, other: Done) -> None:
        """Take in what others did."""
        for kind, times in other.taken.items():
            self.taken.setdefault(kind, []).extend(times)
        self.errors += other.errors

    @property
    def calls(self) -> int:
        """How many calls there were."""
        return sum(map(len, self.taken.values()))


def measure() -> Iterator[Measurement]:
    """Let 8 clients work, then 200, on a store each.

    Raises:
        RuntimeError: A call failed.
    """
    few, _ = _work(FEW, SECONDS // 4)
    many, peak_mb = _work(MANY, SECONDS)
    per_s = many.calls / SECONDS
    yield Measurement(
        f"calls, {MANY} clients",
        per_s,
        few.calls / (SECONDS // 4),
        f"{FEW} clients",
        "calls/s",
        0.8,
        at_least=True,
    )
    for kind in _WORK:
        p50, p99 = _figures(many.taken[kind])
        yield Measurement(f"{kind}, {MANY} clients, p99", p99, p50, "p50", "ms", 10)
        yield Measurement(f"{kind}, {MANY} clients, p99", p99, LONGEST_MS, "goal", "ms", 1)
    yield Measurement(f"memory, {MANY} clients", peak_mb, MEMORY_MB, "goal", "MB", 1)


def _figures(taken: list[float]) -> tuple[float, float]:
    """Return the median, and what 99 in a hundred stay below, in ms."""
    return median(taken) * 1e3, quantiles(taken, n=100)[98] * 1e3


def _work(clients: int, seconds: float) -> tuple[Done, float]:
    """Let clients work; return what they did, and the most memory of the daemon (MB)."""
    note(f"{clients} clients at mixed work for {seconds:g} s")
    with daemon() as server:
        with client(server) as stubs:
            _prepare(stubs)
        each = clients // _PROCESSES
        context = multiprocessing.get_context("spawn")  # gRPC and fork don't go together
        with context.Pool(_PROCESSES) as pool:
            jobs = [(server, number, each, seconds) for number in range(_PROCESSES)]
            done = Done()
            for part in pool.starmap(_process, jobs):
                done.add(part)
        if done.errors:
            raise RuntimeError(f"calls failed: {json.dumps(done.errors)}")
        return done, server.peak_memory_mb()


def _prepare(stubs: Client) -> None:
    for name in ["watched", *(f"r{number}" for number in range(_REPOS))]:
        stubs.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(name)))
        requests = [pfs_pb2.ModifyFileRequest(set_commit=branch(name))]
        if name != "watched":
            requests += [add(f"/{number}") for number in range(_FILES)]
        stubs.pfs.ModifyFile(iter(requests))
    create(stubs, _SPEC)


def _process(server: Daemon, number: int, clients: int, seconds: float) -> Done:
    """Be some of the clients, a thread each."""
    done = [Done() for _ in range(clients)]
    threads = [
        threading.Thread(target=_client, args=(server, number * clients + index, one, seconds))
        for index, one in enumerate(done)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in done[1:]:
        done[0].add(one)
    return done[0]


def _client(server: Daemon, number: int, done: Done, seconds: float) -> None:
    """Be one client, with a connection of its own."""
    chance = random.Random(number)  # noqa: S311 - no secret
    kinds, weights = list(_WORK), list(_WORK.values())
    ends = time.monotonic() + seconds
    with client(server) as stubs:
        count = 0
        while time.monotonic() < ends:
            (kind,) = chance.choices(kinds, weights)
            name = f"r{chance.randrange(_REPOS)}"
            count += 1
            begun = time.perf_counter()
            try:
                _ACTIONS[kind](stubs, name, f"/{number}-{count % 20}")
            except grpc.RpcError as error:
                done.errors[str(error)] += 1
            done.taken.setdefault(kind, []).append(time.perf_counter() - begun)


def add(path: str) -> pfs_pb2.ModifyFileRequest:
    """Return the message that adds a small file of its own."""
    data = random.randbytes(_SIZE)  # noqa: S311 - no secret
    return pfs_pb2.ModifyFileRequest(
        add_file=pfs_pb2.AddFile(path=path, raw=BytesValue(value=data))
    )


def _put(stubs: Client, name: str, path: str) -> None:
    requests = [
        pfs_pb2.ModifyFileRequest(set_commit=branch(name)),
        pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=path)),
        add(path),
    ]
    stubs.pfs.ModifyFile(iter(requests))


def _get(stubs: Client, name: str, _: str) -> None:
    file = pfs_pb2.File(commit=branch(name), path="/7")
    list(stubs.pfs.GetFile(pfs_pb2.GetFileRequest(file=file)))


def _list(stubs: Client, name: str, _: str) -> None:
    file = pfs_pb2.File(commit=branch(name), path="/")
    list(stubs.pfs.ListFile(pfs_pb2.ListFileRequest(file=file, number=_FILES)))


def _glob(stubs: Client, name: str, _: str) -> None:
    list(stubs.pfs.GlobFile(pfs_pb2.GlobFileRequest(commit=branch(name), pattern="/1*")))


_ACTIONS: dict[str, Callable[[Client, str, str], None]] = {
    "put": _put,
    "get": _get,
    "list": _list,
    "glob": _glob,
    "put for a pipeline": lambda stubs, _, path: _put(stubs, "watched", path),
}
