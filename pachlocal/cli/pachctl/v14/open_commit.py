"""Whether a commit takes changes: in 1.4 one had to be started first."""

from __future__ import annotations

import grpc

from pachlocal.cli.pachctl.client.failures import status_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.references import Reference
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2


def is_open(session: Session, where: Reference) -> bool:
    """Tell whether a commit, or a branch's head, takes changes."""
    request = pfs_pb2.InspectCommitRequest(
        commit=where.to_commit(session.project()), wait=pfs_pb2.CommitState.STARTED
    )
    try:
        info = session.server.pfs.InspectCommit(request)
    except grpc.RpcError as error:
        if status_of(error) is grpc.StatusCode.NOT_FOUND and where.branch:
            return False  # a branch that isn't there yet
        raise
    return not (info.HasField("finishing") or info.HasField("finished"))


def require_open_commit(session: Session, where: Reference) -> None:
    """Refuse to change what isn't open.

    Raises:
        CliError: It isn't.
    """
    if not is_open(session, where):
        name = where.branch or where.commit
        advice = f"begin one with: pachctl start-commit {where.repo} {where.branch or 'BRANCH'}"
        raise CliError(f"{where.repo} {name} has no open commit; {advice}")
