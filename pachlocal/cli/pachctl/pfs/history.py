"""Commands on what a repo has been through: find the commits of a file, remove commits."""

from __future__ import annotations

from collections.abc import Iterator

import click

from pachlocal.cli.pachctl.client.failures import call_error, status_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import command, pass_session, project_option, transactional
from pachlocal.cli.pachctl.printing.durations import DURATION
from pachlocal.cli.pachctl.printing.repos import full_name
from pachlocal.cli.pachctl.printing.words import print_raw
from pachlocal.cli.pachctl.references import COMMIT, FILE_PATH, Reference, is_id
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2

_recursive_option = click.option(
    "-r", "--recursive", is_flag=True, help="With the commits that were made from it."
)


@command("commit")
@click.argument("file", type=FILE_PATH)
@click.option(
    "--limit", type=click.IntRange(0, 2**32 - 1), default=0, metavar="N", help="At most this many."
)
@click.option(
    "--timeout", type=DURATION, metavar="TIME", help="Search for at most this long, such as 10s."
)
@click.option("--json", "as_json", is_flag=True, help="Print the server's unformatted answers.")
@project_option
@pass_session
def find_commit(
    session: Session,
    file: Reference,
    limit: int,
    timeout: float | None,
    as_json: bool,
    project: str | None,
) -> None:
    """Print the commits that changed a file, backwards from a branch's head or a commit."""
    request = pfs_pb2.FindCommitsRequest(
        start=file.to_commit(session.project(project)), file_path=file.path or "", limit=limit
    )
    answers = session.server.pfs.FindCommits(request, timeout=timeout)
    if as_json:
        print_raw(_until_late(answers), "json")
        return
    searched, last = 0, None
    for answer in _until_late(answers):
        if answer.HasField("found_commit"):
            print(_name(answer.found_commit))
        else:
            last = answer.last_searched_commit
        searched = answer.commits_searched
    if last is None:
        raise CliError("the time is over; earlier commits have not been searched")
    print(f"{searched} searched, back to {_name(last)}")


def _until_late(
    answers: Iterator[pfs_pb2.FindCommitsResponse],
) -> Iterator[pfs_pb2.FindCommitsResponse]:
    try:
        yield from answers
    except call_error() as error:
        if status_of(error).name != "DEADLINE_EXCEEDED":
            raise


def _name(commit: pfs_pb2.Commit) -> str:
    return f"{full_name(commit.repo)}@{commit.id}"


@command("commit")
@click.argument("commit", metavar="ID|REPO@BRANCH-OR-COMMIT")
@_recursive_option
@project_option
@pass_session
@transactional
def squash_commit(session: Session, commit: str, recursive: bool, project: str | None) -> None:
    """Remove commits; their changes stay in the commits that follow them.

    An ID means every repo's commit with this ID.
    """
    if is_id(commit):
        _refuse_recursive(recursive)
        commit_set = pfs_pb2.CommitSet(id=commit)
        session.server.pfs.SquashCommitSet(pfs_pb2.SquashCommitSetRequest(commit_set=commit_set))
        return
    target = COMMIT.convert(commit, None, None).to_commit(session.project(project))
    request = pfs_pb2.SquashCommitRequest(commit=target, recursive=recursive)
    session.server.pfs.SquashCommit(request)


@command("commit")
@click.argument("commit", metavar="ID|REPO@BRANCH-OR-COMMIT")
@_recursive_option
@project_option
@pass_session
def delete_commit(session: Session, commit: str, recursive: bool, project: str | None) -> None:
    """Remove commits and their changes; none may have a child commit.

    An ID means every repo's commit with this ID.
    """
    if is_id(commit):
        _refuse_recursive(recursive)
        commit_set = pfs_pb2.CommitSet(id=commit)
        session.server.pfs.DropCommitSet(pfs_pb2.DropCommitSetRequest(commit_set=commit_set))
        return
    target = COMMIT.convert(commit, None, None).to_commit(session.project(project))
    session.server.pfs.DropCommit(pfs_pb2.DropCommitRequest(commit=target, recursive=recursive))


def _refuse_recursive(recursive: bool) -> None:
    if recursive:
        raise click.UsageError("-r needs REPO@COMMIT; an id means the commits of all repos anyway.")
