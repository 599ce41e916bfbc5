"""The code that a job ran, given back."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from pachlocal.cli.pachctl.client.local_service import code_of, local_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import command, pass_session, project_option
from pachlocal.cli.pachctl.pfs.get import StreamReader
from pachlocal.cli.pachctl.pps.finding import find_datum, find_job
from pachlocal.cli.pachctl.printing.code import short
from pachlocal.cli.pachctl.printing.progress import TransferProgress
from pachlocal.cli.pachctl.references import JOB, JobReference
from pachlocal.code_archive import unpack
from pachlocal.errors import CliError
from pachlocal.proto import local_pb2

_CHUNK = 1024 * 1024


@command("code")
@click.argument("job", type=JOB)
@click.option(
    "-o", "--output", required=True, metavar="DIR", help="The directory to write: new or empty."
)
@click.option(
    "--datum", default="", metavar="ID", help="Write the code that made this datum's output."
)
@project_option
@pass_session
def get_code(
    session: Session, job: JobReference, output: str, datum: str, project: str | None
) -> None:
    """Write the code that a job ran, as it was at the job's start, into a directory."""
    target = find_job(session, job, session.project(project))
    folder = Path(output)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CliError(f"{output} exists and isn't an empty directory")
    id_ = find_datum(session, target, datum).id if datum else ""
    request = local_pb2.GetCodeRequest(job=target, datum_id=id_)
    with code_archive(session, request) as archive:
        folder.mkdir(parents=True, exist_ok=True)
        count = unpack(archive, archive, folder)
    name = "" if datum else f"code {short(code_of(session, target).version.name)}, "
    print(f"{output}: {name}{count} {'file' if count == 1 else 'files'}")


@contextmanager
def code_archive(session: Session, request: local_pb2.GetCodeRequest) -> Iterator[tarfile.TarFile]:
    """Ask for a version's files."""
    pieces = local_of(session).GetCode(request)
    with TransferProgress(wanted=False) as meter:
        stream = io.BufferedReader(StreamReader(pieces, meter), _CHUNK)
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            yield archive
