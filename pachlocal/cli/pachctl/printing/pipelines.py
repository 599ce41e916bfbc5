"""How pipelines are shown."""

from __future__ import annotations

import json
import textwrap
import time

from pachlocal.cli.pachctl.printing.jobs import (
    job_state,
    limit,
    print_egress,
    print_resources,
    print_service,
    workers_wanted,
)
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.words import moment, paint, plain_json, seconds_of
from pachlocal.proto import pps_pb2
from pachlocal.proto.inputs import COMBINATIONS

_STATES = {
    pps_pb2.PIPELINE_STARTING: ("starting", "yellow"),
    pps_pb2.PIPELINE_RUNNING: ("running", "green"),
    pps_pb2.PIPELINE_RESTARTING: ("restarting", "yellow"),
    pps_pb2.PIPELINE_FAILURE: ("failure", "red"),
    pps_pb2.PIPELINE_PAUSED: ("paused", "yellow"),
    pps_pb2.PIPELINE_STANDBY: ("standby", "yellow"),
    pps_pb2.PIPELINE_CRASHING: ("crashing", "red"),
}
FAILED = (
    pps_pb2.PIPELINE_FAILURE,
    pps_pb2.PIPELINE_CRASHING,
    pps_pb2.PIPELINE_RESTARTING,
)


def pipeline_state(state: pps_pb2.PipelineState.ValueType) -> str:
    """Write a pipeline's state."""
    return paint(*_STATES[state]) if state in _STATES else "-"


# As Pachyderm prints them.
_SIGNS = {
    "cross": ("(", " ⨯ "),  # noqa: RUF001
    "join": ("(", " ⋈ "),
    "union": ("(", " ∪ "),  # noqa: RUF001
    "group": ("(Group: ", ", "),
}


def input_in_short(source: pps_pb2.Input, *, projects: bool = True) -> str:
    """Write what a pipeline reads in the form PROJECT/REPO:GLOB, combined by signs.

    Args:
        source: What it reads.
        projects: Whether to name the projects.
    """
    if source.HasField("pfs"):
        name = f"{source.pfs.repo}:{source.pfs.glob}"
        return f"{source.pfs.project}/{name}" if projects else name
    if source.HasField("cron"):
        return f"{source.cron.name}:{source.cron.spec}"
    for kind in COMBINATIONS:
        if parts := getattr(source, kind):
            start, sign = _SIGNS.get(kind, (f"({kind}: ", ", "))
            shown = (input_in_short(it, projects=projects) for it in parts)
            return f"{start}{sign.join(shown)})"
    return "none"


class PipelineTable:
    """Prints pipelines, one line each."""

    def __init__(self, full_timestamps: bool) -> None:
        self._full_timestamps = full_timestamps
        self._table = Table(
            "PROJECT\tNAME\tVERSION\tINPUT\tCREATED\tSTATE / LAST JOB\tALERTS\tDESCRIPTION\t"
        )

    def add(self, info: pps_pb2.PipelineInfo) -> None:
        """Print one."""
        known = info.HasField("details")
        details = info.details
        self._table.row(
            info.pipeline.project.name,
            info.pipeline.name,
            str(info.version),
            input_in_short(details.input) if known else "-",
            moment(details, "created_at", self._full_timestamps),
            f"{pipeline_state(info.state)} / {job_state(info.last_job_state)}",
            "*" if _has_alert(details) else "",
            details.description if known else "pipeline details unavailable",
        )

    def flush(self) -> None:
        """Print what is left."""
        self._table.flush()


def _has_alert(details: pps_pb2.PipelineInfo.Details) -> bool:
    if not details.HasField("workers_started_at"):
        return False
    uptime = time.time() - seconds_of(details.workers_started_at)
    return uptime > seconds_of(details.maximum_expected_uptime)


def print_pipeline(info: pps_pb2.PipelineInfo, full_timestamps: bool) -> None:
    """Describe one pipeline."""
    details = info.details
    print(f"Name: {info.pipeline.name}")
    if details.description:
        print(f"Description: {details.description}")
    print(f"Created: {moment(details, 'created_at', full_timestamps)}")
    print(f"State: {pipeline_state(info.state)}")
    print(f"Reason: {info.reason}")
    print(f"Workers Available: {details.workers_available}/{details.workers_requested}")
    print(f"Stopped: {'true' if info.stopped else 'false'}")
    print(f"Parallelism Spec: {workers_wanted(details.parallelism_spec)}")
    print_resources(details)
    print_service(details)
    print(f"Datum Timeout: {limit(details, 'datum_timeout')}")
    print(f"Job Timeout: {limit(details, 'job_timeout')}")
    print(f"Input: {plain_json(details.input) if details.HasField('input') else ''}")
    print(f"Output Branch: {details.output_branch}")
    print(f"Transform: {plain_json(details.transform)}")
    print_egress(details)
    if details.recent_error:
        print(f"Recent Error: {details.recent_error}")
    for title, text in (
        ("User Spec", info.user_spec_json),
        ("Effective Spec", info.effective_spec_json),
    ):
        if text:
            print(f"{title}: {_indented(text)}")


def _indented(text: str) -> str:
    spec = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return textwrap.indent(spec, "  ").lstrip()
