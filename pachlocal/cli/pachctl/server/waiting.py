"""Commands that wait: for commits, and for jobs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    command,
    full_timestamps_option,
    output_options,
    pass_session,
    project_option,
)
from pachlocal.cli.pachctl.pfs.commits import (
    ANY_ORIGIN,
    ORIGINS,
    all_option,
    from_of,
    origin_option,
)
from pachlocal.cli.pachctl.printing.commits import commit_table, print_commit
from pachlocal.cli.pachctl.printing.words import print_raw
from pachlocal.cli.pachctl.references import BRANCH, COMMIT, Reference, is_id
from pachlocal.cli.pachctl.server.job_progress import job_progress
from pachlocal.proto import pfs_pb2, pps_pb2

_fail_option = click.option("--fail", is_flag=True, help="Exit with 1 if it has failed.")


@command("commit")
@click.argument("commit", metavar="REPO@BRANCH-OR-COMMIT|ID")
@_fail_option
@project_option
@full_timestamps_option
@output_options
@pass_session
def wait_commit(
    session: Session,
    commit: str,
    fail: bool,
    project: str | None,
    full_timestamps: bool,
    raw: str | None,
) -> None:
    """Wait until a commit is finished, and describe it.

    An ID alone waits for every repo's commit with this ID, so for everything
    that a change causes, and prints each commit as soon as it is finished.
    """
    if is_id(commit):
        set_request = pfs_pb2.InspectCommitSetRequest(
            commit_set=pfs_pb2.CommitSet(id=commit), wait=True
        )
        outcomes = _Outcomes(fail)
        infos = outcomes.of_commits(session.server.pfs.InspectCommitSet(set_request))
        if raw:
            print_raw(infos, raw)
            outcomes.exit()
            return
        with (
            job_progress(session, commit) as progress,
            commit_table(full_timestamps, live=True) as add,
        ):
            for info in infos:
                if progress is not None:
                    progress.clear()
                add(info)
        outcomes.exit()
        return
    reference = COMMIT.convert(commit, None, None)
    request = pfs_pb2.InspectCommitRequest(
        commit=reference.to_commit(session.project(project)), wait=pfs_pb2.CommitState.FINISHED
    )
    id_ = ""
    if sys.stderr.isatty():
        now = pfs_pb2.InspectCommitRequest(commit=request.commit)
        id_ = session.server.pfs.InspectCommit(now).commit.id
    with job_progress(session, id_):
        info = session.server.pfs.InspectCommit(request)
    if raw:
        print_raw([info], raw)
    else:
        print_commit(info, full_timestamps)
    if fail and info.error:
        raise click.exceptions.Exit(1)


@command("commit")
@click.argument("branch", metavar="REPO[@BRANCH]", type=BRANCH)
@click.option("--from", "start", metavar="COMMIT", help="Start after this commit.")
@click.option("--new", is_flag=True, help="Start with the next new commit, not with the first.")
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
    """Print a branch's commits, existing ones and new ones as they come, until Ctrl-C.

    Without a branch: the commits of all branches.
    """
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
@_fail_option
@project_option
@full_timestamps_option
@output_options
@pass_session
def wait_job(
    session: Session,
    job: str,
    fail: bool,
    project: str | None,
    full_timestamps: bool,
    raw: str | None,
) -> None:
    """Wait until a job has ended, and print it; with an ID alone, every pipeline's job."""
    from pachlocal.cli.pachctl.pps.jobs import job_infos
    from pachlocal.cli.pachctl.printing.jobs import job_table

    outcomes = _Outcomes(fail)
    infos = outcomes.of_jobs(job_infos(session, job, project, wait=True))
    if raw:
        print_raw(infos, raw)
        outcomes.exit()
        return
    id_ = job if is_id(job) else job.rpartition("@")[2]
    with job_progress(session, id_) as progress, job_table(full_timestamps, live=True) as add:
        for info in infos:
            if progress is not None:
                progress.clear()
            add(info)
    outcomes.exit()


class _Outcomes:
    """Notes of what goes by whether something of it has failed."""

    def __init__(self, fail: bool) -> None:
        self._fail = fail
        self._have_failed = False

    def of_commits(self, infos: Iterable[pfs_pb2.CommitInfo]) -> Iterator[pfs_pb2.CommitInfo]:
        for info in infos:
            self._have_failed |= bool(info.error)
            yield info

    def of_jobs(self, infos: Iterable[pps_pb2.JobInfo]) -> Iterator[pps_pb2.JobInfo]:
        for info in infos:
            self._have_failed |= info.state != pps_pb2.JOB_SUCCESS
            yield info

    def exit(self) -> None:
        """End the program with 1 if it is to tell that something has failed."""
        if self._fail and self._have_failed:
            raise click.exceptions.Exit(1)
