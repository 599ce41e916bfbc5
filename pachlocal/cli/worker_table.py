"""What the workers of all pipelines do, for `pachlocal status`."""

from __future__ import annotations

import click
import grpc

from pachlocal.proto import pps_pb2, pps_pb2_grpc

_TIMEOUT_S = 10.0


def show(address: str) -> None:
    """Print a line for each pipeline and each busy worker."""
    with grpc.insecure_channel(address.removeprefix("grpc://")) as channel:
        api = pps_pb2_grpc.APIStub(channel)
        try:
            _show(api)
        except grpc.RpcError as error:
            details = error.details() if isinstance(error, grpc.Call) else error
            raise click.ClickException(f"{address} does not answer: {details}") from None


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
