"""Datum batching: small datums for a Python program that is started once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from bench.harness import Measurement, client, daemon, note, run, scratch, seconds
from bench.pipelines import WORKSHOP, create, duration, put, workshop_spec

FILES = 10_000
_PROGRAM = Path(__file__).with_name("batched_program.py")


def measure() -> Iterator[Measurement]:
    """Infer a file a datum, and compare with the same program on a folder of the same files."""
    with scratch() as folder, daemon() as server, client(server) as stubs:
        files = [(f"{number:05d}.csv", _row(number)) for number in range(FILES)]
        put(stubs, "training", [("iris.csv", (WORKSHOP / "data/iris.csv").read_bytes())])
        put(stubs, "attributes", files)
        duration(stubs, create(stubs, workshop_spec("python_train.json")))
        model, attributes, out = (folder / name for name in ("model.pkl", "attributes", "out"))
        run(
            *("pachctl", "get", "file", "model@master:/model.pkl", "-o", str(model)),
            address=server.address,
        )
        for place in (attributes, out):
            place.mkdir()
        for name, content in files:
            (attributes / name).write_bytes(content)
        note(f"inferring {FILES} files in one process")
        program = (sys.executable, str(_PROGRAM))
        peer = seconds(lambda: run(*program, str(model), str(out), str(attributes)))
        note("inferring them, a datum each")
        spec = workshop_spec("python_infer.json", "batched")
        spec["transform"]["cmd"] = [*program, "/pfs/model/model.pkl", "/pfs/out"]
        spec["transform"]["datum_batching"] = True
        spec["parallelism_spec"] = {"constant": 2}
        ours = duration(stubs, create(stubs, spec))
        yield Measurement("10,000 datums by batching", ours, peer, "one process", "s", 3)


def _row(number: int) -> bytes:
    """Return measurements as in data/test/1.csv, of another flower for each number."""
    width, length, depth = number % 60, number // 60 % 60, number // 3600
    return b"%.1f,%.1f,%.1f,1.8\n" % (4 + depth / 10, 2 + width / 20, 1 + length / 10)
