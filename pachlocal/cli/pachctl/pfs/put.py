"""put file: one stream that carries any number of files, in constant memory."""

from __future__ import annotations

import click
import grpc

from pachlocal.cli.pachctl.client.local_files import read_text_at
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import command, pass_session, progress_option, project_option
from pachlocal.cli.pachctl.pfs.sources import STDIN, Item, check, is_url, target_of
from pachlocal.cli.pachctl.pfs.upload import Upload
from pachlocal.cli.pachctl.pfs.writes import check_commit, tell_of_new_branch
from pachlocal.cli.pachctl.printing.progress import TransferProgress
from pachlocal.cli.pachctl.references import FILE, Reference
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2


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
    help="Put the sources listed in a file, one a line; LIST may be a URL, or -.",
)
@click.option("-r", "--recursive", is_flag=True, help="Put directories, with everything in them.")
@click.option(
    "-a", "--append", is_flag=True, help="Append to existing files instead of replacing them."
)
@click.option(
    "--full-path", is_flag=True, help="Keep the source's whole path, not only its last part."
)
@click.option(
    "--untar", is_flag=True, help="Put the files in .tar, .tar.gz and .tgz archives instead."
)
@click.option("-c", "--compress", is_flag=True, help="Compress the transfer.")
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
    untar: bool,
    compress: bool,
    progress: bool,
    project: str | None,
) -> None:
    """Write files into the branch's open commit, or into a new commit.

    An existing file is replaced. Without a path, a source keeps its name; with a path, a single
    source gets that path, and several sources go below it.
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
        untar=untar,
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
    untar: bool = False,
    compress: bool = False,
    progress: bool = True,
) -> None:
    """Write sources to where they go.

    Args:
        session: The call's session.
        file: Names the branch or commit.
        items: The sources with their targets.
        project: What --project says.
        append: Append to existing files instead of replacing them.
        recursive: Put directories, with everything in them.
        untar: Put the files in archives.
        compress: Compress the transfer.
        progress: Show how far it is, on a terminal.

    Raises:
        CliError: A source can't be read, or the commit that was made isn't valid.
    """
    name = session.project(project)
    # A missing repo is told here; the stream would report it by its own words, if at all.
    before = session.server.pfs.InspectRepo(pfs_pb2.InspectRepoRequest(repo=file.to_repo(name)))
    totals = [check(item.source, recursive=recursive) for item in items]
    files = sum(total.files for total in totals)
    # To know the bytes of many files, each would have to be asked.
    size = totals[0].size if files == 1 else 0
    commit = file.to_commit(name)
    with TransferProgress(wanted=progress, files=files, size_bytes=size) as meter:
        upload = Upload(commit, items, meter, append=append, recursive=recursive, untar=untar)
        upload.run(session.server, grpc.Compression.Gzip if compress else None)
    tell_of_new_branch(before, file.branch)
    check_commit(session, commit)


def sources_in(input_file: str) -> list[str]:
    """Read a list of sources, one a line.

    Args:
        input_file: A file, a URL, or - for standard input.

    Raises:
        CliError: It can't be read or fetched.
    """
    if is_url(input_file) and not input_file.startswith(("http://", "https://")):
        raise CliError(f"{input_file}: a list comes from http:// or https://")
    text = read_text_at(input_file)
    if "\0" in text:
        raise CliError(f"{input_file}: not a text file")
    return [line.strip() for line in text.splitlines() if line.strip()]
