"""put file: one stream that carries any number of files, in constant memory."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import grpc

from pachlocal.cli.pachctl.errors import CliError
from pachlocal.cli.pachctl.options import command, pass_session, progress_option, project_option
from pachlocal.cli.pachctl.progress import Progress
from pachlocal.cli.pachctl.references import FILE, Reference
from pachlocal.cli.pachctl.session import Session
from pachlocal.cli.pachctl.sources import STDIN, Item, check, is_url, target_of
from pachlocal.cli.pachctl.upload import Upload
from pachlocal.proto import pfs_pb2

_LIST_TIMEOUT_S = 60.0


@command("file")
@click.argument("file", type=FILE)
@click.option(
    "-f",
    "--file",
    "sources",
    type=click.Path(),  # also to be completed as one
    multiple=True,
    metavar="SOURCE",
    help="A file, a directory (with -r), a URL, or - for standard input. May be given repeatedly.",
)
@click.option(
    "-i",
    "--input-file",
    type=click.Path(),
    metavar="LIST",
    help="Put what a file names, one source a line; LIST may be a URL, or -.",
)
@click.option("-r", "--recursive", is_flag=True, help="Put directories, with all that is in them.")
@click.option("-a", "--append", is_flag=True, help="Add to what is there instead of replacing it.")
@click.option(
    "--full-path", is_flag=True, help="Keep the source's whole path, not its last part alone."
)
@click.option("-c", "--compress", is_flag=True, help="Compress what goes over the network.")
# Files share one stream here; scripts that ask for more must not fail.
@click.option("-p", "--parallelism", hidden=True, expose_value=False)
@progress_option
@project_option
@pass_session
def put_file(
    session: Session,
    file: Reference,
    sources: tuple[str, ...],
    input_file: str | None,
    recursive: bool,
    append: bool,
    full_path: bool,
    compress: bool,
    progress: bool,
    project: str | None,
) -> None:
    """Write files into the branch's open commit, or into a commit of their own.

    A file that is there is replaced. Without a path, a source keeps its name; with one, a single
    source gets that path, and several go below it.
    """
    names = sources_in(input_file) if input_file else list(sources or [STDIN])
    put_sources(
        session,
        file,
        [
            Item(
                name,
                target_of(
                    name, file.path, recursive=recursive, full_path=full_path, alone=len(names) == 1
                ),
            )
            for name in names
        ],
        project=project,
        append=append,
        recursive=recursive,
        compress=compress,
        progress=progress,
    )


def put_sources(
    session: Session,
    file: Reference,
    items: list[Item],
    *,
    project: str | None = None,
    append: bool = False,
    recursive: bool = False,
    compress: bool = False,
    progress: bool = True,
) -> None:
    """Write sources to where they go.

    Args:
        session: The call's session.
        file: Names the branch or commit.
        items: The sources with their targets.
        project: What --project says.
        append: Add to what is there instead of replacing it.
        recursive: Put directories, with all that is in them.
        compress: Compress what goes over the network.
        progress: Show how far it is, on a terminal.
    """
    totals = [check(item.source, recursive=recursive) for item in items]
    name = session.project(project)
    # A missing repo is told here; the stream would report it by its own words, if at all.
    session.server.pfs.InspectRepo(pfs_pb2.InspectRepoRequest(repo=file.to_repo(name)))
    files = sum(total.files for total in totals)
    # To know the bytes of many files, each would have to be asked.
    size = totals[0].size if files == 1 else 0
    with Progress(wanted=progress, files=files, size_bytes=size) as meter:
        upload = Upload(file.to_commit(name), items, meter, append=append, recursive=recursive)
        upload.run(session.server, grpc.Compression.Gzip if compress else None)


def sources_in(input_file: str) -> list[str]:
    """Read a list of sources, one a line.

    Args:
        input_file: A file, a URL, or - for standard input.

    Raises:
        CliError: It can't be fetched.
    """
    if is_url(input_file):
        text = _fetch(input_file)
    elif input_file == STDIN:
        text = sys.stdin.read()
    else:
        text = Path(input_file).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _fetch(url: str) -> str:
    from urllib.request import urlopen

    if not url.startswith(("http://", "https://")):
        raise CliError(f"{url}: a list comes from http:// or https://")
    try:
        with urlopen(url, timeout=_LIST_TIMEOUT_S) as answer:  # noqa: S310 - the line above checks
            content: bytes = answer.read()
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise CliError(f"{url}: {getattr(reason, 'strerror', None) or reason}") from None
    return content.decode()
