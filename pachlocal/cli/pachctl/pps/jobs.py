"""Commands on jobs and job sets."""

from __future__ import annotations

from collections.abc import Iterable

import click

from pachlocal.cli.pachctl.client.local_service import code_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    all_projects_option,
    command,
    full_timestamps_option,
    no_pager_option,
    output_options,
    pass_session,
    project_option,
    transactional,
)
from pachlocal.cli.pachctl.pps.finding import find_job
from pachlocal.cli.pachctl.pps.state_options import HISTORY, state_filter
from pachlocal.cli.pachctl.printing.code import use_lines, version_line
from pachlocal.cli.pachctl.printing.jobs import job_table, print_job, print_job_sets
from pachlocal.cli.pachctl.printing.words import print_raw
from pachlocal.cli.pachctl.references import COMMIT, JOB, JobReference, Reference, is_id
from pachlocal.proto import local_pb2, pfs_pb2, pps_pb2, transaction_pb2


def job_infos(
    session: Session, what: str, project: str | None, *, wait: bool = False
) -> Iterable[pps_pb2.JobInfo]:
    """Look up one job, or all jobs of an id.

    Args:
        session: The call's session.
        what: PIPELINE@JOB-ID, or an id.
        project: What --project says.
        wait: Give each when it has ended.
    """
    if is_id(what):
        request = pps_pb2.InspectJobSetRequest(
            job_set=pps_pb2.JobSet(id=what), wait=wait, details=True
        )
        return session.server.pps.InspectJobSet(request)
    job = find_job(session, JOB.convert(what, None, None), session.project(project))
    one = pps_pb2.InspectJobRequest(job=job, wait=wait, details=True)
    return [session.server.pps.InspectJob(one)]


@command("job")
@click.argument("job_set", metavar="[ID]", required=False)
@click.option("-p", "--pipeline", metavar="NAME", help="Only this pipeline's jobs.")
@click.option("-x", "--expand", is_flag=True, help="One line for each pipeline's job.")
@click.option(
    "-i", "--input", "inputs", type=COMMIT, multiple=True, help="Only jobs that read this commit."
)
@click.option(
    "--history", type=HISTORY, default=0, help="Include jobs of earlier versions: all or N."
)
@click.option("--state", "states", multiple=True, metavar="STATE", help="Only jobs in this state.")
@all_projects_option
@project_option
@full_timestamps_option
@no_pager_option
@output_options
@pass_session
def list_job(
    session: Session,
    job_set: str | None,
    pipeline: str | None,
    expand: bool,
    inputs: tuple[Reference, ...],
    history: int,
    states: tuple[str, ...],
    all_projects: bool,
    project: str | None,
    full_timestamps: bool,
    raw: str | None,
) -> None:
    """List jobs, newest first.

    Jobs that one change caused share an ID. Without options the IDs are listed, one a line; with an
    ID, its jobs are listed.
    """
    if (inputs or history or states) and (job_set or not (pipeline or expand)):
        raise click.UsageError("--input, --history and --state need --pipeline or --expand.")
    if job_set and pipeline:
        raise click.UsageError("An id and --pipeline exclude each other.")
    name = session.project(project)
    projects = [] if all_projects else [pfs_pb2.Project(name=name)]
    if job_set:
        _check_id(job_set)
        ids = pps_pb2.JobSet(id=job_set)
        by_id = pps_pb2.InspectJobSetRequest(job_set=ids, details=raw is not None)
        infos: Iterable[pps_pb2.JobInfo] = session.server.pps.InspectJobSet(by_id)
    elif pipeline or expand:
        request = pps_pb2.ListJobRequest(
            projects=projects,
            input_commit=[it.to_commit(name) for it in inputs],
            history=history,
            details=True,
            jqFilter=state_filter(states, "JOB_", pps_pb2.JobState.keys()),
        )
        if pipeline:
            request.pipeline.name = pipeline
            request.pipeline.project.name = name
        infos = session.server.pps.ListJob(request)
    else:
        _list_sets(session, projects, full_timestamps, raw)
        return
    if raw:
        print_raw(infos, raw)
        return
    with job_table(full_timestamps) as add:
        for info in infos:
            add(info)


def _check_id(word: str) -> None:
    """Refuse what can't be an ID, and say what was meant.

    Raises:
        click.UsageError: It is the name of a pipeline, say.
    """
    if is_id(word):
        return
    meant = f"see `pachctl list job -p {word}` for a pipeline's jobs"
    if "@" in word:
        meant = f"see `pachctl inspect job {word}` for a job of one pipeline"
    raise click.UsageError(f'"{word}" is not an ID of jobs, which has 32 digits: {meant}')


def _list_sets(
    session: Session, projects: list[pfs_pb2.Project], full_timestamps: bool, raw: str | None
) -> None:
    sets = session.server.pps.ListJobSet(pps_pb2.ListJobSetRequest(projects=projects))
    if raw:
        print_raw(sets, raw)
    else:
        print_job_sets(sets, full_timestamps)


@command("job")
@click.argument("job", type=JOB)
@project_option
@full_timestamps_option
@output_options
@pass_session
def inspect_job(
    session: Session,
    job: JobReference,
    project: str | None,
    full_timestamps: bool,
    raw: str | None,
) -> None:
    """Describe a job, and what its workers are doing.

    Its ID may be shortened to its beginning, or be a branch of the output, or `latest`.
    """
    target = find_job(session, job, session.project(project))
    request = pps_pb2.InspectJobRequest(job=target, details=True)
    info = session.server.pps.InspectJob(request)
    if raw:
        print_raw([info], raw)
    else:
        print_job(info, full_timestamps)
        _print_code(code_of(session, request.job))


def _print_code(code: local_pb2.CodeInfo) -> None:
    if code.HasField("version"):
        print(f"Code: {version_line(code.version)}")
    if len(code.outputs) > 1 or [it.version.name for it in code.outputs] != [code.version.name]:
        for line in use_lines(code.outputs):
            print(f"  {line}")


@command("job")
@click.argument("job", metavar="PIPELINE@JOB-ID|ID")
@project_option
@pass_session
@transactional
def stop_job(session: Session, job: str, project: str | None) -> None:
    """Stop a job; an ID alone stops every pipeline's job with this ID."""
    if not is_id(job):
        target = find_job(session, JOB.convert(job, None, None), session.project(project))
        session.server.pps.StopJob(pps_pb2.StopJobRequest(job=target))
        return
    stops = [pps_pb2.StopJobRequest(job=info.job) for info in job_infos(session, job, project)]
    if session.joined:
        for stop in stops:
            session.server.pps.StopJob(stop)
        return
    requests = [transaction_pb2.TransactionRequest(stop_job=stop) for stop in stops]
    batch = transaction_pb2.BatchTransactionRequest(requests=requests)
    session.server.transactions.BatchTransaction(batch)


@command("job")
@click.argument("job", type=JOB)
@project_option
@pass_session
def delete_job(session: Session, job: JobReference, project: str | None) -> None:
    """Delete a job's record; its output stays."""
    target = find_job(session, job, session.project(project))
    session.server.pps.DeleteJob(pps_pb2.DeleteJobRequest(job=target))
