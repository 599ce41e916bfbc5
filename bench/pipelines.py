"""Repos filled, pipelines created, jobs waited for: what the measurements of pipelines share."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path
from typing import Any

from google.protobuf.wrappers_pb2 import BytesValue

from bench.harness import Client, branch, repo
from pachlocal.proto import local_pb2, pfs_pb2, pps_pb2

WORKSHOP = Path(__file__).parent.parent
_BATCH = 1_000  # requests a message


def put(stubs: Client, name: str, files: Iterable[tuple[str, bytes]]) -> None:
    """Make a repo, and put files into it in one commit."""
    stubs.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(name)))
    requests = chain(
        [pfs_pb2.ModifyFileRequest(set_commit=branch(name))],
        (
            pfs_pb2.ModifyFileRequest(
                add_file=pfs_pb2.AddFile(path=f"/{path}", raw=BytesValue(value=content))
            )
            for path, content in files
        ),
    )
    batches = iter(lambda: list(islice(requests, _BATCH)), [])
    stubs.local.ModifyFiles(local_pb2.ModifyFilesRequest(requests=batch) for batch in batches)


def workshop_spec(file: str, name: str = "") -> dict[str, Any]:
    """Return the spec of a pipeline of the workshop, under another name if one is given."""
    spec: dict[str, Any] = json.loads((WORKSHOP / file).read_text())
    if name:
        spec["pipeline"] = {"name": name}
    return spec


def create(stubs: Client, spec: dict[str, Any]) -> pps_pb2.Job:
    """Create a pipeline, and return its first job."""
    stubs.pps.CreatePipelineV2(
        pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=json.dumps(spec))
    )
    return newest_job(stubs, spec["pipeline"]["name"])


def newest_job(stubs: Client, name: str) -> pps_pb2.Job:
    """Return the newest job of a pipeline."""
    pipeline = pps_pb2.Pipeline(name=name, project=pfs_pb2.Project(name="default"))
    (newest, *_) = stubs.pps.ListJob(pps_pb2.ListJobRequest(pipeline=pipeline))
    return newest.job


def duration(stubs: Client, job: pps_pb2.Job) -> float:
    """Wait for a job; return the seconds from its creation to its end.

    Raises:
        RuntimeError: It failed.
    """
    info = stubs.pps.InspectJob(pps_pb2.InspectJobRequest(job=job, wait=True))
    if info.state != pps_pb2.JOB_SUCCESS:
        raise RuntimeError(f"job of {job.pipeline.name}: {info.reason}")
    return (info.finished.ToNanoseconds() - info.created.ToNanoseconds()) / 1e9
