"""put-file, as in 1.4."""

from __future__ import annotations

import posixpath
from urllib.parse import urlsplit

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import pass_session
from pachlocal.cli.pachctl.pfs.put import put_sources, sources_in
from pachlocal.cli.pachctl.pfs.sources import STDIN, Item, is_url
from pachlocal.cli.pachctl.references import Reference
from pachlocal.cli.pachctl.v14.open_commit import is_open, require_open_commit
from pachlocal.cli.pachctl.v14.options import old_command, point
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2


@old_command("put-file")
@click.argument("repo")
@click.argument("branch")
@click.argument("file", metavar="[PATH]", required=False)
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
    "-i", "--input-file", metavar="LIST", help="Put the sources listed in a file, one a line."
)
@click.option("-r", "--recursive", is_flag=True, help="Put directories, with everything in them.")
@click.option("-c", "--commit", "own_commit", is_flag=True, help="Put the files in a new commit.")
# Files share one stream.
@click.option("-p", "--parallelism", hidden=True, expose_value=False)
@click.option("--split", type=click.Choice(["line", "json"]), help="Split a file into many.")
@click.option("--target-file-datums", type=int, hidden=True, expose_value=False)
@click.option("--target-file-bytes", type=int, hidden=True, expose_value=False)
@pass_session
def put_file(
    session: Session,
    repo: str,
    branch: str,
    file: str | None,
    sources: tuple[str, ...],
    input_file: str | None,
    recursive: bool,
    own_commit: bool,
    split: str | None,
) -> None:
    """Add files to an open commit, or with -c in a new commit.

    What is put where a file is already is added to its end, as it was in 1.4. Without a path, a
    source keeps its own path.
    """
    if split:
        raise CliError("--split is gone from Pachyderm; split the file before you put it")
    names = sources_in(input_file) if input_file else list(sources or [STDIN])
    if STDIN in names:
        if not file:
            raise CliError("standard input has no name: say where it goes, behind the branch")
        print("Reading from stdin.")
    items = [Item(name, _target(name, file, alone=len(names) == 1)) for name in names]
    where = point(repo, branch)
    # A missing repo is told before a missing commit.
    session.server.pfs.InspectRepo(
        pfs_pb2.InspectRepoRequest(repo=where.to_repo(session.project()))
    )
    if not own_commit:
        require_open_commit(session, where)
    else:
        _require_finished(session, where)  # then the stream makes a commit of its own
    put_sources(session, where, items, append=True, recursive=recursive)


def _require_finished(session: Session, where: Reference) -> None:
    if where.commit:
        raise click.UsageError("-c needs a branch, not a commit.")
    if is_open(session, where):
        name = f"{where.repo} {where.branch}"
        raise CliError(f"{name} has an open commit: leave out -c, or finish it first")


def _target(source: str, path: str | None, *, alone: bool) -> str:
    kept = urlsplit(source).path.lstrip("/") if is_url(source) else source
    if not path:
        return posixpath.normpath(kept)
    return path if alone else posixpath.normpath(posixpath.join(path, kept.lstrip("/")))
