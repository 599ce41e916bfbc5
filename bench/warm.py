"""Datums of Python and R: what one costs in an interpreter kept warm, and in a fresh one each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

from bench.harness import Client, Measurement, client, daemon, note
from bench.pipelines import WORKSHOP, create, duration, put, workshop_spec
from pachlocal.proto import pps_pb2

# Their names; how long a warm datum may take (ms); in parts of a cold one; and so the first two.
LANGUAGES = {"python": ("Python", 50, 0.1, 1.5), "rstats": ("R", 60, 0.25, 2)}
FILES = 20
MANY_FILES = 1000


def measure() -> Iterator[Measurement]:
    """Infer species of the workshop's rows, a file a datum, in one worker."""
    for language, (name, goal_ms, warm_goal, slow_goal) in LANGUAGES.items():
        if language == "rstats" and not shutil.which("Rscript"):
            note(f"{name} is not installed")
            continue
        with daemon() as server, client(server) as stubs:
            note(f"inferring {FILES} files in {name}, a datum each")
            put(stubs, "training", [("iris.csv", (WORKSHOP / "data/iris.csv").read_bytes())])
            rows = (WORKSHOP / "data/test/2.csv").read_bytes()
            put(stubs, "attributes", [(f"{number}.csv", rows) for number in range(FILES)])
            duration(stubs, create(stubs, workshop_spec(f"{language}_train.json")))
            cold = workshop_spec(f"{language}_infer.json", "cold")
            cold["metadata"] = {"annotations": {"pachlocal.io/warm": "false"}}
            cold_ms, _ = _times(stubs, cold)
            warm = workshop_spec(f"{language}_infer.json", "warm")
            warm_ms, slow_ms = _times(stubs, warm)
            yield Measurement(f"a warm datum of {name}", warm_ms, goal_ms, "goal", "ms", 1)
            yield Measurement(
                f"a warm datum of {name}, against a cold one",
                warm_ms,
                cold_ms,
                "cold",
                "ms",
                warm_goal,
            )
            yield Measurement(
                f"the two before {name} warms up", slow_ms, 2 * cold_ms, "cold", "ms", slow_goal
            )
            if language == "rstats":
                note(f"inferring {MANY_FILES} files in {name}, a datum each")
                files = ((f"{number}.csv", rows) for number in range(MANY_FILES))
                put(stubs, "many", files)
                spec = workshop_spec("rstats_infer.json", "many-inferred")
                spec["input"]["cross"][0]["pfs"] |= {"repo": "many", "name": "attributes"}
                seconds = duration(stubs, create(stubs, spec))
                estimate = MANY_FILES * cold_ms / 1e3
                label = f"{MANY_FILES:,} attribute files in {name}"
                yield Measurement(label, seconds, estimate, "cold, reckoned", "s", 0.4)


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
