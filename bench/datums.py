"""Datums: what one costs beside its command, and what a skipped one costs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.wrappers_pb2 import BytesValue

from bench.harness import (
    Client,
    Measurement,
    branch,
    client,
    daemon,
    note,
    repo,
    run,
    scratch,
    seconds,
)
from pachlocal.proto import local_pb2, pfs_pb2, pps_pb2

COPIED = 1_000
SKIPPED = 10_000


def measure() -> Iterator[Measurement]:
    """Compare with xargs on the same files, and with limits."""
    with scratch() as folder, daemon() as server, client(server) as stubs:
        note(f"copying {COPIED} files, a datum each")
        _put(stubs, "few", COPIED)
        job = _create(stubs, "copy", "few", ["cp", "-r", "/pfs/few/.", "/pfs/out"])
        copied = _duration(stubs, job)
        peer = _xargs(folder, COPIED)
        yield Measurement("1,000 cp datums", copied, peer, "xargs -P2", "s", 2)
        job = _create(stubs, "noop", "few", ["true"])
        each = _duration(stubs, job) / COPIED * 1e3
        yield Measurement("a datum that does nothing", each, 5, "goal", "ms", 1)
        note(f"skipping {SKIPPED} datums")
        _put(stubs, "many", SKIPPED)
        job = _create(stubs, "skip", "many", ["true"])
        _duration(stubs, job)
        stubs.pfs.ModifyFile(iter([pfs_pb2.ModifyFileRequest(set_commit=branch("many"))]))
        (newest, *_) = stubs.pps.ListJob(pps_pb2.ListJobRequest(pipeline=_pipeline("skip")))
        yield Measurement(
            "a job of 10,000 skipped", _duration(stubs, newest.job), 1, "goal", "s", 1
        )


def _put(stubs: Client, name: str, number: int) -> None:
    stubs.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(name)))
    requests = [pfs_pb2.ModifyFileRequest(set_commit=branch(name))]
    requests += [
        pfs_pb2.ModifyFileRequest(
            add_file=pfs_pb2.AddFile(path=f"/f{index:05d}", raw=BytesValue(value=b"%d" % index))
        )
        for index in range(number)
    ]
    stubs.local.ModifyFiles(iter([local_pb2.ModifyFilesRequest(requests=requests)]))


def _pipeline(name: str) -> pps_pb2.Pipeline:
    return pps_pb2.Pipeline(name=name, project=pfs_pb2.Project(name="default"))


def _create(stubs: Client, name: str, of: str, cmd: list[str]) -> pps_pb2.Job:
    spec = {
        "pipeline": {"name": name},
        "transform": {"image": "machine", "cmd": cmd},
        "parallelism_spec": {"constant": 2},
        "input": {"pfs": {"repo": of, "glob": "/*"}},
    }
    stubs.pps.CreatePipelineV2(
        pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=json.dumps(spec))
    )
    (newest, *_) = stubs.pps.ListJob(pps_pb2.ListJobRequest(pipeline=_pipeline(name)))
    return newest.job


def _duration(stubs: Client, job: pps_pb2.Job) -> float:
    """Return the seconds from a job's creation to its end."""
    info = stubs.pps.InspectJob(pps_pb2.InspectJobRequest(job=job, wait=True))
    if info.state != pps_pb2.JOB_SUCCESS:
        raise RuntimeError(f"job of {job.pipeline.name}: {info.reason}")
    return (info.finished.ToNanoseconds() - info.created.ToNanoseconds()) / 1e9


def _xargs(folder: Path, number: int) -> float:
    source, target = folder / "source", folder / "target"
    source.mkdir()
    target.mkdir()
    for index in range(number):
        (source / f"f{index:05d}").write_text(f"{index}")
    names = "\0".join(os.fspath(path) for path in sorted(source.iterdir()))
    (folder / "names").write_text(names)
    command = f"xargs -0 -P2 -I@ cp @ {target} < {folder / 'names'}"
    return seconds(lambda: run("sh", "-c", command))
