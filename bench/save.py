"""How soon after a save `pachlocal dev` has the new result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.harness import Measurement, client, daemon, repo, run, scratch
from pachlocal.proto import pfs_pb2

_TIMES = 10


def measure() -> Iterator[Measurement]:
    """Compare the time from a save to the line about the result with the job's own."""
    with scratch() as folder:
        _project(folder)
        with daemon("--compose", str(folder / "compose.yaml")) as server:
            with client(server) as api:
                api.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo("data")))
            run("pachctl", "put", "file", "data@master:/x", "-f", __file__, address=server.address)
            dev = subprocess.Popen(
                [sys.executable, "-m", "pachlocal.dev", str(folder), "--root", str(server.root)],
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                text=True,
            )
            try:
                beyond = min(_save(dev, folder, number) for number in range(_TIMES))
            finally:
                dev.terminate()
                dev.wait()
    yield Measurement("dev: save to result, beyond the job", beyond, 0.5, "goal", "s", 1)


def _project(folder: Path) -> None:
    (folder / "stage").mkdir()
    (folder / "stage" / "run.sh").write_text("cp /pfs/data/* /pfs/out\n")
    (folder / "compose.yaml").write_text("services: {stage: {image: 'bench:1', build: stage}}\n")
    spec = {
        "pipeline": {"name": "stage"},
        "transform": {"image": "bench:1", "cmd": ["sh", "/code/run.sh"]},
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
    }
    (folder / "stage.json").write_text(json.dumps(spec))


def _save(dev: subprocess.Popen[str], folder: Path, number: int) -> float:
    """Save, wait for the result; return the seconds that this took beyond the job."""
    begun = time.perf_counter()
    if number:  # the first result is that of the start
        script = folder / "stage" / "run.sh"
        script.write_text(f"{script.read_text()}# {number}\n")
    assert dev.stdout is not None  # noqa: S101 - it is a pipe
    for line in dev.stdout:
        if " ran in " in line:
            own = float(line.partition(" ran in ")[2].split()[0])
            return time.perf_counter() - begun - own if number else 1e9
    raise AssertionError("pachlocal dev has ended")
