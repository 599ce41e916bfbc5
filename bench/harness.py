"""Timing, a daemon to measure, and what a measurement is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from pachlocal.proto import local_pb2_grpc, pfs_pb2, pfs_pb2_grpc, pps_pb2_grpc

_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure: what we take against what something else takes, in the same run.

    Attributes:
        name: What was done.
        ours: Our figure.
        peer: The other's.
        peer_name: Who that is.
        unit: Of both figures.
        goal: The ratio that is to be kept.
        at_least: Whether the ratio is to be at least the goal, and not at most.
    """

    name: str
    ours: float
    peer: float
    peer_name: str
    unit: str
    goal: float
    at_least: bool = False

    @property
    def ratio(self) -> float:
        """Our figure in parts of the peer's."""
        return self.ours / self.peer

    @property
    def is_kept(self) -> bool:
        """Whether the ratio is as it is to be."""
        return self.ratio >= self.goal if self.at_least else self.ratio <= self.goal


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running pachlocal on a store of its own."""

    root: Path
    address: str
    pid: int

    def peak_memory_mb(self) -> float:
        """Return the most memory that it ever had, in MB (Linux)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6


@dataclass(frozen=True, slots=True)
class Client:
    """Stubs for a daemon's services."""

    pfs: pfs_pb2_grpc.APIStub
    pps: pps_pb2_grpc.APIStub
    local: local_pb2_grpc.LocalStub


@contextmanager
def daemon(*options: str, console: bool = False) -> Iterator[Daemon]:
    """Start a daemon on an empty store and a free port; stop it and delete the store.

    Args:
        options: More of `pachlocal up`.
        console: Whether it has the HTTP front beside it.
    """
    more = options if console else ("--no-console", *options)
    with scratch() as folder:
        root = folder / "store"
        run("pachlocal", "up", "--root", str(root), "--address", "127.0.0.1:0", *more)
        note = json.loads((root / "daemon.json").read_text())
        try:
            yield Daemon(root, note["address"], note["pid"])
        finally:
            run("pachlocal", "down", "--root", str(root))


@contextmanager
def client(of: Daemon | str) -> Iterator[Client]:
    """Connect to a daemon, or to what is at an address."""
    address = of if isinstance(of, str) else of.address
    options = [
        ("grpc.max_receive_message_length", 20 << 20),
        ("grpc.max_send_message_length", 20 << 20),
    ]
    with grpc.insecure_channel(address.removeprefix("grpc://"), options) as channel:
        yield Client(
            pfs_pb2_grpc.APIStub(channel),
            pps_pb2_grpc.APIStub(channel),
            local_pb2_grpc.LocalStub(channel),
        )


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder on the disk that the store would be on, and delete it."""
    folder = Path(tempfile.mkdtemp(prefix="pachlocal-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def run(program: str, *arguments: str, address: str = "", cwd: Path | None = None) -> str:
    """Run a program of ours, or of the machine, to its end; return what it printed.

    Raises:
        CalledProcessError: It failed.
    """
    path = _BIN / program
    command = [str(path) if path.exists() else program, *arguments]
    env = {**os.environ, "PACHD_ADDRESS": address} if address else None
    done = subprocess.run(command, env=env, cwd=cwd, check=True, capture_output=True, text=True)
    return done.stdout


def seconds(action: Callable[[], object], *, times: int = 1) -> float:
    """Return how long something takes: the least of several times."""
    best = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - begun)
    return best


def repo(name: str) -> pfs_pb2.Repo:
    """Name a repo."""
    return pfs_pb2.Repo(name=name, type="user", project=pfs_pb2.Project(name="default"))


def branch(name: str, of: str = "master") -> pfs_pb2.Commit:
    """Name the head of a branch."""
    return pfs_pb2.Commit(repo=repo(name), id=of)


def note(text: str) -> None:
    """Say what is being done, on standard error."""
    print(f"… {text}", file=sys.stderr, flush=True)


def sync(path: Path) -> None:
    """Wait until a file is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
