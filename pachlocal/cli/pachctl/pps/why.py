"""Where a file comes from, as a tree down to the user's own commits."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import NamedTuple

import click

from pachlocal.cli.pachctl.client.local_service import local_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    command,
    full_timestamps_option,
    output_options,
    pass_session,
    project_option,
)
from pachlocal.cli.pachctl.printing.code import use_lines, version_line
from pachlocal.cli.pachctl.printing.jobs import job_state
from pachlocal.cli.pachctl.printing.repos import full_name
from pachlocal.cli.pachctl.printing.words import moment, print_raw, size
from pachlocal.cli.pachctl.references import FILE, Reference
from pachlocal.proto import local_pb2, pfs_pb2, pps_pb2

_HASH_LENGTH = 12  # enough to compare by eye; --raw has all
_SKIPPED = pps_pb2.DatumState.SKIPPED


@command("why")
@click.argument("file", type=FILE)
@full_timestamps_option
@project_option
@output_options
@pass_session
def why(
    session: Session,
    file: Reference,
    full_timestamps: bool,
    project: str | None,
    raw: str | None,
) -> None:
    """Show where a file comes from.

    For a result, it shows the datum and the job that made it, and everything that these read, back
    to users' commits. For a user's own file, it shows the commit that last changed it.
    """
    name = session.project(project)
    request = local_pb2.WhyRequest(file=file.to_file(name))
    answer = local_of(session).Why(request)
    if raw:
        print_raw([answer.origin], raw)
        return
    for line in _Teller(name, full_timestamps).lines(answer.origin):
        print(line)
    if answer.outputs:
        print("The outputs of this commit are by several versions of the code:")
        for line in use_lines(answer.outputs):
            print(f"  {line}")


class _Node(NamedTuple):
    """Lines of text with branches below them."""

    lines: list[str]
    branches: list[_Node]


class _Teller:
    """Puts an origin in words."""

    def __init__(self, project: str, full_timestamps: bool) -> None:
        self._project = project
        self._full = full_timestamps

    def lines(self, origin: local_pb2.FileOrigin) -> Iterator[str]:
        yield from _draw(self._file(origin), "", "")

    def _file(self, origin: local_pb2.FileOrigin) -> _Node:
        info = origin.file
        shown = info.hash.hex()[:_HASH_LENGTH]
        line = f"{self._place(info.file.commit)}:{info.file.path}  {size(info.size_bytes)}  {shown}"
        branches = [self._datum(datum) for datum in origin.datums]
        if origin.more_datums:
            branches.append(_Node(["… and other datums"], []))
        if origin.HasField("changed"):
            branches.append(_Node([self._change(origin.changed)], []))
        if origin.repeated:
            line += "  (see above)"
        return _Node([line], branches)

    def _datum(self, origin: local_pb2.DatumOrigin) -> _Node:
        lines = [f"datum {origin.datum.id}"]
        if origin.HasField("ran_in"):
            when = moment(origin, "finished", self._full)
            state = job_state(origin.job_state)
            lines.append(f"ran in job {self._job(origin.ran_in)} ({state}, {when})")
            lines.append(f"  because: {origin.ran_reason}")
        else:
            lines.append("ran in a job that was deleted")
        if origin.state == _SKIPPED:
            lines.append(f"skipped in job {self._job(origin.datum.job)}: {origin.reason}")
        version, spec = origin.pipeline_version, origin.spec_commit
        lines.append(f"by version {version} of the pipeline ({self._place(spec)})")
        lines.append(f"image {origin.image}")
        if origin.HasField("code"):
            lines.append(f"code {version_line(origin.code)}")
        lines.append(f"command {shlex.join(origin.cmd)}")
        lines.extend(f"  < {line}" for line in origin.stdin)
        return _Node(lines, [self._file(file) for file in origin.inputs])

    def _change(self, info: pfs_pb2.CommitInfo) -> str:
        kind = pfs_pb2.OriginKind.Name(info.origin.kind)
        details = [
            kind,
            moment(info, "finished" if info.HasField("finished") else "started", self._full),
        ]
        if info.created_by:
            details.append(f"by {info.created_by}")
        if info.description:
            details.append(f'"{info.description}"')
        text = f"last changed by commit {self._place(info.commit)} ({', '.join(details)})"
        if info.direct_provenance:
            sources = ", ".join(map(self._place, info.direct_provenance))
            text += f", made from {sources} by a pipeline that is no longer there"
        return text

    def _place(self, commit: pfs_pb2.Commit) -> str:
        return f"{self._prefix(commit.repo.project)}{full_name(commit.repo)}@{commit.id}"

    def _job(self, job: pps_pb2.Job) -> str:
        return f"{self._prefix(job.pipeline.project)}{job.pipeline.name}@{job.id}"

    def _prefix(self, project: pfs_pb2.Project) -> str:
        return "" if project.name == self._project else f"{project.name}/"


def _draw(node: _Node, first: str, rest: str) -> Iterator[str]:
    """Yield the lines of a tree.

    Args:
        node: Its root.
        first: What stands before its first line.
        rest: What stands before all that follow.
    """
    for number, line in enumerate(node.lines):
        bar = "│ " if node.branches else "  "
        indent = first if number == 0 else rest + (bar if len(node.lines) > 1 else "")
        yield f"{indent}{line}"
    for branch in node.branches:
        last = branch is node.branches[-1]
        yield from _draw(
            branch, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  ")
        )
