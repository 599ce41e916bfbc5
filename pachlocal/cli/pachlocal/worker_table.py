"""What the workers of all pipelines do, for `pachlocal status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pachlocal.cli.pachlocal.calling import calling
from pachlocal.proto import pps_pb2, pps_pb2_grpc

if TYPE_CHECKING:
    from pachlocal.cli.pachlocal.daemon import Daemon

_TIMEOUT_S = 10.0


def show(daemon: Daemon) -> None:
    """Print a line for each pipeline and each busy worker."""
    with calling(daemon) as server:
        _show(server.pps)


def _show(api: pps_pb2_grpc.APIStub) -> None:
    for pipeline in api.ListPipeline(pps_pb2.ListPipelineRequest(), timeout=_TIMEOUT_S):
        details = pipeline.details
        click.echo(
            f"pipeline {pipeline.pipeline.project.name}/{pipeline.pipeline.name}: "
            f"{details.workers_available} of {details.workers_requested} workers"
        )
        running = pps_pb2.ListJobRequest(
            pipeline=pipeline.pipeline, details=True, jqFilter='.state == "JOB_RUNNING"'
        )
        for job in api.ListJob(running, timeout=_TIMEOUT_S):
            for worker in job.details.worker_status:
                if worker.HasField("datum_status"):
                    paths = ", ".join(file.path for file in worker.datum_status.data)
                    click.echo(f"  {worker.worker_id}  job {job.job.id}  datum of {paths}")
