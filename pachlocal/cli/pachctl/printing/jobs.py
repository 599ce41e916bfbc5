"""How jobs are shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from pachlocal.cli.pachctl.printing.tables import Table, align
from pachlocal.cli.pachctl.printing.words import (
    exact,
    moment,
    paint,
    plain_json,
    progress_bar,
    seconds_of,
    size,
    span,
)
from pachlocal.proto import pps_pb2
from pachlocal.untrusted import printable

_HEADER = "PROJECT\tPIPELINE\tID\tSTARTED\tDURATION\tRESTART\tPROGRESS\tDL\tUL\tSTATE\t"
_OF_A_DATUM = re.compile(r"datum ([0-9a-f]{64}) failed: (.+)", re.DOTALL)
_LEAST_STATE = 90  # characters of a state and its reason that are shown, however narrow a terminal
_SHORT = 12  # digits of an ID

_STATES = {
    pps_pb2.JOB_STARTING: ("starting", "yellow"),
    pps_pb2.JOB_RUNNING: ("running", "yellow"),
    pps_pb2.JOB_FAILURE: ("failure", "red"),
    pps_pb2.JOB_SUCCESS: ("success", "green"),
    pps_pb2.JOB_KILLED: ("killed", "red"),
    pps_pb2.JOB_EGRESSING: ("egressing", "yellow"),
    pps_pb2.JOB_FINISHING: ("finishing", "yellow"),
    pps_pb2.JOB_UNRUNNABLE: ("unrunnable", "red"),
}
_FAILED = (pps_pb2.JOB_FAILURE, pps_pb2.JOB_KILLED, pps_pb2.JOB_UNRUNNABLE)


def job_state(state: pps_pb2.JobState.ValueType) -> str:
    """Write a job's state; one that hasn't begun has none yet."""
    return paint(*_STATES[state]) if state in _STATES else "-"


@contextmanager
def job_table(
    full_timestamps: bool, *, live: bool = False
) -> Iterator[Callable[[pps_pb2.JobInfo], None]]:
    """Print jobs, one line each.

    Args:
        full_timestamps: Print points in time instead of ages.
        live: Print each as it comes.

    Yields:
        The function that adds a job.
    """
    table = Table(_HEADER, live=live, least=_LEAST_STATE)

    def add(info: pps_pb2.JobInfo) -> None:
        table.row(
            info.job.pipeline.project.name,
            info.job.pipeline.name,
            info.job.id,
            moment(info, "started", full_timestamps),
            duration(info),
            str(info.restart),
            _progress(info),
            size(info.stats.download_bytes),
            size(info.stats.upload_bytes),
            _state_and_reason(info),
        )

    yield add
    table.flush()


def duration(info: pps_pb2.JobInfo) -> str:
    """Write how long a job took; a dash while it goes on."""
    if not (info.HasField("started") and info.HasField("finished")):
        return "-"
    return span(seconds_of(info.finished) - seconds_of(info.started))


def _progress(info: pps_pb2.JobInfo) -> str:
    done = f"{info.data_processed} + {info.data_skipped}"
    if info.data_recovered:
        done += f" + {info.data_recovered}"
    return f"{done} / {info.data_total}"


def _state_and_reason(info: pps_pb2.JobInfo) -> str:
    if found := _OF_A_DATUM.match(info.reason):
        datum, cause = found.groups()
        cause = cause.removeprefix("the command ended with ")
        return f"{job_state(info.state)}: datum {datum[:_SHORT]}: {_in_one_line(cause)}"
    if info.reason:
        return f"{job_state(info.state)}: {_in_one_line(info.reason)}"
    if info.state == pps_pb2.JOB_SUCCESS and info.data_skipped == info.data_total:
        return paint("success: there were no datums to process", "green")
    return job_state(info.state)


def _in_one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def print_job_sets(sets: Iterable[pps_pb2.JobSetInfo], full_timestamps: bool) -> None:
    """Print job sets, one line each."""
    table = Table("ID\tSUBJOBS\tPROGRESS\tCREATED\tMODIFIED")
    for item in sets:
        done = sum(1 for job in item.jobs if job.state == pps_pb2.JOB_SUCCESS)
        failed = sum(1 for job in item.jobs if job.state in _FAILED)
        created = [job for job in item.jobs if job.HasField("created")]
        first = min(created, key=_creation, default=pps_pb2.JobInfo())
        last = max(created, key=_creation, default=pps_pb2.JobInfo())
        table.row(
            item.job_set.id,
            str(len(item.jobs)),
            progress_bar(done, len(item.jobs) - done - failed, failed),
            moment(first, "created", full_timestamps),
            moment(last, "created", full_timestamps),
        )
    table.flush()


def _creation(job: pps_pb2.JobInfo) -> tuple[int, int]:
    return job.created.seconds, job.created.nanos


def print_job(info: pps_pb2.JobInfo, full_timestamps: bool) -> None:
    """Describe one job."""
    details, stats = info.details, info.stats
    print(f"ID: {info.job.id}")
    print(f"Pipeline: {info.job.pipeline.name}")
    print(f"Project: {info.job.pipeline.project.name}")
    print(f"Started: {moment(info, 'started', full_timestamps)}")
    if info.HasField("finished"):
        print(f"Duration: {duration(info)}")
    print(f"State: {job_state(info.state)}")
    print(f"Reason: {info.reason}")
    print(f"Processed: {info.data_processed}")
    print(f"Failed: {info.data_failed}")
    print(f"Skipped: {info.data_skipped}")
    print(f"Recovered: {info.data_recovered}")
    print(f"Total: {info.data_total}")
    print(f"Data Downloaded: {size(stats.download_bytes)}")
    print(f"Data Uploaded: {size(stats.upload_bytes)}")
    print(f"Download Time: {_span_of(stats.download_time)}")
    print(f"Process Time: {_span_of(stats.process_time)}")
    print(f"Upload Time: {_span_of(stats.upload_time)}")
    print(f"Datum Timeout: {limit(details, 'datum_timeout')}")
    print(f"Job Timeout: {limit(details, 'job_timeout')}")
    print("Worker Status:")
    print_workers(details.worker_status, full_timestamps)
    print(f"Restarts: {info.restart}")
    print(f"ParallelismSpec: {workers_wanted(details.parallelism_spec)}")
    print_resources(details)
    print_service(details)
    print(f"Input: {plain_json(details.input)}")
    print(f"Transform: {plain_json(details.transform)}")
    if info.HasField("output_commit"):
        print(f"Output Commit: {info.output_commit.id}")
    print_egress(details)


def _span_of(value: Duration) -> str:
    return span(seconds_of(value))


def print_workers(statuses: Iterable[pps_pb2.WorkerStatus], full_timestamps: bool) -> None:
    """Print what a job's workers do."""
    lines = ["WORKER\tJOB\tDATUM\tSTARTED\t"]
    for status in statuses:
        line = f"{status.worker_id}\t{status.job_id}\t"
        if status.HasField("datum_status"):
            paths = " ".join(file.path for file in status.datum_status.data)
            line += f"{paths}\t{moment(status.datum_status, 'started', full_timestamps)}\t"
        lines.append(line)
    for line in align(lines, minimum=20, padding=3):
        print(line)


def limit(details: Message, field: str) -> str:
    """Write a timeout; a dash if there is none."""
    return exact(seconds_of(getattr(details, field))) if details.HasField(field) else "-"


def workers_wanted(spec: pps_pb2.ParallelismSpec) -> str:
    """Write how many workers a pipeline asks for."""
    return f"constant:{spec.constant}" if spec.constant else ""


def print_resources(details: pps_pb2.JobInfo.Details | pps_pb2.PipelineInfo.Details) -> None:
    """Print what a pipeline asks for and may take, as far as it says so."""
    for field, title in (
        ("resource_requests", "ResourceRequests"),
        ("resource_limits", "ResourceLimits"),
        ("sidecar_resource_requests", "SidecarResourceRequests"),
        ("sidecar_resource_limits", "SidecarResourceLimits"),
    ):
        spec: pps_pb2.ResourceSpec = getattr(details, field)
        if not spec.ByteSize():
            continue
        print(f"{title}:")
        print(f"  CPU: {spec.cpu:g}")
        print(f"  Memory: {spec.memory}")
        if spec.HasField("gpu"):
            print(f"  GPU:\n    Type: {spec.gpu.type}\n    Number: {spec.gpu.number}")


def print_service(details: pps_pb2.JobInfo.Details | pps_pb2.PipelineInfo.Details) -> None:
    """Print where the program is reached, if it is a service."""
    service = details.spout.service if details.HasField("spout") else details.service
    if not service.ByteSize():
        return
    print("Service:")
    if service.ip:
        print(f"  IP: {service.ip}")
    print(f"  InternalPort: {service.internal_port}")
    print(f"  ExternalPort: {service.external_port}")


def print_egress(details: pps_pb2.JobInfo.Details | pps_pb2.PipelineInfo.Details) -> None:
    """Print where the output is sent to, if anywhere."""
    if details.HasField("egress"):
        egress = details.egress
        print(f"Egress: {egress.URL or plain_json(egress)}")
