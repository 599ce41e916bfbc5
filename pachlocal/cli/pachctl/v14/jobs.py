"""Commands on jobs, as in 1.4. An id may be that of several pipelines' jobs today."""

from __future__ import annotations

from collections.abc import Iterable

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import pass_session
from pachlocal.cli.pachctl.printing.jobs import (
    duration,
    print_egress,
    print_workers,
    workers_wanted,
)
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.words import paint, plain_json, print_raw
from pachlocal.cli.pachctl.v14.options import old_command, raw_option, slashed
from pachlocal.cli.pachctl.v14.printing import ago
from pachlocal.errors import CliError
from pachlocal.proto import pps_pb2

# The states of 1.4, with what they have become.
_STATES = {
    pps_pb2.JOB_CREATED: ("starting", "yellow"),
    pps_pb2.JOB_STARTING: ("starting", "yellow"),
    pps_pb2.JOB_RUNNING: ("running", "yellow"),
    pps_pb2.JOB_EGRESSING: ("running", "yellow"),
    pps_pb2.JOB_FINISHING: ("running", "yellow"),
    pps_pb2.JOB_SUCCESS: ("success", "green"),
    pps_pb2.JOB_FAILURE: ("failure", "red"),
    pps_pb2.JOB_UNRUNNABLE: ("failure", "red"),
    pps_pb2.JOB_KILLED: ("stopped", "yellow"),
}


def state_name(state: pps_pb2.JobState.ValueType) -> str:
    """Write a job's state."""
    return _STATES[state][0] if state in _STATES else "-"


def jobs_of(session: Session, id_: str, *, wait: bool = False) -> Iterable[pps_pb2.JobInfo]:
    """Look up the jobs of an id.

    Raises:
        CliError: There is none.
    """
    request = pps_pb2.InspectJobSetRequest(job_set=pps_pb2.JobSet(id=id_), wait=wait, details=True)
    found = list(session.server.pps.InspectJobSet(request))
    if not found:
        raise CliError(f"there is no job {id_}")
    return found


@old_command("list-job")
@click.argument("commits", nargs=-1, metavar="[REPO/COMMIT…]")
@click.option("-p", "--pipeline", metavar="NAME", help="Only this pipeline's jobs.")
@raw_option
@pass_session
def list_job(session: Session, commits: tuple[str, ...], pipeline: str | None, raw: bool) -> None:
    """List jobs, newest first; with commits, only those that read them."""
    name = session.project()
    request = pps_pb2.ListJobRequest(
        details=True,
        history=-1,
        input_commit=[slashed(it).to_commit(name) for it in commits],
    )
    request.projects.add(name=name)
    if pipeline:
        request.pipeline.name = pipeline
        request.pipeline.project.name = name
    infos = session.server.pps.ListJob(request)
    if raw:
        print_raw(infos, "json")
        return
    rows = Table("ID\tOUTPUT COMMIT\tSTARTED\tDURATION\tRESTART\tPROGRESS\tSTATE\t", repeat=False)
    for info in infos:
        rows.row(
            info.job.id,
            _output(info),
            ago(info, "started"),
            duration(info),
            str(info.restart),
            _progress(info),
            _state(info),
        )
    rows.flush()


def _output(info: pps_pb2.JobInfo) -> str:
    if info.HasField("output_commit"):
        return f"{info.output_commit.repo.name}/{info.output_commit.id}"
    return f"{info.job.pipeline.name}/-"


def _progress(info: pps_pb2.JobInfo) -> str:
    return f"{info.data_processed + info.data_skipped} / {info.data_total}"


def _state(info: pps_pb2.JobInfo) -> str:
    return paint(*_STATES[info.state]) if info.state in _STATES else "-"


@old_command("inspect-job")
@click.argument("id_", metavar="ID")
@click.option("-b", "--block", is_flag=True, help="Wait until the job has ended.")
@raw_option
@pass_session
def inspect_job(session: Session, id_: str, block: bool, raw: bool) -> None:
    """Describe a job."""
    infos = jobs_of(session, id_, wait=block)
    if raw:
        print_raw(infos, "json")
        return
    for info in infos:
        _describe(info)


def _describe(info: pps_pb2.JobInfo) -> None:
    details = info.details
    print(f"ID: {info.job.id}")
    print(f"Pipeline: {info.job.pipeline.name}")
    print(f"Started: {ago(info, 'started')}")
    if info.HasField("finished"):
        print(f"Duration: {duration(info)}")
    print(f"State: {_state(info)}")
    if info.reason:
        print(f"Reason: {info.reason}")
    print(f"Progress: {_progress(info)}")
    print("Worker Status:")
    print_workers(details.worker_status, full_timestamps=False)
    print(f"Restarts: {info.restart}")
    print(f"ParallelismSpec: {workers_wanted(details.parallelism_spec)}")
    print(f"Input: {plain_json(details.input)}")
    print(f"Transform: {plain_json(details.transform)}")
    if info.HasField("output_commit"):
        print(f"Output Commit: {info.output_commit.id}")
    print_egress(details)


@old_command("stop-job")
@click.argument("id_", metavar="ID")
@pass_session
def stop_job(session: Session, id_: str) -> None:
    """Stop a job."""
    for info in jobs_of(session, id_):
        session.server.pps.StopJob(pps_pb2.StopJobRequest(job=info.job))


@old_command("delete-job")
@click.argument("id_", metavar="ID")
@pass_session
def delete_job(session: Session, id_: str) -> None:
    """Delete a job's record; its output stays."""
    for info in jobs_of(session, id_):
        session.server.pps.DeleteJob(pps_pb2.DeleteJobRequest(job=info.job))


@old_command("restart-datum")
@click.argument("id_", metavar="ID")
@click.argument("paths", metavar="PATH[,PATH…]")
@pass_session
def restart_datum(session: Session, id_: str, paths: str) -> None:
    """Restart a job's running datum that has these files."""
    filters = [path for path in paths.split(",") if path]
    for info in jobs_of(session, id_):
        request = pps_pb2.RestartDatumRequest(job=info.job, data_filters=filters)
        session.server.pps.RestartDatum(request)
