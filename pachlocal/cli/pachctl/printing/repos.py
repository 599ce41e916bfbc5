"""How a repo's name is written, and how much a repo or commit holds."""

from __future__ import annotations

from pachlocal.cli.pachctl.printing.words import size
from pachlocal.proto import pfs_pb2


def full_name(repo: pfs_pb2.Repo) -> str:
    """Write a repo's name, with its type unless it is a user's."""
    return repo.name if repo.type in ("", "user") else f"{repo.name}.{repo.type}"


def content_size(info: pfs_pb2.RepoInfo | pfs_pb2.CommitInfo) -> str:
    """Write how much a repo or a commit holds; while that isn't sure, an upper bound."""
    if info.HasField("details"):
        return size(info.details.size_bytes)
    return f"≤ {size(info.size_bytes_upper_bound)}"
