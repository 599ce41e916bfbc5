"""100,000 datums: looked at, planned, run and skipped, in bounded memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.harness import Measurement, branch, client, daemon, note, run, scratch
from bench.mixed import add
from bench.pipelines import create, duration, newest_job, put
from pachlocal.proto import pfs_pb2

DATUMS = 100_000
MEMORY_MB = 200
SKIPPING_S = 5
_PROGRAM = Path(__file__).with_name("batched_program.py")
_SPEC = {
    "pipeline": {"name": "nothing"},
    "transform": {
        "image": "machine",
        "cmd": [sys.executable, str(_PROGRAM)],
        "datum_batching": True,
    },
    "parallelism_spec": {"constant": 2},
    "input": {"pfs": {"repo": "attributes", "glob": "/*"}},
}


def measure() -> Iterator[Measurement]:
    """Preview the datums of a spec; run a job of them, by a program that does nothing; skip them.

    Raises:
        RuntimeError: There are more datums, or fewer.
    """
    with scratch() as folder, daemon() as server, client(server) as stubs:
        note(f"putting {DATUMS} files")
        put(stubs, "attributes", ((f"f{index:06d}", b"%d" % index) for index in range(DATUMS)))
        spec = folder / "spec.json"
        spec.write_text(json.dumps(_SPEC))
        shown = run("pachctl", "list", "datum", "-f", str(spec), address=server.address)
        listed = shown.count("attributes@")
        if listed != DATUMS:
            raise RuntimeError(f"{listed} datums are listed, not {DATUMS}")
        peak = server.peak_memory_mb()
        yield Measurement("memory, 100,000 datums previewed", peak, MEMORY_MB, "goal", "MB", 1)
        note("running a job of them")
        each = duration(stubs, create(stubs, _SPEC)) / DATUMS * 1e3
        yield Measurement("a batched datum that does nothing", each, 5, "goal", "ms", 1)
        peak = server.peak_memory_mb()
        yield Measurement("memory, 100,000 datums run", peak, MEMORY_MB, "goal", "MB", 1)
        note("running a job of them and one more")
        add_one = [pfs_pb2.ModifyFileRequest(set_commit=branch("attributes")), add("/one more")]
        stubs.pfs.ModifyFile(iter(add_one))
        taken = duration(stubs, newest_job(stubs, "nothing"))
        yield Measurement("a job of 100,000 skipped and one", taken, SKIPPING_S, "goal", "s", 1)
        peak = server.peak_memory_mb()
        yield Measurement("memory, 100,000 datums skipped", peak, MEMORY_MB, "goal", "MB", 1)
