"""The figures that output repos hold in a metrics.json, over their commits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import click
import grpc

from pachlocal.cli.pachctl.client.connection import APIClient
from pachlocal.cli.pachctl.client.failures import status_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    command,
    full_timestamps_option,
    pass_session,
    project_option,
)
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.words import moment
from pachlocal.cli.pachctl.references import REPO, Reference
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2, pps_pb2

_PATH = "/metrics.json"
_LONGEST = 1 << 20  # bytes of such a file
_NONE = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION)


class _Row(NamedTuple):
    commit: pfs_pb2.CommitInfo
    figures: dict[str, float]


@command("metrics")
@click.argument("repo", type=REPO, required=False)
@click.option(
    "--number",
    "-n",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="How many of a repo's newest commits to show.",
)
@full_timestamps_option
@project_option
@pass_session
def metrics(
    session: Session,
    repo: Reference | None,
    number: int,
    full_timestamps: bool,
    project: str | None,
) -> None:
    """Print the figures in the metrics.json of a repo, one line for each commit.

    Without REPO, it prints those of all pipelines' output repos. The file has an object of names
    and numbers; other values are ignored.
    """
    name = session.project(project)
    server = session.server
    repos = [repo.to_repo(name)] if repo else list(_outputs(server, name))
    shown = False
    for one in repos:
        rows = list(_rows(server, one, number))
        if not rows:
            continue
        if not repo:
            print(f"{chr(10) if shown else ''}{one.name}")
        _print(rows, full_timestamps)
        shown = True
    if not shown:
        raise CliError(f"no commit {'of ' + repo.repo if repo else 'of a pipeline'} has {_PATH}")


def _outputs(server: APIClient, project: str) -> Iterator[pfs_pb2.Repo]:
    there = pfs_pb2.Project(name=project)
    for info in server.pps.ListPipeline(pps_pb2.ListPipelineRequest(projects=[there])):
        yield pfs_pb2.Repo(name=info.pipeline.name, type="user", project=there)


def _rows(server: APIClient, repo: pfs_pb2.Repo, number: int) -> Iterator[_Row]:
    request = pfs_pb2.ListCommitRequest(repo=repo, number=number)
    for info in server.pfs.ListCommit(request):
        if info.HasField("finished") and not info.error:
            figures = _figures(server, info.commit)
            if figures:
                yield _Row(info, figures)


def _figures(server: APIClient, commit: pfs_pb2.Commit) -> dict[str, float]:
    """Return the numbers of a commit's file; none when it has no such file, or another one."""
    file = pfs_pb2.File(commit=commit, path=_PATH)
    content = b""
    try:
        for message in server.pfs.GetFile(pfs_pb2.GetFileRequest(file=file)):
            content += message.value
            if len(content) > _LONGEST:
                return {}
    except grpc.RpcError as error:
        if status_of(error) in _NONE:
            return {}
        raise
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        str(key): value
        for key, value in found.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _print(rows: list[_Row], full_timestamps: bool) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row.figures))
    table = Table("\t".join(["COMMIT", "STARTED", *names]))
    for row in rows:
        cells = [f"{row.figures[name]:g}" if name in row.figures else "-" for name in names]
        started = moment(row.commit, "started", full_timestamps)
        table.row(row.commit.commit.id, started, *cells, closed=False)
    table.flush()
