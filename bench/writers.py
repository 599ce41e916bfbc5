"""Many clients that put small files, each into a repo of its own: what they share, and what not."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from statistics import quantiles

from bench.echo import echo
from bench.harness import Client, Measurement, branch, client, daemon, note, repo
from bench.mixed import add
from pachlocal.proto import pfs_pb2

ONE, FEW, MANY = 1, 8, 64  # clients
SECONDS = 6
PUTS_PER_S = 1000
LONGEST_MS = 250
_PROCESSES = 2  # that the clients are in: there are two cores


def measure() -> Iterator[Measurement]:
    """Put by one client, by some and by many, on a store each; and to gRPC alone, by many."""
    per_s, p99_ms = {}, {}
    for clients in (ONE, FEW, MANY):
        note(f"{clients} clients put small files for {SECONDS} s")
        taken = _puts(clients)
        per_s[clients] = len(taken) / SECONDS
        p99_ms[clients] = quantiles(taken, n=100)[98] * 1e3
    name = f"puts, {MANY} clients"
    for peer in (ONE, FEW):
        label = "one client" if peer == ONE else f"{peer} clients"
        yield Measurement(name, per_s[MANY], per_s[peer], label, "puts/s", 1, at_least=True)
    note(f"{MANY} clients put small files to gRPC alone for {SECONDS} s")
    with echo() as bare:
        bare_per_s = len(_put_at_once(bare.address, MANY)) / SECONDS
    yield Measurement(name, per_s[MANY], bare_per_s, "gRPC alone", "puts/s", 0.5, at_least=True)
    yield Measurement(name, per_s[MANY], PUTS_PER_S, "goal", "puts/s", 1, at_least=True)
    yield Measurement(f"{name}, p99", p99_ms[MANY], LONGEST_MS, "goal", "ms", 1)


def _puts(clients: int) -> list[float]:
    """Let clients put on an empty store for some seconds; return how long each put took (s)."""
    with daemon() as server:
        with client(server) as stubs:
            for number in range(clients):
                stubs.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(f"r{number}")))
        return _put_at_once(server.address, clients)


def _put_at_once(address: str, clients: int) -> list[float]:
    processes = min(clients, _PROCESSES)
    context = multiprocessing.get_context("spawn")  # gRPC and fork don't go together
    with context.Pool(processes) as pool:
        jobs = [(address, range(number, clients, processes)) for number in range(processes)]
        return [taken for part in pool.starmap(_process, jobs) for taken in part]


def _process(address: str, numbers: range) -> list[float]:
    """Be some of the clients, a thread each."""
    taken: list[float] = []
    threads = [threading.Thread(target=_client, args=(address, it, taken)) for it in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def _client(address: str, number: int, taken: list[float]) -> None:
    ends = time.monotonic() + SECONDS
    with client(address) as stubs:
        count = 0
        while time.monotonic() < ends:
            count += 1
            begun = time.perf_counter()
            put(stubs, f"r{number}", f"/{count}")
            taken.append(time.perf_counter() - begun)


def put(stubs: Client, name: str, path: str) -> None:
    """Put a small file, as a commit of its own."""
    stubs.pfs.ModifyFile(iter([pfs_pb2.ModifyFileRequest(set_commit=branch(name)), add(path)]))
