"""The logs of pipelines and jobs."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator

import click
from google.protobuf.duration_pb2 import Duration

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import COUNT, command, pass_session, project_option
from pachlocal.cli.pachctl.pps.finding import find_datum, find_job
from pachlocal.cli.pachctl.printing.log_lines import LinePrefix
from pachlocal.cli.pachctl.printing.words import print_raw
from pachlocal.cli.pachctl.references import JOB, JobReference
from pachlocal.durations import parse_nanoseconds
from pachlocal.errors import CliError
from pachlocal.proto import local_pb2, pps_pb2

Writer = local_pb2.ReadLogsRequest.Writer


def parse_duration(text: str) -> Duration:
    """Read a length of time: 90s, 1h30m, 0.

    Raises:
        ValueError: It is none.
    """
    nanos = parse_nanoseconds(text)
    return Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)


def read_duration(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> Duration | None:
    """Read an option's length of time, for click."""
    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


tail_option = click.option(
    "-t", "--tail", type=COUNT, default=0, metavar="N", help="Only the last N of these."
)


@command("logs")
@click.option("-p", "--pipeline", metavar="NAME", help="The log of this pipeline's jobs.")
@click.option("-j", "--job", type=JOB, help="The log of this job.")
@click.option(
    "--datum",
    metavar="ID",
    help="Only lines of this datum; needs --job. The beginning of its ID is enough.",
)
@click.option(
    "--inputs", default="", metavar="PATHS", help="Only lines of datums with these files: /a,/b."
)
@click.option("-f", "--follow", is_flag=True, help="Follow the log as it grows, until Ctrl-C.")
@click.option("--master", is_flag=True, help="The log of the pipeline's controller.")
@click.option("--worker", is_flag=True, help="The workers' own log lines.")
@click.option("--user", is_flag=True, help="The output of all pipelines' code.")
@click.option(
    "--prefix/--no-prefix",
    default=None,
    help="Begin each line with its time, pipeline, job and datum, where these differ."
    "  [default: on a terminal]",
)
@click.option(
    "--since",
    callback=read_duration,
    metavar="TIME",
    help="Only lines newer than this, such as 10m.",
)
@tail_option
@click.option("--raw", is_flag=True, help="Print the server's unformatted messages.")
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
    user: bool,
    prefix: bool | None,
    since: Duration | None,
    tail: int,
    raw: bool,
    project: str | None,
) -> None:
    """Print the output of a pipeline's code.

    Without a pipeline or a job, it prints the server's own log. With pachlocal, that includes all
    pipelines' logs, so --follow follows the whole DAG.
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
        request.job.CopyFrom(find_job(session, job, name))
        if datum:
            request.datum.CopyFrom(find_datum(session, request.job, datum))
            # Of a datum that isn't there the server has no lines, and says no more.
            session.server.pps.InspectDatum(pps_pb2.InspectDatumRequest(datum=request.datum))
    if raw:
        for message in session.server.pps.GetLogs(request):
            print_raw([message], "json")
            sys.stdout.flush()
        return
    writer = Writer.MASTER if master else Writer.WORKER if worker else Writer.USER
    if not (pipeline or job or user or worker):
        writer = Writer.ALL
    speak_several = not datum
    if prefix or (prefix is None and speak_several and sys.stdout.isatty()):
        shown = LinePrefix(pipeline=not (pipeline or job), job=not job)
        messages = log_messages(session, request, writer)
        _print((line for message in messages for line in shown.lines(message)), flush=follow)
    else:
        _print(log_texts(session, request, writer), flush=follow)


def log_messages(
    session: Session, request: pps_pb2.GetLogsRequest, writer: Writer.ValueType
) -> Iterator[pps_pb2.LogMessage]:
    """Return what was written and by whom, one line or several at a time; see `log_texts`.

    Raises:
        CliError: A cluster can't tell the last lines and then go on.
    """
    local = session.server.local
    if local is None:
        return _of_cluster(session, request, writer)
    wanted = local_pb2.ReadLogsRequest(request=request, writer=writer, details=True)
    return _details(local.ReadLogs(wanted))


def _details(pages: Iterable[local_pb2.ReadLogsResponse]) -> Iterator[pps_pb2.LogMessage]:
    for page in pages:
        yield from page.messages
        # An older pachlocal tells the texts alone.
        yield from (pps_pb2.LogMessage(message=text, user=True) for text in page.texts)


def log_texts(
    session: Session, request: pps_pb2.GetLogsRequest, writer: Writer.ValueType
) -> Iterator[str]:
    """Return what was written, one line or several at a time.

    Args:
        session: The call's session.
        request: What is wanted; its `tail` counts lines of the writer alone.
        writer: Whose lines.

    Raises:
        CliError: A cluster can't tell the last lines and then go on.
    """
    local = session.server.local
    if local is not None:
        pages = local.ReadLogs(local_pb2.ReadLogsRequest(request=request, writer=writer))
        return (text for page in pages for text in page.texts)
    return (it.message.rstrip("\n") for it in _of_cluster(session, request, writer))


def _of_cluster(
    session: Session, request: pps_pb2.GetLogsRequest, writer: Writer.ValueType
) -> Iterator[pps_pb2.LogMessage]:
    """Return the lines that a cluster has.

    Raises:
        CliError: It can't tell the last lines and then go on.
    """
    if request.tail and request.follow:
        raise CliError("a cluster doesn't know --tail with --follow: use --since")
    # A cluster counts lines before it looks at whose they are, or ignores how many are wanted.
    everything = pps_pb2.GetLogsRequest()
    everything.CopyFrom(request)
    everything.tail = 0
    messages = session.server.pps.GetLogs(everything)
    found = (message for message in messages if _wrote(writer, message))
    return iter(deque(found, request.tail)) if request.tail else found


def _wrote(writer: Writer.ValueType, message: pps_pb2.LogMessage) -> bool:
    if writer == Writer.MASTER:
        return message.master
    if writer == Writer.WORKER:
        return not message.user and not message.master
    return message.user or writer == Writer.ALL


def _print(texts: Iterator[str], *, flush: bool) -> None:
    for text in texts:
        print(text, flush=flush)
