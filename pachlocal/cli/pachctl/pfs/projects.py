"""Commands on projects."""

from __future__ import annotations

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    command,
    description_option,
    output_options,
    pass_session,
)
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.words import confirm, moment, print_raw
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2


@command("project")
@click.argument("name", metavar="PROJECT")
@description_option
@pass_session
def create_project(session: Session, name: str, description: str) -> None:
    """Create a project, which is a namespace for repos and pipelines."""
    _save(session, name, description, update=False)


@command("project")
@click.argument("name", metavar="PROJECT")
@description_option
@pass_session
def update_project(session: Session, name: str, description: str) -> None:
    """Change a project's description."""
    _save(session, name, description, update=True)


def _save(session: Session, name: str, description: str, *, update: bool) -> None:
    request = pfs_pb2.CreateProjectRequest(
        project=pfs_pb2.Project(name=name), description=description, update=update
    )
    session.server.pfs.CreateProject(request)


@command("project")
@output_options
@pass_session
def list_project(session: Session, raw: str | None) -> None:
    """List projects; a star marks the current one."""
    infos = session.server.pfs.ListProject(pfs_pb2.ListProjectRequest())
    if raw:
        print_raw(infos, raw)
        return
    table = Table("ACTIVE\tPROJECT\tCREATED\tDESCRIPTION")
    for info in infos:
        table.row(
            "*" if info.project.name == session.project() else " ",
            info.project.name,
            moment(info, "created_at", full=False),
            info.description or "-",
            closed=False,
        )
    table.flush()


@command("project")
@click.argument("name", metavar="PROJECT")
@output_options
@pass_session
def inspect_project(session: Session, name: str, raw: str | None) -> None:
    """Describe a project."""
    request = pfs_pb2.InspectProjectV2Request(project=pfs_pb2.Project(name=name))
    answer = session.server.pfs.InspectProjectV2(request)
    if raw:
        print_raw([answer.info], raw)
        return
    print(f"Name: {answer.info.project.name}")
    if answer.info.description:
        print(f"Description: {answer.info.description}")
    if answer.info.HasField("created_at"):
        print(f"Created at: {moment(answer.info, 'created_at', full=True)}")
    if answer.defaults_json:
        print(f"Defaults: {answer.defaults_json}")


@command("project")
@click.argument("name", metavar="PROJECT")
@click.option("-f", "--force", is_flag=True, help="Delete the repos and pipelines in it, too.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@pass_session
def delete_project(session: Session, name: str, force: bool, yes: bool) -> None:
    """Delete a project; asks before it deletes pipelines and repos in it."""
    from pachlocal.proto import pps_pb2

    project = pfs_pb2.Project(name=name)
    inside = pps_pb2.ListPipelineRequest(projects=[project], details=True)
    pipelines = list(session.server.pps.ListPipeline(inside))
    outputs = {info.pipeline.name for info in pipelines}
    repos = [
        info.repo
        for info in session.server.pfs.ListRepo(
            pfs_pb2.ListRepoRequest(type="user", projects=[project])
        )
        if info.repo.name not in outputs
    ]
    if pipelines or repos:
        print(f"In project {name}, these go with it:")
        for info in pipelines:
            print(f"  pipeline {info.pipeline.name}")
        for repo in repos:
            print(f"  repo {repo.name}")
        if not yes and not confirm("Delete them?"):
            raise CliError("nothing was deleted")
    for info in pipelines:
        session.server.pps.DeletePipeline(
            pps_pb2.DeletePipelineRequest(pipeline=info.pipeline, force=True)
        )
    for repo in repos:
        session.server.pfs.DeleteRepo(pfs_pb2.DeleteRepoRequest(repo=repo, force=force))
    session.server.pfs.DeleteProject(pfs_pb2.DeleteProjectRequest(project=project, force=force))
