"""Commands about the server as a whole."""

from __future__ import annotations

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    all_projects_option,
    command,
    output_options,
    pass_session,
    project_option,
)
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.words import print_raw
from pachlocal.proto import admin_pb2, pfs_pb2, pps_pb2


@command("cluster")
@output_options
@pass_session
def inspect_cluster(session: Session, raw: str | None) -> None:
    """Print the server's ID; with --raw, everything that it reports of itself."""
    info = session.server.admin.InspectCluster(admin_pb2.InspectClusterRequest())
    if raw:
        print_raw([info], raw)
    else:
        print(info.id)


@command("cluster")
@click.option("-r", "--reason", default="", metavar="TEXT", help="The reason, for its log.")
@pass_session
def restart_cluster(session: Session, reason: str) -> None:
    """Restart all of a cluster's servers."""
    session.server.admin.RestartPachyderm(admin_pb2.RestartPachydermRequest(reason=reason))


@command("status")
@all_projects_option
@project_option
@output_options
@pass_session
def check_status(
    session: Session, all_projects: bool, project: str | None, raw: str | None
) -> None:
    """Print problems of a project's pipelines: workers that run for too long."""
    request = pps_pb2.CheckStatusRequest(all=True)
    if not all_projects:
        request = pps_pb2.CheckStatusRequest(project=pfs_pb2.Project(name=session.project(project)))
    answers = session.server.pps.CheckStatus(request)
    if raw:
        print_raw(answers, raw)
        return
    table = Table("PROJECT\tPIPELINE\tALERT")
    for answer in answers:
        for alert in answer.alerts:
            table.row(answer.pipeline.project.name, answer.pipeline.name, alert, closed=False)
    table.flush()
