"""What pipelines that have nothing to do cost the others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.harness import Client, Daemon, Measurement, branch, client, daemon, note, repo
from bench.pipelines import create
from bench.writers import put
from pachlocal.proto import pfs_pb2, pps_pb2

FEW, MANY = 10, 1000  # pipelines
MOST = 1.2  # of what it takes beside few
HOP_MS = 30
_STAGES = 10  # of the chain
_TIMES = 5


@dataclass
class Found:
    """What was measured on one store.

    Attributes:
        created_ms: To create a pipeline.
        hop_ms: Until a change has passed a stage.
        listed_ms: To list ten pipelines.
        memory_mb: At the end.
    """

    created_ms: float
    hop_ms: float
    listed_ms: float
    memory_mb: float


def measure() -> Iterator[Measurement]:
    """Run a chain in a store that has little else, and in one with many idle pipelines."""
    few, many = _look(0), _look(MANY - _STAGES)
    name = f"beside {MANY - _STAGES} idle pipelines"
    for what, ours, peer in (
        ("a pipeline created", many.created_ms, few.created_ms),
        ("a hop", many.hop_ms, few.hop_ms),
        (f"{_STAGES} pipelines listed", many.listed_ms, few.listed_ms),
    ):
        yield Measurement(f"{what}, {name}", ours, peer, "none", "ms", MOST)
    ours, peer = many.memory_mb, few.memory_mb
    yield Measurement(f"memory, {name}", ours, peer, "none", "MB", MOST)
    yield Measurement("a hop", few.hop_ms, HOP_MS, "goal", "ms", 1)


def _spec(name: str, source: str) -> dict[str, Any]:
    return {
        "pipeline": {"name": name},
        "transform": {"image": "machine", "cmd": ["true"]},
        "input": {"pfs": {"repo": source, "glob": "/*"}},
    }


def _look(idle: int) -> Found:
    note(f"a chain of {_STAGES} pipelines beside {idle} others")
    with daemon() as server, client(server) as stubs:
        for name in ("data", "other"):
            stubs.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(name)))
        for number in range(idle):
            create(stubs, _spec(f"idle{number}", "other"))
        created = []
        for stage in range(_STAGES):
            begun = time.perf_counter()
            create(stubs, _spec(f"s{stage}", f"s{stage - 1}" if stage else "data"))
            created.append(time.perf_counter() - begun)
        hops = []
        for number in range(_TIMES + 1):
            begun = time.perf_counter()
            put(stubs, "data", f"/{number}")
            _wait(stubs)
            hops.append((time.perf_counter() - begun) / _STAGES)
        listed = []
        for _ in range(_TIMES):
            begun = time.perf_counter()
            request = pps_pb2.ListPipelineRequest(page=pps_pb2.PipelinePage(page_size=_STAGES))
            list(stubs.pps.ListPipeline(request))
            listed.append(time.perf_counter() - begun)
        return Found(
            median(created) * 1e3, median(hops[1:]) * 1e3, median(listed) * 1e3, _memory(server)
        )


def _wait(stubs: Client) -> None:
    """Wait until the newest commit of the last stage is finished."""
    commit = branch(f"s{_STAGES - 1}")
    stubs.pfs.InspectCommit(
        pfs_pb2.InspectCommitRequest(commit=commit, wait=pfs_pb2.CommitState.FINISHED)
    )


def _memory(server: Daemon) -> float:
    """Return the memory that the daemon has now, in MB (Linux)."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e6
