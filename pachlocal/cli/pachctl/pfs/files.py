"""Commands that look at files, copy and delete them; put.py writes and get.py reads."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    command,
    no_full_timestamps_option,
    output_options,
    pass_session,
    project_option,
)
from pachlocal.cli.pachctl.pfs.writes import check_commit, tell_of_new_branch
from pachlocal.cli.pachctl.printing.words import print_raw, size
from pachlocal.cli.pachctl.references import FILE, FILE_PATH, Reference
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2

if TYPE_CHECKING:
    from pachlocal.proto import local_pb2

# No table: a directory of a million files comes line by line. The header has room for a size.
_HEADER = "SIZE   \tNAME"


@command("file")
@click.argument("file", type=FILE)
@no_full_timestamps_option
@project_option
@output_options
@pass_session
def list_file(session: Session, file: Reference, project: str | None, raw: str | None) -> None:
    """List a directory, or the repo's root if no path is given."""
    request = pfs_pb2.ListFileRequest(file=file.to_file(session.project(project)))
    local = None if raw else session.server.local
    if local is None:
        _print_files(session.server.pfs.ListFile(request), raw)
    else:
        _print_batches(local.ListFiles(request))


@command("file")
@click.argument("pattern", type=FILE_PATH, metavar="REPO@BRANCH-OR-COMMIT:PATTERN")
@no_full_timestamps_option
@project_option
@output_options
@pass_session
def glob_file(session: Session, pattern: Reference, project: str | None, raw: str | None) -> None:
    """List the files and directories that a pattern matches, as in "data@master:/*.csv".

    The quotes keep the shell from expanding the pattern.
    """
    request = pfs_pb2.GlobFileRequest(
        commit=pattern.to_commit(session.project(project)), pattern=pattern.path or ""
    )
    _print_files(session.server.pfs.GlobFile(request), raw)


def _print_files(infos: Iterable[pfs_pb2.FileInfo], raw: str | None) -> None:
    if raw:
        print_raw(infos, raw)
        return
    rest = iter(infos)
    first = next(rest, None)  # an error comes here, instead of the header
    print(_HEADER)
    for info in chain([first] if first else [], rest):
        print(f"{size(info.size_bytes)}\t{info.file.path}")


def _print_batches(batches: Iterator[local_pb2.ListFilesResponse]) -> None:
    first = next(batches, None)
    print(_HEADER)
    for batch in chain([first] if first else [], batches):
        lines = [f"{size(file.size_bytes)}\t{file.path}\n" for file in batch.files]
        sys.stdout.write("".join(lines))


@command("file")
@click.argument("file", type=FILE_PATH)
@project_option
@output_options
@pass_session
def inspect_file(session: Session, file: Reference, project: str | None, raw: str | None) -> None:
    """Describe a file or a directory."""
    request = pfs_pb2.InspectFileRequest(file=file.to_file(session.project(project)))
    info = session.server.pfs.InspectFile(request)
    if raw:
        print_raw([info], raw)
        return
    print(f"Path: {info.file.path}")
    print(f"Datum: {info.file.datum}")
    print(f"Type: {'file' if info.file_type == pfs_pb2.FileType.FILE else 'dir'}")
    print(f"Size: {size(info.size_bytes)}")


@command("file")
@click.argument("file", type=FILE_PATH)
@click.option("-r", "--recursive", is_flag=True, help="A directory, with everything in it.")
@project_option
@pass_session
def delete_file(session: Session, file: Reference, recursive: bool, project: str | None) -> None:
    """Delete a file, in the branch's open commit or in a new commit."""
    remove(session, file.to_file(session.project(project)), recursive=recursive)


def remove(session: Session, target: pfs_pb2.File, *, recursive: bool) -> None:
    """Delete a file, or a directory.

    Args:
        session: The call's session.
        target: What to delete.
        recursive: It may be a directory.

    Raises:
        CliError: It is a directory, and may not be.
    """
    # The server takes a path that isn't there, and a directory without -r, and does nothing.
    info = session.server.pfs.InspectFile(pfs_pb2.InspectFileRequest(file=target))
    if info.file_type == pfs_pb2.FileType.DIR and not recursive:
        raise CliError(f"{info.file.path} is a directory: add -r to delete all that is in it")
    path = target.path if not recursive or target.path.endswith("/") else f"{target.path}/"
    if info.file_type == pfs_pb2.FileType.FILE:
        path = target.path
    change = pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=path))
    session.server.pfs.ModifyFile(_stream(target.commit, change))


@command("file")
@click.argument("source", type=FILE_PATH)
@click.argument("destination", type=FILE_PATH)
@click.option(
    "-a", "--append", is_flag=True, help="Append to existing files instead of replacing them."
)
@click.option("--src-project", metavar="NAME", help="The source's project, if it is another one.")
@click.option("--dest-project", metavar="NAME", help="The destination's project, likewise.")
@project_option
@pass_session
def copy_file(
    session: Session,
    source: Reference,
    destination: Reference,
    append: bool,
    src_project: str | None,
    dest_project: str | None,
    project: str | None,
) -> None:
    """Copy a file or a directory within the store, without moving its bytes."""
    target = destination.to_file(session.project(dest_project or project))
    change = pfs_pb2.CopyFile(
        dst=target.path,
        src=source.to_file(session.project(src_project or project)),
        append=append,
    )
    change_request = pfs_pb2.ModifyFileRequest(copy_file=change)
    asked = pfs_pb2.InspectRepoRequest(repo=target.commit.repo)
    before = session.server.pfs.InspectRepo(asked)
    session.server.pfs.ModifyFile(_stream(target.commit, change_request))
    tell_of_new_branch(before, destination.branch)
    check_commit(session, target.commit)


def _stream(
    commit: pfs_pb2.Commit, change: pfs_pb2.ModifyFileRequest
) -> Iterator[pfs_pb2.ModifyFileRequest]:
    return iter([pfs_pb2.ModifyFileRequest(set_commit=commit), change])
