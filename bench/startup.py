"""How soon the programs answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from bench.harness import Measurement, daemon, run, scratch, seconds

_TIMES = 10
_LIST_MS = 134  # twice what Pachyderm's own client takes


def measure() -> Iterator[Measurement]:
    """Compare `pachctl list repo` with an interpreter that does no more than import gRPC."""
    with daemon() as server:
        python = seconds(lambda: run(sys.executable, "-c", "import grpc"), times=_TIMES)
        ours = seconds(lambda: run("pachctl", "list", "repo", address=server.address), times=_TIMES)
        name = "pachctl list repo"
        yield Measurement(name, ours * 1e3, python * 1e3, "python importing gRPC", "ms", 1.5)
        yield Measurement(name, ours * 1e3, _LIST_MS, "goal", "ms", 1)
    with scratch() as folder:
        root = ("--root", str(folder / "store"))
        up = seconds(lambda: run("pachlocal", "up", *root, "--address", "127.0.0.1:0"))
        run("pachlocal", "down", *root)
        yield Measurement("pachlocal up", up, 1, "goal", "s", 1)
