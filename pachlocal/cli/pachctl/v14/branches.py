"""Commands on branches, as in 1.4."""

from __future__ import annotations

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import pass_session, transactional
from pachlocal.cli.pachctl.printing.words import print_raw
from pachlocal.cli.pachctl.references import REPO, Reference
from pachlocal.cli.pachctl.v14.options import old_command, point, raw_option
from pachlocal.cli.pachctl.v14.printing import table
from pachlocal.proto import pfs_pb2


@old_command("list-branch")
@click.argument("repo", type=REPO)
@raw_option
@pass_session
def list_branch(session: Session, repo: Reference, raw: bool) -> None:
    """List a repo's branches."""
    request = pfs_pb2.ListBranchRequest(repo=repo.to_repo(session.project()))
    infos = session.server.pfs.ListBranch(request)
    if raw:
        print_raw(infos, "json")
        return
    rows = table("BRANCH\tHEAD\t")
    for info in infos:
        rows.row(info.branch.name, info.head.id)
    rows.flush()


@old_command("set-branch")
@click.argument("repo")
@click.argument("commit")
@click.argument("branch")
@pass_session
@transactional
def set_branch(session: Session, repo: str, commit: str, branch: str) -> None:
    """Set a branch's head to a commit, or to another branch's head."""
    request = pfs_pb2.CreateBranchRequest(
        branch=Reference(repo, branch=branch).to_branch(session.project()),
        head=point(repo, commit).to_commit(session.project()),
    )
    session.server.pfs.CreateBranch(request)


@old_command("delete-branch")
@click.argument("repo")
@click.argument("branch")
@pass_session
@transactional
def delete_branch(session: Session, repo: str, branch: str) -> None:
    """Delete a branch; its commits stay."""
    target = Reference(repo, branch=branch).to_branch(session.project())
    session.server.pfs.DeleteBranch(pfs_pb2.DeleteBranchRequest(branch=target))
