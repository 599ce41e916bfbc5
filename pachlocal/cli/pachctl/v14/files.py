"""Commands on files, as in 1.4; put.py writes them."""

from __future__ import annotations

from collections.abc import Iterable

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import pass_session
from pachlocal.cli.pachctl.pfs.diff import print_difference
from pachlocal.cli.pachctl.pfs.files import remove
from pachlocal.cli.pachctl.pfs.get import get
from pachlocal.cli.pachctl.printing.words import print_raw
from pachlocal.cli.pachctl.v14.open_commit import require_open_commit
from pachlocal.cli.pachctl.v14.options import old_command, point, raw_option
from pachlocal.cli.pachctl.v14.printing import kind, path, size, table
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2


@old_command("get-file")
@click.argument("repo")
@click.argument("commit")
@click.argument("file", metavar="PATH")
@click.option("-r", "--recursive", is_flag=True, help="A directory, with everything in it.")
@click.option(
    "-o", "--output", metavar="PATH", help="Write to this file instead of standard output."
)
# Files come in one stream.
@click.option("-p", "--parallelism", hidden=True, expose_value=False)
@pass_session
def get_file(
    session: Session, repo: str, commit: str, file: str, recursive: bool, output: str | None
) -> None:
    """Print a file, or write it or a directory to disk."""
    target = point(repo, commit, file).to_file(session.project())
    get(session, target, output, recursive=recursive)


@old_command("inspect-file")
@click.argument("repo")
@click.argument("commit")
@click.argument("file", metavar="PATH")
@raw_option
@pass_session
def inspect_file(session: Session, repo: str, commit: str, file: str, raw: bool) -> None:
    """Describe a file or a directory."""
    target = point(repo, commit, file).to_file(session.project())
    info = session.server.pfs.InspectFile(pfs_pb2.InspectFileRequest(file=target))
    if raw:
        print_raw([info], "json")
        return
    print(f"Path: {path(info)}")
    print(f"Type: {kind(info)}")
    print(f"Size: {size(info.size_bytes)}")
    if info.file_type == pfs_pb2.FileType.DIR:
        inside = session.server.pfs.ListFile(pfs_pb2.ListFileRequest(file=target))
        names = " ".join(path(child).rpartition("/")[2] for child in inside)
        print(f"Children: {names}")


@old_command("list-file")
@click.argument("repo")
@click.argument("commit")
@click.argument("file", metavar="[PATH]", required=False)
@raw_option
@pass_session
def list_file(session: Session, repo: str, commit: str, file: str | None, raw: bool) -> None:
    """List a directory, or the repo's root if no path is given."""
    target = point(repo, commit, file).to_file(session.project())
    _print_files(session.server.pfs.ListFile(pfs_pb2.ListFileRequest(file=target)), raw)


@old_command("glob-file")
@click.argument("repo")
@click.argument("commit")
@click.argument("pattern")
@raw_option
@pass_session
def glob_file(session: Session, repo: str, commit: str, pattern: str, raw: bool) -> None:
    """List the files and directories that a pattern matches."""
    request = pfs_pb2.GlobFileRequest(
        commit=point(repo, commit).to_commit(session.project()), pattern=pattern
    )
    _print_files(session.server.pfs.GlobFile(request), raw)


def _print_files(infos: Iterable[pfs_pb2.FileInfo], raw: bool) -> None:
    if raw:
        print_raw(infos, "json")
        return
    rows = table("NAME\tTYPE\tSIZE\t")
    for info in infos:
        rows.row(path(info), kind(info), size(info.size_bytes))
    rows.flush()


@old_command("diff-file")
@click.argument("words", nargs=-1, required=True, metavar="REPO COMMIT PATH [REPO2 COMMIT2 PATH2]")
@click.option("-s", "--shallow", is_flag=True, help="Don't descend into directories.")
@pass_session
def diff_file(session: Session, words: tuple[str, ...], shallow: bool) -> None:
    """Compare two files or directories; the second is by default the parent commit's."""
    if len(words) not in (3, 6):
        raise click.UsageError("Expected REPO COMMIT PATH, once or twice.")
    sides = [
        point(*words[at : at + 3]).to_file(session.project()) for at in range(0, len(words), 3)
    ]
    request = pfs_pb2.DiffFileRequest(new_file=sides[0], shallow=shallow)
    if len(sides) > 1:
        request.old_file.CopyFrom(sides[1])
    for pair in session.server.pfs.DiffFile(request):
        print_difference(session, pair)


@old_command("delete-file")
@click.argument("repo")
@click.argument("commit")
@click.argument("file", metavar="PATH")
@pass_session
def delete_file(session: Session, repo: str, commit: str, file: str) -> None:
    """Delete a file or a directory from an open commit."""
    where = point(repo, commit, file)
    if not file.strip("/"):
        raise CliError("the path is missing")
    require_open_commit(session, where)
    remove(session, where.to_file(session.project()), recursive=True)
