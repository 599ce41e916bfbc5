"""Commands on datums."""

from __future__ import annotations

from collections.abc import Iterable

import click

from pachlocal.cli.pachctl.client.local_service import reason_of, reasons
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    COUNT,
    command,
    output_options,
    pass_session,
    project_option,
)
from pachlocal.cli.pachctl.pps.finding import find_datum, find_job
from pachlocal.cli.pachctl.printing.code import short
from pachlocal.cli.pachctl.printing.repos import full_name
from pachlocal.cli.pachctl.printing.tables import Table, align
from pachlocal.cli.pachctl.printing.words import exact, paint, print_raw, seconds_of, size, span
from pachlocal.cli.pachctl.references import JOB, JobReference
from pachlocal.proto import pfs_pb2, pps_pb2

_STATES = {
    pps_pb2.DatumState.SKIPPED: ("skipped", "yellow"),
    pps_pb2.DatumState.FAILED: ("failed", "red"),
    pps_pb2.DatumState.RECOVERED: ("recovered", "yellow"),
    pps_pb2.DatumState.SUCCESS: ("success", "green"),
}


@command("datum")
@click.argument("job", type=JOB, required=False)
@click.option(
    "-f",
    "--file",
    "path",
    metavar="SPEC",
    help="List the datums that this specification would have.",
)
@click.option(
    "--state",
    "states",
    type=click.Choice([name for name, _ in _STATES.values()]),
    multiple=True,
    help="Only datums in this state. May be given repeatedly.",
)
@click.option("-n", "--number", type=COUNT, default=0, metavar="N", help="At most this many.")
@click.option("--why", is_flag=True, help="Show why each ran or was skipped, and by which code.")
@project_option
@output_options
@pass_session
def list_datum(
    session: Session,
    job: JobReference | None,
    path: str | None,
    states: tuple[str, ...],
    number: int,
    why: bool,
    project: str | None,
    raw: str | None,
) -> None:
    """List the datums of a job, or those that a new specification would have."""
    if (job is None) == (path is None):
        raise click.UsageError("Name a job, or give a specification by -f.")
    name = session.project(project)
    target = find_job(session, job, name) if job is not None else None
    if target is not None:
        request = pps_pb2.ListDatumRequest(job=target)
    else:
        request = pps_pb2.ListDatumRequest(input=_input_of(path or "", name))
    request.number = number
    wanted = [state for state, (shown, _) in _STATES.items() if shown in states]
    request.filter.state.extend(wanted)
    infos: Iterable[pps_pb2.DatumInfo] = session.server.pps.ListDatum(request)
    if wanted:  # not every server knows the filter
        infos = (info for info in infos if info.state in wanted)
    if raw:
        print_raw(infos, raw)
        return
    said = reasons(session, target) if why and target is not None else None
    table = Table("ID\tFILES\tSTATUS\tTIME\t" + ("CODE\tWHY\t" if said else ""))
    for info in infos:
        cells = [
            info.datum.id or "-",
            ", ".join(_place(item.file) for item in info.data),
            paint(*_STATES[info.state]) if info.state in _STATES else "-",
            span(_seconds(info.stats)) if info.HasField("stats") else "-",
        ]
        if said is not None:  # in the same order, but of all datums
            reason = next((it for it in said if it.datum_id == info.datum.id), None)
            cells += [short(reason.code), reason.reason] if reason else ["-", "-"]
        table.row(*cells)
    table.flush()


def _input_of(path: str, project: str) -> pps_pb2.Input:
    from pachlocal.cli.pachctl.pps.specs import read_specs

    source = read_specs(path)[0].request.input
    _set_project(source, project)
    return source


def _set_project(source: pps_pb2.Input, project: str) -> None:
    if source.HasField("pfs"):
        source.pfs.project = source.pfs.project or project
    parts: Iterable[pps_pb2.Input]
    for parts in (source.cross, source.union, source.join, source.group):
        for part in parts:
            _set_project(part, project)


def _place(file: pfs_pb2.File) -> str:
    return f"{_repo(file)}@{file.commit.id}:{file.path}"


def _repo(file: pfs_pb2.File) -> str:
    repo = file.commit.repo
    return f"{repo.project.name}/{full_name(repo)}"


def _seconds(stats: pps_pb2.ProcessStats) -> float:
    times = (stats.download_time, stats.process_time, stats.upload_time)
    return sum(seconds_of(time) for time in times)


@command("datum")
@click.argument("job", type=JOB)
@click.argument("datum")
@project_option
@output_options
@pass_session
def inspect_datum(
    session: Session, job: JobReference, datum: str, project: str | None, raw: str | None
) -> None:
    """Describe a datum; the beginning of its ID is enough."""
    target = find_datum(session, find_job(session, job, session.project(project)), datum)
    info = session.server.pps.InspectDatum(pps_pb2.InspectDatumRequest(datum=target))
    if raw:
        print_raw([info], raw)
        return
    stats = info.stats
    print(f"ID\t{info.datum.id}")
    print(f"Job ID\t{info.datum.job.id}")
    print(f"Image ID\t{info.image_id}")
    print(f"State\t{pps_pb2.DatumState.Name(info.state)}")
    said = reason_of(session, target)
    if said.reason:
        print(f"Reason\t{said.reason}")
    if said.code:
        print(f"Code\t{short(said.code)}")
    print(f"Data Downloaded\t{size(stats.download_bytes)}")
    print(f"Data Uploaded\t{size(stats.upload_bytes)}")
    print(f"Total Time\t{exact(_seconds(stats))}")
    print(f"Download Time\t{exact(seconds_of(stats.download_time))}")
    print(f"Process Time\t{exact(seconds_of(stats.process_time))}")
    print(f"Upload Time\t{exact(seconds_of(stats.upload_time))}")
    print("PFS State:")
    _print_places([info.pfs_state] if info.HasField("pfs_state") else [])
    print("Inputs:")
    _print_places(item.file for item in info.data)


def _print_places(files: Iterable[pfs_pb2.File]) -> None:
    lines = ["  REPO\tCOMMIT\tPATH\t"]
    for file in files:
        lines.append(f"  {_repo(file)}\t{file.commit.id}\t{file.path}\t")
    for line in align(lines, minimum=10, padding=3):
        print(line)


@command("datum")
@click.argument("job", type=JOB)
@click.argument("paths", metavar="PATH[,PATH…]")
@project_option
@pass_session
def restart_datum(session: Session, job: JobReference, paths: str, project: str | None) -> None:
    """Restart the running datum that has these files."""
    request = pps_pb2.RestartDatumRequest(
        job=find_job(session, job, session.project(project)),
        data_filters=[path for path in paths.split(",") if path],
    )
    session.server.pps.RestartDatum(request)
