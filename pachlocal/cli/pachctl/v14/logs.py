"""get-logs, as in 1.4."""

from __future__ import annotations

import click
from google.protobuf.duration_pb2 import Duration

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import pass_session
from pachlocal.cli.pachctl.pps.logs import Writer, log_texts, tail_option
from pachlocal.cli.pachctl.pps.pipelines import pipeline_of
from pachlocal.cli.pachctl.printing.words import print_raw
from pachlocal.cli.pachctl.v14.jobs import jobs_of
from pachlocal.cli.pachctl.v14.options import old_command, raw_option
from pachlocal.proto import pps_pb2


@old_command("get-logs")
@click.option("--pipeline", metavar="NAME", help="The log of this pipeline's jobs.")
@click.option("--job", metavar="ID", help="The log of this job.")
@click.option(
    "--inputs", default="", metavar="PATHS", help="Only lines of datums with these files."
)
@tail_option
@raw_option
@pass_session
def get_logs(
    session: Session, pipeline: str | None, job: str | None, inputs: str, tail: int, raw: bool
) -> None:
    """Print the output of a pipeline's code."""
    if not (pipeline or job):
        raise click.UsageError("Give --pipeline or --job.")
    filters = [path for path in inputs.split(",") if path]
    requests = [pps_pb2.GetLogsRequest(data_filters=filters, since=Duration())]
    if job:
        jobs = [it.job for it in jobs_of(session, job) if pipeline in (None, it.job.pipeline.name)]
        requests = [
            pps_pb2.GetLogsRequest(
                pipeline=it.pipeline, job=it, data_filters=filters, since=Duration()
            )
            for it in jobs
        ]
    elif pipeline:
        requests[0].pipeline.CopyFrom(pipeline_of(pipeline, session.project()))
    for request in requests:
        request.tail = tail
        if raw:
            print_raw(session.server.pps.GetLogs(request), "json")
            continue
        for text in log_texts(session, request, Writer.USER):
            print(text)
