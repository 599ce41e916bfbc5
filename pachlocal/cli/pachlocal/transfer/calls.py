"""Questions that both ends of a transfer ask."""

from __future__ import annotations

import re
from collections.abc import Iterator

import grpc

from pachlocal.cli.pachctl.client.failures import status_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.proto import pfs_pb2

# GetFile takes a glob pattern; these are the characters of one that a path may have, too.
_SPECIAL = re.compile(r"[\\|]")


def commit_of(repo: pfs_pb2.Repo, id_: str) -> pfs_pb2.Commit:
    """Make the message that names a commit."""
    # Servers up to 2.10 look for the repo in the branch, later ones beside it.
    return pfs_pb2.Commit(branch=pfs_pb2.Branch(repo=repo), repo=repo, id=id_)


def read_file(session: Session, commit: pfs_pb2.Commit, path: str) -> Iterator[bytes]:
    """Yield a file's bytes."""
    file = pfs_pb2.File(commit=commit, path=_SPECIAL.sub(r"\\\g<0>", path))
    for piece in session.server.pfs.GetFile(pfs_pb2.GetFileRequest(file=file)):
        yield piece.value


def size_of(session: Session, commit: pfs_pb2.Commit) -> int:
    """Return the bytes of all files of a commit."""
    request = pfs_pb2.InspectFileRequest(file=pfs_pb2.File(commit=commit, path="/"))
    try:
        return session.server.pfs.InspectFile(request).size_bytes
    except grpc.RpcError as error:
        if status_of(error) is grpc.StatusCode.NOT_FOUND:
            return 0  # without files there may be no root
        raise
