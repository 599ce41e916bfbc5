"""debug: what a maintainer asks for, written to a gzipped tar."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration

from pachlocal.cli.pachctl.client.local_files import name_of, read_text
from pachlocal.cli.pachctl.client.output_file import replacing
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import F, command, pass_session, project_option
from pachlocal.cli.pachctl.pps.logs import read_duration
from pachlocal.cli.pachctl.pps.pipelines import pipeline_of
from pachlocal.cli.pachctl.pps.yaml_documents import yaml_documents
from pachlocal.cli.pachctl.printing.words import data_text, print_data
from pachlocal.errors import CliError
from pachlocal.proto import debug_pb2

_file_argument = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@command("template")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@pass_session
def template(session: Session, file: Path | None) -> None:
    """Print, or write to a file, a dump's parts, to be reduced and passed to debug dump."""
    wanted = json_format.MessageToDict(_everything(session))
    if file is None:
        print_data(wanted, "yaml")
    else:
        _write(file, [data_text(wanted, "yaml").encode()])


@command("dump")
@_file_argument
@click.option(
    "-t", "--template", "path", metavar="FILE", help="A template of the parts to include."
)
@pass_session
def dump(session: Session, file: Path, path: str | None) -> None:
    """Write versions, specifications, jobs, logs and counts of the store to a gzipped tar.

    The archive has no secrets and no data of repos.
    """
    request = _read_template(path) if path else _everything(session)
    _write(file, _contents(session.server.debug.DumpV2(request)))


def _filtered(wrapped: F) -> F:
    for option in (
        project_option,
        click.option("-w", "--worker", metavar="NAME", help="Of this worker."),
        click.option("-p", "--pipeline", metavar="NAME", help="Of a pipeline's workers."),
        click.option("--pachd", is_flag=True, help="Of the server alone."),
    ):
        wrapped = option(wrapped)
    return wrapped


@command("profile")
@click.argument("profile")
@_file_argument
@click.option(
    "-d",
    "--duration",
    callback=read_duration,
    default="1m",
    help="How long to measure.  [default: 1m]",
)
@_filtered
@pass_session
def profile(
    session: Session,
    profile: str,
    file: Path,
    duration: Duration,
    pachd: bool,
    pipeline: str | None,
    worker: str | None,
    project: str | None,
) -> None:
    """Write where a server spends its time: the profiles cpu and goroutine, heap on a cluster."""
    request = debug_pb2.ProfileRequest(
        profile=debug_pb2.Profile(name=profile, duration=duration),
        filter=_filter(session, pachd, pipeline, worker, project),
    )
    _write(file, (piece.value for piece in session.server.debug.Profile(request)))


@command("binary")
@_file_argument
@_filtered
@pass_session
def binary(
    session: Session,
    file: Path,
    pachd: bool,
    pipeline: str | None,
    worker: str | None,
    project: str | None,
) -> None:
    """Write the program that a server runs."""
    request = debug_pb2.BinaryRequest(filter=_filter(session, pachd, pipeline, worker, project))
    _write(file, (piece.value for piece in session.server.debug.Binary(request)))


def _everything(session: Session) -> debug_pb2.DumpV2Request:
    request = debug_pb2.GetDumpV2TemplateRequest()
    return session.server.debug.GetDumpV2Template(request).request


def _read_template(path: str) -> debug_pb2.DumpV2Request:
    documents = list(yaml_documents(read_text(path), name_of(path)))
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise CliError(f"{name_of(path)}: expected one object, as `pachctl debug template` prints")
    try:
        return json_format.ParseDict(documents[0], debug_pb2.DumpV2Request())
    except json_format.ParseError as error:
        raise CliError(f"{name_of(path)}: {' '.join(str(error).split())}") from None


def _contents(chunks: Iterable[debug_pb2.DumpChunk]) -> Iterator[bytes]:
    shown = sys.stderr.isatty()
    for chunk in chunks:
        if chunk.HasField("content"):
            yield chunk.content.content
        elif shown:
            done = chunk.progress
            sys.stderr.write(f"\r{done.task} {done.progress}/{done.total} ")
    if shown:
        sys.stderr.write("\n")


def _filter(
    session: Session, pachd: bool, pipeline: str | None, worker: str | None, project: str | None
) -> debug_pb2.Filter | None:
    if sum(map(bool, (pachd, pipeline, worker))) > 1:
        raise click.UsageError("--pachd, --pipeline and --worker exclude each other.")
    if pachd:
        return debug_pb2.Filter(pachd=True)
    if pipeline:
        return debug_pb2.Filter(pipeline=pipeline_of(pipeline, session.project(project)))
    return debug_pb2.Filter(worker=debug_pb2.Worker(pod=worker)) if worker else None


def _write(file: Path, pieces: Iterable[bytes]) -> None:
    with replacing(file) as out:
        out.writelines(pieces)
