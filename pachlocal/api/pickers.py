"""Pickers: the newer messages by which clients say which repo, branch or commit they mean."""

from __future__ import annotations

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.files import resolve
from pachlocal.pfs.history.names import DEFAULT_PROJECT, USER, BranchName, CommitName, RepoName
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.proto import pfs_pb2, pps_pb2
from pachlocal.storage.database import Connection


def project(picker: pfs_pb2.ProjectPicker) -> str:
    """Return the project that is meant; none means the default."""
    return picker.name or DEFAULT_PROJECT


def repo(picker: pfs_pb2.RepoPicker) -> RepoName:
    """Return the repo that is meant.

    Raises:
        InvalidArgumentError: None is.
    """
    if not picker.name.name:
        raise InvalidArgumentError("validate request: a repo must be picked")
    return RepoName(project(picker.name.project), picker.name.name, picker.name.type or USER)


def pipeline(picker: pps_pb2.PipelinePicker) -> tuple[str, str]:
    """Return the project and name of the pipeline that is meant.

    Raises:
        InvalidArgumentError: None is.
    """
    if not picker.name.name:
        raise InvalidArgumentError("validate request: a pipeline must be picked")
    return project(picker.name.project), picker.name.name


def branch(picker: pfs_pb2.BranchPicker) -> BranchName:
    """Return the branch that is meant.

    Raises:
        InvalidArgumentError: None is.
    """
    if not picker.name.name:
        raise InvalidArgumentError("validate request: a branch must be picked")
    return BranchName(repo(picker.name.repo), picker.name.name)


def commit(connection: Connection, picker: pfs_pb2.CommitPicker) -> CommitInfo:
    """Return the commit that is meant.

    Raises:
        NotFoundError: It isn't there.
        InvalidArgumentError: None is meant.
    """
    kind = picker.WhichOneof("picker")
    if kind == "id":
        return resolve.resolve(connection, CommitName(repo(picker.id.repo), picker.id.id))
    if kind == "branch_head":
        return _on_branch(connection, picker.branch_head, "")
    if kind == "branch_root":
        return _on_branch(
            connection, picker.branch_root.branch, f".{picker.branch_root.offset + 1}"
        )
    if kind == "ancestor":
        start = commit(connection, picker.ancestor.start)
        suffix = f"^{picker.ancestor.offset}"
        return resolve.resolve(connection, CommitName(start.name.repo, start.name.id + suffix))
    raise InvalidArgumentError("validate request: a commit must be picked")


def _on_branch(connection: Connection, picker: pfs_pb2.BranchPicker, suffix: str) -> CommitInfo:
    name = branch(picker)
    return resolve.resolve(connection, CommitName(name.repo, name.name + suffix))
