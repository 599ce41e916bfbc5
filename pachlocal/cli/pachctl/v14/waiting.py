"""Commands that wait for commits, as in 1.4."""

from __future__ import annotations

from collections.abc import Iterator

import click
import grpc

from pachlocal.cli.pachctl.client.failures import status_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import pass_session
from pachlocal.cli.pachctl.pfs.commits import from_of, picker_of
from pachlocal.cli.pachctl.printing.repos import full_name
from pachlocal.cli.pachctl.printing.words import print_raw
from pachlocal.cli.pachctl.references import Reference
from pachlocal.cli.pachctl.v14.commits import add_commit, commit_table
from pachlocal.cli.pachctl.v14.options import old_command, point, raw_option, slashed
from pachlocal.proto import pfs_pb2


@old_command("flush-commit")
@click.argument("commits", nargs=-1, required=True, metavar="REPO/COMMIT…")
@click.option("-r", "--repos", multiple=True, metavar="REPO", help="Only wait for these repos.")
@raw_option
@pass_session
def flush_commit(
    session: Session, commits: tuple[str, ...], repos: tuple[str, ...], raw: bool
) -> None:
    """Wait until everything that commits caused is finished, and print it as it comes."""
    infos = _caused(session, [slashed(it) for it in commits], set(repos))
    if raw:
        print_raw(infos, "json")
        return
    rows = commit_table(live=True)
    for info in infos:
        add_commit(rows, info)
    rows.flush()


def _caused(
    session: Session, causes: list[Reference], repos: set[str]
) -> Iterator[pfs_pb2.CommitInfo]:
    """Yield what was made from all of some commits, each when it is finished."""
    first, *others = (_made_from(session, cause) for cause in causes)
    for name, commit in first.items():
        if any(name not in other for other in others):
            continue
        if commit.repo.type in ("", "user") and (not repos or commit.repo.name in repos):
            request = pfs_pb2.InspectCommitRequest(commit=commit, wait=pfs_pb2.CommitState.FINISHED)
            yield session.server.pfs.InspectCommit(request)


def _made_from(session: Session, cause: Reference) -> dict[str, pfs_pb2.Commit]:
    """Find all that was made from a commit, the nearest first."""
    request = pfs_pb2.InspectCommitRequest(commit=cause.to_commit(session.project()))
    commit = session.server.pfs.InspectCommit(request).commit
    walk = pfs_pb2.WalkCommitSubvenanceRequest(start=[picker_of(commit)])
    try:
        infos = list(session.server.pfs.WalkCommitSubvenance(walk))
    except grpc.RpcError as error:
        if status_of(error) is not grpc.StatusCode.UNIMPLEMENTED:
            raise
        # An older server knows at least what the same change has made.
        whole = pfs_pb2.InspectCommitSetRequest(commit_set=pfs_pb2.CommitSet(id=commit.id))
        infos = [
            info
            for info in session.server.pfs.InspectCommitSet(whole)
            if info.commit.id == commit.id
        ]
    found = {f"{full_name(it.commit.repo)}@{it.commit.id}": it.commit for it in infos}
    found.pop(f"{full_name(commit.repo)}@{commit.id}", None)
    return found


@old_command("subscribe-commit")
@click.argument("repo")
@click.argument("branch")
@click.option("--from", "start", metavar="COMMIT", help="Start after this commit.")
@click.option("--new", is_flag=True, help="Start with the next new commit, not with the first.")
@raw_option
@pass_session
def subscribe_commit(
    session: Session, repo: str, branch: str, start: str | None, new: bool, raw: bool
) -> None:
    """Print a branch's commits, existing ones and new ones as they come, until Ctrl-C."""
    if start and new:
        raise click.UsageError("--from and --new exclude each other.")
    name = session.project()
    request = pfs_pb2.SubscribeCommitRequest(
        repo=Reference(repo).to_repo(name), branch=branch, state=pfs_pb2.CommitState.STARTED
    )
    if start or new:
        from_of(request).CopyFrom(point(repo, start or branch).to_commit(name))
    rows = commit_table(live=True)
    for info in session.server.pfs.SubscribeCommit(request):
        if raw:
            print_raw([info], "json")
        else:
            add_commit(rows, info)
