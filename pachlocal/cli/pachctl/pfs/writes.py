"""What a write did besides: a commit that turned out not to be valid, a branch that is new."""

from __future__ import annotations

import sys

from pachlocal.cli.pachctl.client.failures import call_error
from pachlocal.cli.pachctl.client.guessing import near
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.printing.repos import full_name
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2
from pachlocal.untrusted import printable


def check_commit(session: Session, commit: pfs_pb2.Commit) -> None:
    """Tell of the error of a commit that was finished.

    The calls that finish one don't. Where that takes its time, as on a cluster, the error comes
    later and isn't waited for.

    Args:
        session: The call's session.
        commit: The commit, or the branch whose head it is.

    Raises:
        CliError: It has one.
    """
    request = pfs_pb2.InspectCommitRequest(commit=commit, wait=pfs_pb2.CommitState.STARTED)
    try:
        info = session.server.pfs.InspectCommit(request)
    except call_error():
        return  # the write has succeeded, whoever may look at it
    if info.error:
        name = f"{full_name(info.commit.repo)}@{info.commit.id}"
        raise CliError(f"commit {name} isn't valid, so no pipeline reads it: {info.error}")


def tell_of_new_branch(repo: pfs_pb2.RepoInfo, branch: str) -> None:
    """Say that a write has created a branch, if its name looks like a slip.

    Args:
        repo: The repo before the write.
        branch: The branch that was written to; empty for a commit.
    """
    before = [it.name for it in repo.branches]
    if branch and branch not in before and (meant := near(branch, before)):
        new = f"branch {branch} of {full_name(repo.repo)} is new"
        print(printable(f"{new}; did you mean {' or '.join(meant)}?"), file=sys.stderr)
