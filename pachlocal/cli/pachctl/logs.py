"""The logs of pipelines and jobs."""

from __future__ import annotations

import sys

import click
from google.protobuf.duration_pb2 import Duration

from pachlocal.cli.pachctl.durations import parse_nanoseconds
from pachlocal.cli.pachctl.jobs import job_of
from pachlocal.cli.pachctl.options import command, pass_session, project_option
from pachlocal.cli.pachctl.printing import print_raw
from pachlocal.cli.pachctl.references import JOB, JobReference
from pachlocal.cli.pachctl.session import Session
from pachlocal.proto import pps_pb2


def parse_duration(text: str) -> Duration:
    """Read a length of time: 90s, 1h30m, 0.

    Raises:
        ValueError: It is none.
    """
    nanos = parse_nanoseconds(text)
    return Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)


def _read_since(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> Duration | None:
    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@command("logs")
@click.option("-p", "--pipeline", metavar="NAME", help="What this pipeline's jobs have said.")
@click.option("-j", "--job", type=JOB, help="What this job has said.")
@click.option("--datum", metavar="ID", help="Only about this datum; needs --job.")
@click.option(
    "--inputs", default="", metavar="PATHS", help="Only about datums with these files: /a,/b."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes. Ends with Ctrl-C.")
@click.option("--master", is_flag=True, help="What the pipeline's controller has said.")
@click.option("--worker", is_flag=True, help="What the workers have said about their work.")
@click.option("--since", callback=_read_since, metavar="TIME", help="Not older than this: 10m.")
@click.option("-t", "--tail", default=0, metavar="N", help="Only the last lines.")
@click.option("--raw", is_flag=True, help="Print the server's messages as they are.")
@project_option
@pass_session
def logs(
    session: Session,
    pipeline: str | None,
    job: JobReference | None,
    datum: str | None,
    inputs: str,
    follow: bool,
    master: bool,
    worker: bool,
    since: Duration | None,
    tail: int,
    raw: bool,
    project: str | None,
) -> None:
    """Print what a pipeline's code has written to its output.

    Without a pipeline or a job, it is the server's own log.
    """
    if pipeline and job:
        raise click.UsageError("--pipeline and --job exclude each other.")
    if datum and not job:
        raise click.UsageError("--datum needs --job.")
    name = session.project(project)
    request = pps_pb2.GetLogsRequest(
        data_filters=[path for path in inputs.split(",") if path],
        master=master,
        follow=follow,
        tail=tail,
        since=since or Duration(),
    )
    if pipeline or job:
        request.pipeline.name = pipeline or (job.pipeline if job else "")
        request.pipeline.project.name = name
    if job:
        request.job.CopyFrom(job_of(job, name))
        if datum:
            request.datum.CopyFrom(pps_pb2.Datum(job=request.job, id=datum))
    everything = not (pipeline or job)
    for message in session.server.pps.GetLogs(request):
        if raw:
            print_raw([message], "json")
        elif everything or _wanted(message, master=master, worker=worker):
            print(message.message.rstrip("\n"))
        if follow:
            sys.stdout.flush()


def _wanted(message: pps_pb2.LogMessage, *, master: bool, worker: bool) -> bool:
    if master:
        return message.master
    if worker:
        return not message.user and not message.master
    return message.user
