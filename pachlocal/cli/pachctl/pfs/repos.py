"""Commands on repos."""

from __future__ import annotations

import sys

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    all_projects_option,
    command,
    description_option,
    full_timestamps_option,
    output_options,
    pass_session,
    project_option,
    transactional,
)
from pachlocal.cli.pachctl.printing.repos import content_size, full_name
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.words import moment, print_raw, size
from pachlocal.cli.pachctl.references import REPO, Reference
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2


@command("repo")
@click.argument("repo", type=REPO)
@description_option
@project_option
@pass_session
@transactional
def create_repo(session: Session, repo: Reference, description: str, project: str | None) -> None:
    """Create a repo, which holds versioned files."""
    request = pfs_pb2.CreateRepoRequest(
        repo=repo.to_repo(session.project(project)), description=description
    )
    session.server.pfs.CreateRepo(request)


@command("repo")
@click.argument("repo", type=REPO)
@description_option
@project_option
@pass_session
@transactional
def update_repo(session: Session, repo: Reference, description: str, project: str | None) -> None:
    """Change a repo's description."""
    request = pfs_pb2.CreateRepoRequest(
        repo=repo.to_repo(session.project(project)), description=description, update=True
    )
    session.server.pfs.CreateRepo(request)


@command("repo")
@click.option("--all", "every_type", is_flag=True, help="Include pipelines' own repos.")
@click.option(
    "--type", "repo_type", default="user", metavar="TYPE", help="Only these: user, meta or spec."
)
@all_projects_option
@project_option
@full_timestamps_option
@output_options
@pass_session
def list_repo(
    session: Session,
    every_type: bool,
    repo_type: str,
    all_projects: bool,
    project: str | None,
    full_timestamps: bool,
    raw: str | None,
) -> None:
    """List repos, with the size of their master branch."""
    request = pfs_pb2.ListRepoRequest(type="" if every_type else repo_type)
    if not all_projects:
        request.projects.add(name=session.project(project))
    answers = session.server.pfs.ListRepo(request)
    if raw:
        print_raw(answers, raw)
        return
    table = Table("PROJECT\tNAME\tCREATED\tSIZE (MASTER)\tDESCRIPTION\t")
    for info in answers:
        table.row(
            info.repo.project.name,
            full_name(info.repo),
            moment(info, "created", full_timestamps),
            content_size(info),
            info.description,
        )
    table.flush()


@command("repo")
@click.argument("repo", type=REPO)
@project_option
@full_timestamps_option
@output_options
@pass_session
def inspect_repo(
    session: Session, repo: Reference, project: str | None, full_timestamps: bool, raw: str | None
) -> None:
    """Describe a repo."""
    request = pfs_pb2.InspectRepoRequest(repo=repo.to_repo(session.project(project)))
    info = session.server.pfs.InspectRepo(request)
    if raw:
        print_raw([info], raw)
        return
    print(f"Name: {info.repo.name}")
    if info.description:
        print(f"Description: {info.description}")
    print(f"Created: {moment(info, 'created', full_timestamps)}")
    if info.HasField("details"):
        print(f"Size of HEAD on master: {size(info.details.size_bytes)}")


@command("repo")
@click.argument("repo", type=REPO, required=False)
@click.option(
    "-f", "--force", is_flag=True, help="Delete it even if branches elsewhere depend on it."
)
@click.option("--all", "every", is_flag=True, help="All repos of the project.")
@all_projects_option
@project_option
@pass_session
@transactional
def delete_repo(
    session: Session,
    repo: Reference | None,
    force: bool,
    every: bool,
    all_projects: bool,
    project: str | None,
) -> None:
    """Delete a repo and everything in it."""
    if (repo is None) != every or (all_projects and not every):
        raise click.UsageError("Name a repo, or give --all (with -A, in every project).")
    if repo is None:
        many = pfs_pb2.DeleteReposRequest(all=all_projects, force=force)
        if not all_projects:
            many.projects.add(name=session.project(project))
        session.server.pfs.DeleteRepos(many)
        return
    request = pfs_pb2.DeleteRepoRequest(repo=repo.to_repo(session.project(project)), force=force)
    if not session.server.pfs.DeleteRepo(request).deleted:
        name = f"{request.repo.project.name}/{request.repo.name}"
        raise CliError(f"repo {name} not found, so nothing was deleted")
    if not session.joined:
        print("Repo deleted.", file=sys.stderr)
