"""Commands on repos, as in 1.4."""

from __future__ import annotations

import click
import grpc

from pachlocal.cli.pachctl.client.failures import status_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import description_option, pass_session, transactional
from pachlocal.cli.pachctl.printing.words import print_raw
from pachlocal.cli.pachctl.references import REPO, Reference
from pachlocal.cli.pachctl.v14.options import old_command, raw_option
from pachlocal.cli.pachctl.v14.printing import ago, size, table
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2


@old_command("create-repo")
@click.argument("repo", type=REPO)
@description_option
@pass_session
@transactional
def create_repo(session: Session, repo: Reference, description: str) -> None:
    """Make a repo."""
    request = pfs_pb2.CreateRepoRequest(
        repo=repo.to_repo(session.project()), description=description
    )
    session.server.pfs.CreateRepo(request)


@old_command("list-repo")
@click.option(
    "-p", "--provenance", type=REPO, multiple=True, help="Only repos that depend on this one."
)
@raw_option
@pass_session
def list_repo(session: Session, provenance: tuple[Reference, ...], raw: bool) -> None:
    """List repos."""
    request = pfs_pb2.ListRepoRequest(type="user")
    request.projects.add(name=session.project())
    infos = list(session.server.pfs.ListRepo(request))
    if provenance:
        wanted = {it.repo for it in provenance}
        infos = [info for info in infos if wanted <= set(_provenance(session, info.repo))]
    if raw:
        print_raw(infos, "json")
        return
    rows = table("NAME\tCREATED\tSIZE\t")
    for info in infos:
        rows.row(info.repo.name, ago(info, "created"), _content_size(info))
    rows.flush()


def _provenance(session: Session, repo: pfs_pb2.Repo) -> list[str]:
    """Name the repos that a repo is made from; that was the repo's own in 1.4, not a branch's."""
    branch = pfs_pb2.Branch(repo=repo, name="master")
    try:
        info = session.server.pfs.InspectBranch(pfs_pb2.InspectBranchRequest(branch=branch))
    except grpc.RpcError as error:
        if status_of(error) is grpc.StatusCode.NOT_FOUND:
            return []
        raise
    return [it.repo.name for it in info.provenance if it.repo.type in ("", "user")]


def _content_size(info: pfs_pb2.RepoInfo) -> str:
    known = info.HasField("details")
    return size(info.details.size_bytes if known else info.size_bytes_upper_bound)


@old_command("inspect-repo")
@click.argument("repo", type=REPO)
@raw_option
@pass_session
def inspect_repo(session: Session, repo: Reference, raw: bool) -> None:
    """Describe a repo."""
    request = pfs_pb2.InspectRepoRequest(repo=repo.to_repo(session.project()))
    info = session.server.pfs.InspectRepo(request)
    if raw:
        print_raw([info], "json")
        return
    print(f"Name: {info.repo.name}")
    if info.description:
        print(f"Description: {info.description}")
    print(f"Created: {ago(info, 'created')}")
    print(f"Size: {_content_size(info)}")
    if provenance := _provenance(session, info.repo):
        print("Provenance:  " + "  ".join(provenance))


@old_command("delete-repo")
@click.argument("repo", type=REPO, required=False)
@click.option("-f", "--force", is_flag=True, help="Delete it even if others depend on it.")
@click.option("--all", "every", is_flag=True, help="All repos.")
@pass_session
@transactional
def delete_repo(session: Session, repo: Reference | None, force: bool, every: bool) -> None:
    """Delete a repo and everything in it."""
    if (repo is None) != every:
        raise click.UsageError("Name a repo, or give --all.")
    if repo is None:
        many = pfs_pb2.DeleteReposRequest(force=force)
        many.projects.add(name=session.project())
        session.server.pfs.DeleteRepos(many)
        return
    request = pfs_pb2.DeleteRepoRequest(repo=repo.to_repo(session.project()), force=force)
    if not session.server.pfs.DeleteRepo(request).deleted:
        raise CliError(f"repo {repo.repo} not found, so nothing was deleted")
