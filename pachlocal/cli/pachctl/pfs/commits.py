"""Commands on commits and commit sets."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import click

from pachlocal.cli.pachctl.client.failures import call_error
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    COUNT,
    command,
    full_timestamps_option,
    no_pager_option,
    output_options,
    pass_session,
    project_option,
    transactional,
)
from pachlocal.cli.pachctl.pfs.writes import check_commit, tell_of_new_branch
from pachlocal.cli.pachctl.printing.commits import commit_table, print_commit, print_commit_sets
from pachlocal.cli.pachctl.printing.words import print_raw
from pachlocal.cli.pachctl.references import BRANCH, COMMIT, COMMITS, Reference, is_id, parse
from pachlocal.proto import pfs_pb2

ORIGINS = {
    "AUTO": pfs_pb2.OriginKind.AUTO,
    "FSCK": pfs_pb2.OriginKind.FSCK,
    "USER": pfs_pb2.OriginKind.USER,
}

ANY_ORIGIN = pfs_pb2.OriginKind.ORIGIN_KIND_UNKNOWN

message_option = click.option(
    "-m",
    "--message",
    "--description",
    "description",
    default="",
    metavar="TEXT",
    help="A description of the commit.",
)
origin_option = click.option(
    "--origin",
    type=click.Choice(list(ORIGINS), case_sensitive=False),
    help="Only commits that came about so.",
)
all_option = click.option("--all", "every_origin", is_flag=True, help="However they came about.")


@command("commit")
@click.argument("branch", type=BRANCH)
@click.option(
    "-p", "--parent", metavar="COMMIT", help="The parent commit.  [default: the branch's head]"
)
@message_option
@project_option
@pass_session
@transactional
def start_commit(
    session: Session, branch: Reference, parent: str | None, description: str, project: str | None
) -> None:
    """Open a commit on a branch, and print its id.

    Changes to the branch belong to this commit until it is finished.
    """
    name = session.project(project)
    request = pfs_pb2.StartCommitRequest(branch=branch.to_branch(name), description=description)
    if parent:
        try:
            request.parent.CopyFrom(parse(f"{branch.repo}@{parent}").to_commit(name))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="'--parent'") from None
    begin_commit(session, request)


@command("commit")
@click.argument("commit", type=COMMIT)
@message_option
@click.option("-f", "--force", is_flag=True, help="Finish it even if that is a pipeline's task.")
@project_option
@pass_session
@transactional
def finish_commit(
    session: Session, commit: Reference, description: str, force: bool, project: str | None
) -> None:
    """Finish a commit: it accepts no more changes, and the pipelines that read it start."""
    request = pfs_pb2.FinishCommitRequest(
        commit=commit.to_commit(session.project(project)), description=description, force=force
    )
    end_commit(session, request)


@command("commit")
@click.argument("commit", metavar="REPO@BRANCH-OR-COMMIT")
@project_option
@full_timestamps_option
@output_options
@pass_session
def inspect_commit(
    session: Session, commit: str, project: str | None, full_timestamps: bool, raw: str | None
) -> None:
    """Describe a commit, with its provenance."""
    if is_id(commit):
        raise click.UsageError(f"An id may stand in many repos: see `pachctl list commit {commit}`")
    reference = COMMIT.convert(commit, None, None)
    request = pfs_pb2.InspectCommitRequest(
        commit=reference.to_commit(session.project(project)), wait=pfs_pb2.CommitState.STARTED
    )
    info = session.server.pfs.InspectCommit(request)
    if raw:
        print_raw([info], raw)
    else:
        print_commit(info, full_timestamps, provenance_of(session, info))


def begin_commit(session: Session, request: pfs_pb2.StartCommitRequest) -> None:
    """Open a commit, and print its ID."""
    if session.joined:  # what the transaction makes isn't there yet
        print(session.server.pfs.StartCommit(request).id)
        return
    asked = pfs_pb2.InspectRepoRequest(repo=request.branch.repo)
    before = session.server.pfs.InspectRepo(asked)
    print(session.server.pfs.StartCommit(request).id)
    tell_of_new_branch(before, request.branch.name)


def end_commit(session: Session, request: pfs_pb2.FinishCommitRequest) -> None:
    """Finish a commit.

    Raises:
        CliError: It isn't valid.
    """
    session.server.pfs.FinishCommit(request)
    if not session.joined:
        check_commit(session, request.commit)


def provenance_of(session: Session, info: pfs_pb2.CommitInfo) -> list[pfs_pb2.Commit]:
    """Find all that a commit was made from, the nearest first; on old servers, the nearest only."""
    if not info.direct_provenance:
        return []
    request = pfs_pb2.WalkCommitProvenanceRequest(start=[picker_of(info.commit)])
    try:
        found = [it.commit for it in session.server.pfs.WalkCommitProvenance(request)]
    except call_error():
        found = []
    return [it for it in found if it != info.commit] or list(info.direct_provenance)


def picker_of(commit: pfs_pb2.Commit) -> pfs_pb2.CommitPicker:
    """Name a commit in the form that newer calls want."""
    project = pfs_pb2.ProjectPicker(name=commit.repo.project.name)
    name = pfs_pb2.RepoPicker.RepoName(
        project=project, name=commit.repo.name, type=commit.repo.type
    )
    repo = pfs_pb2.RepoPicker(name=name)
    return pfs_pb2.CommitPicker(id=pfs_pb2.CommitPicker.CommitByGlobalId(repo=repo, id=commit.id))


@command("commit")
@click.argument("what", required=False)
@click.option("-f", "--from", "start", metavar="COMMIT", help="Only those after this one.")
@click.option("-n", "--number", type=COUNT, default=0, metavar="N", help="At most this many.")
@click.option("-x", "--expand", is_flag=True, help="One line for each repo's commit.")
@all_option
@origin_option
@project_option
@full_timestamps_option
@no_pager_option
@output_options
@pass_session
def list_commit(
    session: Session,
    what: str | None,
    start: str | None,
    number: int,
    expand: bool,
    every_origin: bool,
    origin: str | None,
    project: str | None,
    full_timestamps: bool,
    raw: str | None,
) -> None:
    """List commits, newest first.

    WHAT is a repo (REPO), a commit or branch whose ancestors are listed (REPO@BRANCH-OR-COMMIT), or
    an ID, for every repo's commit with this ID. Without WHAT, the IDs are listed, one a line.
    """
    if every_origin and origin:
        raise click.UsageError("--all and --origin exclude each other.")
    if (what is None or is_id(what)) and (start or origin):
        raise click.UsageError("--from and --origin need a repo.")
    if what is None:
        sets_request = pfs_pb2.ListCommitSetRequest(
            project=pfs_pb2.Project(name=session.project(project))
        )
        sets = session.server.pfs.ListCommitSet(sets_request)
        if not expand:
            _print_sets(islice(sets, number or None), full_timestamps, raw)
            return
        infos: Iterable[pfs_pb2.CommitInfo] = (info for item in sets for info in item.commits)
    elif is_id(what):
        set_request = pfs_pb2.InspectCommitSetRequest(commit_set=pfs_pb2.CommitSet(id=what))
        infos = session.server.pfs.InspectCommitSet(set_request)
    else:
        request = _list_request(COMMITS.convert(what, None, None), session.project(project), start)
        request.number = number
        request.all = every_origin
        request.origin_kind = ORIGINS[origin] if origin else ANY_ORIGIN
        infos = session.server.pfs.ListCommit(request)
    infos = islice(infos, number or None)
    if raw:
        print_raw(infos, raw)
        return
    with commit_table(full_timestamps) as add:
        for info in infos:
            add(info)


def _print_sets(
    sets: Iterable[pfs_pb2.CommitSetInfo], full_timestamps: bool, raw: str | None
) -> None:
    if raw:
        print_raw(sets, raw)
    else:
        print_commit_sets(sets, full_timestamps)


def _list_request(
    reference: Reference, project: str, start: str | None
) -> pfs_pb2.ListCommitRequest:
    request = pfs_pb2.ListCommitRequest(repo=reference.to_repo(project))
    if reference.branch or reference.commit:
        request.to.CopyFrom(reference.to_commit(project))
    if start:
        point = Reference(reference.repo, reference.type, commit=start)
        from_of(request).CopyFrom(point.to_commit(project))
    return request


def from_of(request: pfs_pb2.ListCommitRequest | pfs_pb2.SubscribeCommitRequest) -> pfs_pb2.Commit:
    """Give a request's field `from`, which is a word of Python's own."""
    start: pfs_pb2.Commit = getattr(request, "from")
    return start
