"""Datum batching: small datums for a Python program that is started once."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.harness import Measurement, client, daemon, note, run, scratch, seconds
from bench.pipelines import WORKSHOP, create, duration, put, workshop_spec

FILES = 10_000
_TURNS = 2
_PROGRAM = Path(__file__).with_name("batched_program.py")


def measure() -> Iterator[Measurement]:
    """Infer a file a datum, and compare with the same program on a folder of the same files."""
    with scratch() as folder, daemon() as server, client(server) as stubs:
        files = [(f"{number:05d}.csv", _row(number)) for number in range(FILES)]
        put(stubs, "training", [("iris.csv", (WORKSHOP / "data/iris.csv").read_bytes())])
        put(stubs, "attributes", files)
        duration(stubs, create(stubs, workshop_spec("python_train.json")))
        model, attributes = (folder / name for name in ("model.pkl", "attributes"))
        run(
            *("pachctl", "get", "file", "model@master:/model.pkl", "-o", str(model)),
            address=server.address,
        )
        attributes.mkdir()
        for name, content in files:
            (attributes / name).write_bytes(content)
        note(f"inferring {FILES} files in one process, and a datum each, by turns")
        # With what it asks for datums by, and what the stage unpacks its model with.
        found = f"PYTHONPATH={WORKSHOP}:{sysconfig.get_path('purelib')}"
        program = ("env", found, str(_environment() / "bin/python3"), str(_PROGRAM))
        ours, peer = [], []
        for turn in range(_TURNS):  # the quickest of each counts
            out = folder / f"out-{turn}"
            out.mkdir()
            loop = partial(run, *program, str(model), str(out), str(attributes))
            peer.append(seconds(loop))
            spec = workshop_spec("python_infer.json", f"batched-{turn}")
            spec["transform"]["cmd"] = [*program, "/pfs/model/model.pkl", "/pfs/out"]
            spec["transform"]["datum_batching"] = True
            spec["parallelism_spec"] = {"constant": 2}
            ours.append(duration(stubs, create(stubs, spec)))
        yield Measurement("10,000 datums by batching", min(ours), min(peer), "one process", "s", 3)


def _environment() -> Path:
    """Return the folder with the packages of the workshop's stage, made if it isn't there."""
    stage = str(WORKSHOP / "python/iris-infer-python")
    command = [sys.executable, "-m", "pachlocal.environments", "make", "--quiet", stage]
    made = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Path(made.stdout.rstrip("\n"))


def _row(number: int) -> bytes:
    """Return measurements as in data/test/1.csv, of another flower for each number."""
    width, length, depth = number % 60, number // 60 % 60, number // 3600
    return b"%.1f,%.1f,%.1f,1.8\n" % (4 + depth / 10, 2 + width / 20, 1 + length / 10)
