"""Python datums: what one costs with the interpreter kept warm, and with a fresh one each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.harness import Client, Measurement, client, daemon, note
from bench.pipelines import WORKSHOP, create, duration, put, workshop_spec
from pachlocal.proto import pps_pb2

FILES = 20
GOAL_MS = 60


def measure() -> Iterator[Measurement]:
    """Infer species of the workshop's rows, a file a datum, in one worker."""
    with daemon() as server, client(server) as stubs:
        note(f"inferring {FILES} files, a datum each")
        put(stubs, "training", [("iris.csv", (WORKSHOP / "data/iris.csv").read_bytes())])
        rows = (WORKSHOP / "data/test/2.csv").read_bytes()
        put(stubs, "attributes", [(f"{number}.csv", rows) for number in range(FILES)])
        duration(stubs, create(stubs, workshop_spec("python_train.json")))
        cold = workshop_spec("python_infer.json", "cold")
        cold["metadata"] = {"annotations": {"pachlocal.io/warm": "false"}}
        cold_ms, _ = _times(stubs, cold)
        warm_ms, slow_ms = _times(stubs, workshop_spec("python_infer.json", "warm"))
        yield Measurement("a warm datum of Python", warm_ms, GOAL_MS, "goal", "ms", 1)
        yield Measurement("… against a cold one", warm_ms, cold_ms, "cold", "ms", 0.1)
        yield Measurement("the two before it warms up", slow_ms, 2 * cold_ms, "cold", "ms", 1.5)


def _times(stubs: Client, spec: dict[str, Any]) -> tuple[float, float]:
    """Run a pipeline's first job.

    Returns:
        The median time of its command over the datums, and the sum of the two longest (ms).
    """
    job = create(stubs, spec)
    duration(stubs, job)
    datums = stubs.pps.ListDatum(pps_pb2.ListDatumRequest(job=job))
    times = sorted(datum.stats.process_time.ToNanoseconds() / 1e6 for datum in datums)
    return times[len(times) // 2], sum(times[-2:])
