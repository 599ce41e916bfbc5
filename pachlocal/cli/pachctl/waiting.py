"""Commands that wait: for commits, and for jobs."""

from __future__ import annotations

import sys

import click

from pachlocal.cli.pachctl.commit_printing import commit_table, print_commit
from pachlocal.cli.pachctl.commits import ANY_ORIGIN, ORIGINS, all_option, from_of, origin_option
from pachlocal.cli.pachctl.options import (
    command,
    full_timestamps_option,
    output_options,
    pass_session,
    project_option,
)
from pachlocal.cli.pachctl.printing import print_raw
from pachlocal.cli.pachctl.references import BRANCH, COMMIT, Reference, is_id
from pachlocal.cli.pachctl.session import Session
from pachlocal.proto import pfs_pb2


@command("commit")
@click.argument("commit", metavar="REPO@BRANCH-OR-COMMIT|ID")
@project_option
@full_timestamps_option
@output_options
@pass_session
def wait_commit(
    session: Session, commit: str, project: str | None, full_timestamps: bool, raw: str | None
) -> None:
    """Wait until a commit is finished, and describe it.

    An id waits for every repo's commit of this id, so for all
    that a change sets off, and prints each as soon as it is finished.
    """
    if is_id(commit):
        set_request = pfs_pb2.InspectCommitSetRequest(
            commit_set=pfs_pb2.CommitSet(id=commit), wait=True
        )
        infos = session.server.pfs.InspectCommitSet(set_request)
        if raw:
            print_raw(infos, raw)
            return
        with commit_table(full_timestamps, live=True) as add:
            for info in infos:
                add(info)
        return
    reference = COMMIT.convert(commit, None, None)
    request = pfs_pb2.InspectCommitRequest(
        commit=reference.to_commit(session.project(project)), wait=pfs_pb2.CommitState.FINISHED
    )
    info = session.server.pfs.InspectCommit(request)
    if raw:
        print_raw([info], raw)
    else:
        print_commit(info, full_timestamps)


@command("commit")
@click.argument("branch", type=BRANCH)
@click.option("--from", "start", metavar="COMMIT", help="Begin after this commit.")
@click.option("--new", is_flag=True, help="Begin with the next commit, not with the first.")
@all_option
@origin_option
@project_option
@full_timestamps_option
@output_options
@pass_session
def subscribe_commit(
    session: Session,
    branch: Reference,
    start: str | None,
    new: bool,
    every_origin: bool,
    origin: str | None,
    project: str | None,
    full_timestamps: bool,
    raw: str | None,
) -> None:
    """Print a branch's commits, those that there are and those to come. Ends with Ctrl-C."""
    if start and new:
        raise click.UsageError("--from and --new exclude each other.")
    if every_origin and origin:
        raise click.UsageError("--all and --origin exclude each other.")
    name = session.project(project)
    request = pfs_pb2.SubscribeCommitRequest(
        repo=branch.to_repo(name),
        branch=branch.branch,
        state=pfs_pb2.CommitState.STARTED,
        all=every_origin,
        origin_kind=ORIGINS[origin] if origin else ANY_ORIGIN,
    )
    if start or new:
        point = branch._replace(commit=start or "")
        from_of(request).CopyFrom(point.to_commit(name))
    infos = session.server.pfs.SubscribeCommit(request)
    if raw:
        for info in infos:
            print_raw([info], raw)
            sys.stdout.flush()
        return
    with commit_table(full_timestamps, live=True) as add:
        for info in infos:
            add(info)


@command("job")
@click.argument("job", metavar="PIPELINE@JOB-ID|ID")
@project_option
@full_timestamps_option
@output_options
@pass_session
def wait_job(
    session: Session, job: str, project: str | None, full_timestamps: bool, raw: str | None
) -> None:
    """Wait until a job has ended, and print it; an id waits for every pipeline's job of this id."""
    from pachlocal.cli.pachctl.job_printing import job_table
    from pachlocal.cli.pachctl.jobs import job_infos

    infos = job_infos(session, job, project, wait=True)
    if raw:
        print_raw(infos, raw)
        return
    with job_table(full_timestamps, live=True) as add:
        for info in infos:
            add(info)
