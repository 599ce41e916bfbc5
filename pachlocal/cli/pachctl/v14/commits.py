"""Commands on commits, as in 1.4."""

from __future__ import annotations

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import COUNT, pass_session, transactional
from pachlocal.cli.pachctl.pfs.commits import begin_commit, end_commit, from_of, provenance_of
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.words import print_raw, seconds_of
from pachlocal.cli.pachctl.references import Reference
from pachlocal.cli.pachctl.v14.options import old_command, point, raw_option
from pachlocal.cli.pachctl.v14.printing import ago, size, span, table
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2


@old_command("start-commit")
@click.argument("repo")
@click.argument("branch", required=False)
@click.option(
    "-p", "--parent", metavar="COMMIT", help="The parent commit.  [default: the branch's head]"
)
@click.option("--description", default="", metavar="TEXT", help="A description of the commit.")
@pass_session
@transactional
def start_commit(
    session: Session, repo: str, branch: str | None, parent: str | None, description: str
) -> None:
    """Open a commit on a branch, and print its id."""
    if branch is None:
        raise CliError("a commit needs a branch nowadays: name one, as in start-commit REPO master")
    name = session.project()
    target = Reference(repo, branch=branch).to_branch(name)
    request = pfs_pb2.StartCommitRequest(branch=target, description=description)
    if parent:
        request.parent.CopyFrom(point(repo, parent).to_commit(name))
    begin_commit(session, request)


@old_command("finish-commit")
@click.argument("repo")
@click.argument("commit")
@pass_session
@transactional
def finish_commit(session: Session, repo: str, commit: str) -> None:
    """Finish a commit, or a branch's open one; the pipelines that read it start."""
    target = point(repo, commit).to_commit(session.project())
    end_commit(session, pfs_pb2.FinishCommitRequest(commit=target))


@old_command("inspect-commit")
@click.argument("repo")
@click.argument("commit")
@raw_option
@pass_session
def inspect_commit(session: Session, repo: str, commit: str, raw: bool) -> None:
    """Describe a commit, with its whole provenance."""
    request = pfs_pb2.InspectCommitRequest(
        commit=point(repo, commit).to_commit(session.project()), wait=pfs_pb2.CommitState.STARTED
    )
    info = session.server.pfs.InspectCommit(request)
    if raw:
        print_raw([info], "json")
        return
    print(f"Commit: {info.commit.repo.name}/{info.commit.id}")
    if info.HasField("parent_commit"):
        print(f"Parent: {info.parent_commit.id}")
    print(f"Started: {ago(info, 'started')}")
    if info.HasField("finished"):
        print(f"Finished: {ago(info, 'finished')}")
    print(f"Size: {_size(info)}")
    origins = [it for it in provenance_of(session, info) if it.repo.type in ("", "user")]
    if origins:
        print("Provenance:  " + "  ".join(f"{it.repo.name}/{it.id}" for it in origins))


@old_command("list-commit")
@click.argument("repo")
@click.argument("commit", required=False)
@click.option("-f", "--from", "start", metavar="COMMIT", help="Only those after this one.")
@click.option("-n", "--number", type=COUNT, default=0, metavar="N", help="At most this many.")
@raw_option
@pass_session
def list_commit(
    session: Session, repo: str, commit: str | None, start: str | None, number: int, raw: bool
) -> None:
    """List a repo's commits, newest first; with COMMIT, its ancestors."""
    name = session.project()
    request = pfs_pb2.ListCommitRequest(repo=Reference(repo).to_repo(name), number=number)
    if commit:
        request.to.CopyFrom(point(repo, commit).to_commit(name))
    if start:
        from_of(request).CopyFrom(point(repo, start).to_commit(name))
    infos = session.server.pfs.ListCommit(request)
    if raw:
        print_raw(infos, "json")
        return
    rows = commit_table()
    for info in infos:
        add_commit(rows, info)
    rows.flush()


def commit_table(*, live: bool = False) -> Table:
    """Start a table of commits."""
    return table("REPO\tID\tPARENT\tSTARTED\tDURATION\tSIZE\t", live=live)


def add_commit(rows: Table, info: pfs_pb2.CommitInfo) -> None:
    """Print a commit as a row."""
    duration = "-"
    if info.HasField("finished"):
        duration = span(seconds_of(info.finished) - seconds_of(info.started))
    rows.row(
        info.commit.repo.name,
        info.commit.id,
        info.parent_commit.id or "<none>",
        ago(info, "started"),
        duration,
        _size(info),
    )


def _size(info: pfs_pb2.CommitInfo) -> str:
    known = info.HasField("finished")
    return size(info.details.size_bytes if known else info.size_bytes_upper_bound)


@old_command("delete-commit")
@click.argument("repo")
@click.argument("commit")
@pass_session
def delete_commit(session: Session, repo: str, commit: str) -> None:
    """Remove a commit and its changes; it may have no children."""
    target = point(repo, commit).to_commit(session.project())
    session.server.pfs.DropCommit(pfs_pb2.DropCommitRequest(commit=target))
