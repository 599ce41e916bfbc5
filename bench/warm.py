"""Python datums: what one costs with the interpreter kept warm, and with a fresh one each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.wrappers_pb2 import BytesValue

from bench.harness import Client, Measurement, branch, client, daemon, note, repo
from pachlocal.proto import local_pb2, pfs_pb2, pps_pb2

FILES = 20
GOAL_MS = 60
_WORKSHOP = Path(__file__).parent.parent


def measure() -> Iterator[Measurement]:
    """Infer species of the workshop's rows, a file a datum, in one worker."""
    with daemon() as server, client(server) as stubs:
        note(f"inferring {FILES} files, a datum each")
        _put(stubs, "training", {"iris.csv": (_WORKSHOP / "data/iris.csv").read_bytes()})
        rows = (_WORKSHOP / "data/test/2.csv").read_bytes()
        _put(stubs, "attributes", {f"{number}.csv": rows for number in range(FILES)})
        _run(stubs, _spec("python_train.json"))
        cold = _spec("python_infer.json", "cold")
        cold["metadata"] = {"annotations": {"pachlocal.io/warm": "false"}}
        cold_ms, _ = _run(stubs, cold)
        warm_ms, slow_ms = _run(stubs, _spec("python_infer.json", "warm"))
        yield Measurement("a warm datum of Python", warm_ms, GOAL_MS, "goal", "ms", 1)
        yield Measurement("… against a cold one", warm_ms, cold_ms, "cold", "ms", 0.1)
        yield Measurement("the two before it warms up", slow_ms, 2 * cold_ms, "cold", "ms", 1.5)


def _spec(file: str, name: str = "") -> dict[str, Any]:
    spec: dict[str, Any] = json.loads((_WORKSHOP / file).read_text())
    if name:
        spec["pipeline"] = {"name": name}
    return spec


def _put(stubs: Client, name: str, files: dict[str, bytes]) -> None:
    stubs.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(name)))
    requests = [pfs_pb2.ModifyFileRequest(set_commit=branch(name))]
    for path, content in files.items():
        file = pfs_pb2.AddFile(path=f"/{path}", raw=BytesValue(value=content))
        requests.append(pfs_pb2.ModifyFileRequest(add_file=file))
    stubs.local.ModifyFiles(iter([local_pb2.ModifyFilesRequest(requests=requests)]))


def _run(stubs: Client, spec: dict[str, Any]) -> tuple[float, float]:
    """Run a pipeline's first job.

    Returns:
        The median time of its command over the datums, and the sum of the two longest (ms).
    """
    stubs.pps.CreatePipelineV2(
        pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=json.dumps(spec))
    )
    pipeline = pps_pb2.Pipeline(
        name=spec["pipeline"]["name"], project=pfs_pb2.Project(name="default")
    )
    (newest, *_) = stubs.pps.ListJob(pps_pb2.ListJobRequest(pipeline=pipeline))
    info = stubs.pps.InspectJob(pps_pb2.InspectJobRequest(job=newest.job, wait=True))
    if info.state != pps_pb2.JOB_SUCCESS:
        raise RuntimeError(f"job of {pipeline.name}: {info.reason}")
    datums = stubs.pps.ListDatum(pps_pb2.ListDatumRequest(job=newest.job))
    times = sorted(datum.stats.process_time.ToNanoseconds() / 1e6 for datum in datums)
    return times[len(times) // 2], sum(times[-2:])
