"""Between records and messages.

Clients of 2.10 and before find a commit's repo in its `branch`; to others the real server doesn't
tell it of a commit that is itself the answer, nor of its parent, but of all that are named within
another. `python-pachyderm` is of the former kind, and says so in its user agent.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from pachlocal.api.service import Context
from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.history.names import DEFAULT_PROJECT, USER, BranchName, CommitName, RepoName
from pachlocal.pfs.history.records import BranchInfo, CommitInfo, ProjectInfo, RepoInfo
from pachlocal.pfs.history.triggers import Trigger
from pachlocal.pfs.tree.entries import Entry
from pachlocal.proto import pfs_pb2, pps_pb2

_T = TypeVar("_T")

_LEGACY_AGENT = "python-pachyderm"


# --- requests: what clients send ----------------------------------------------------------------


def project_name(project: pfs_pb2.Project) -> str:
    """Return a project's name; none means the default."""
    return project.name or DEFAULT_PROJECT


def repo_name(repo: pfs_pb2.Repo) -> RepoName:
    """Return a repo's name; project and type have defaults.

    Raises:
        InvalidArgumentError: It has no name.
    """
    if not repo.name:
        raise InvalidArgumentError("validate request: a repo must be named")
    return RepoName(project_name(repo.project), repo.name, repo.type or USER)


def branch_name(branch: pfs_pb2.Branch) -> BranchName:
    """Return a branch's name.

    Raises:
        InvalidArgumentError: It has no name, or its repo none.
    """
    if not branch.name:
        raise InvalidArgumentError("validate request: a branch must be named")
    return BranchName(repo_name(branch.repo), branch.name)


def commit_name(commit: pfs_pb2.Commit) -> tuple[CommitName, str]:
    """Return a commit's name, and the branch that is meant when its id is empty.

    Raises:
        InvalidArgumentError: It has no repo.
    """
    repo = commit.repo if commit.HasField("repo") else commit.branch.repo
    branch = commit.branch.name
    # An id that is ancestry alone is that of the branch.
    id_ = branch + commit.id if branch and commit.id.startswith((".", "^", "~")) else commit.id
    return CommitName(repo_name(repo), id_), branch


def limit(number: int, field: str = "number") -> int | None:
    """Return how many results are wanted at most; None, which clients write as 0, for all.

    Raises:
        InvalidArgumentError: It is negative.
    """
    if number < 0:
        raise InvalidArgumentError(f"validate request: {field} must not be negative: {number}")
    return number or None


def page(items: Iterable[_T], wanted: pfs_pb2.RepoPage | pps_pb2.PipelinePage) -> Iterator[_T]:
    """Return one page of what there is; its index counts from 0, and a size of 0 sets no bound.

    Raises:
        InvalidArgumentError: A number of the page is negative.
    """
    size = limit(wanted.page_size, "page_size")
    first = (size or 0) * (limit(wanted.page_index, "page_index") or 0)
    return islice(items, min(first, sys.maxsize), min(first + size, sys.maxsize) if size else None)


def trigger(message: pfs_pb2.Trigger) -> Trigger:
    """Return a trigger."""
    return Trigger(
        branch=message.branch,
        all=message.all,
        rate_limit_spec=message.rate_limit_spec,
        size=message.size,
        commits=message.commits,
        cron_spec=message.cron_spec,
    )


# --- answers ------------------------------------------------------------------------------------


def timestamp(ns: int | None) -> Timestamp | None:
    """Return a time (ns since 1970) as a message; None stays unset."""
    if ns is None:
        return None
    return Timestamp(seconds=ns // 1_000_000_000, nanos=ns % 1_000_000_000)


def repo_message(repo: RepoName) -> pfs_pb2.Repo:
    """Return a repo, with the project that Go clients dereference."""
    return pfs_pb2.Repo(name=repo.name, type=repo.type, project=pfs_pb2.Project(name=repo.project))


def branch_message(branch: BranchName) -> pfs_pb2.Branch:
    """Return a branch."""
    return pfs_pb2.Branch(repo=repo_message(branch.repo), name=branch.name)


def project_info(info: ProjectInfo) -> pfs_pb2.ProjectInfo:
    """Return a project."""
    return pfs_pb2.ProjectInfo(
        project=pfs_pb2.Project(name=info.name),
        description=info.description,
        created_at=timestamp(info.created),
        metadata=info.metadata,
    )


def repo_info(info: RepoInfo) -> pfs_pb2.RepoInfo:
    """Return a repo with its size."""
    return pfs_pb2.RepoInfo(
        repo=repo_message(info.name),
        created=timestamp(info.created),
        description=info.description,
        size_bytes_upper_bound=info.size,
        branches=[branch_message(BranchName(info.name, name)) for name in info.branches],
        details=pfs_pb2.RepoInfo.Details(size_bytes=info.size),
        metadata=info.metadata,
    )


def trigger_message(info: Trigger) -> pfs_pb2.Trigger:
    """Return a trigger as a message."""
    return pfs_pb2.Trigger(
        branch=info.branch,
        all=info.all,
        rate_limit_spec=info.rate_limit_spec,
        size=info.size,
        commits=info.commits,
        cron_spec=info.cron_spec,
    )


class Wire:
    """Makes the messages that hold commits, as the caller's version expects them."""

    def __init__(self, context: Context) -> None:
        metadata = dict(context.invocation_metadata())
        self._legacy = str(metadata.get("user-agent", "")).startswith(_LEGACY_AGENT)

    def commit(self, commit: CommitName) -> pfs_pb2.Commit:
        """Return the name of a commit that is the answer, or that of its parent."""
        message = pfs_pb2.Commit(repo=repo_message(commit.repo), id=commit.id)
        if self._legacy:
            message.branch.CopyFrom(branch_message(BranchName(commit.repo, commit.branch)))
        return message

    def named_commit(self, commit: CommitName) -> pfs_pb2.Commit:
        """Return the name of a commit that an answer about something else names."""
        message = self.commit(commit)
        if commit.branch:
            message.branch.CopyFrom(branch_message(BranchName(commit.repo, commit.branch)))
        return message

    def alone(self, named: pfs_pb2.Commit) -> pfs_pb2.Commit:
        """Return a commit that something else names as the answer itself."""
        commit = pfs_pb2.Commit()
        commit.CopyFrom(named)
        if not self._legacy:
            commit.ClearField("branch")
        return commit

    def commit_info(self, info: CommitInfo) -> pfs_pb2.CommitInfo:
        """Return a commit."""
        finished = timestamp(info.finished)
        return pfs_pb2.CommitInfo(
            commit=self.commit(info.name),
            origin=pfs_pb2.CommitOrigin(kind=pfs_pb2.OriginKind.ValueType(info.origin)),
            description=info.description,
            parent_commit=self.commit(info.parent) if info.parent else None,
            child_commits=map(self.named_commit, info.children),
            direct_provenance=map(self.named_commit, info.provenance),
            direct_subvenance=map(self.named_commit, info.subvenance),
            started=timestamp(info.started),
            finishing=finished,
            finished=finished,
            error=info.error,
            size_bytes_upper_bound=info.size,
            details=pfs_pb2.CommitInfo.Details(size_bytes=info.size if info.finished else 0),
            created_at=timestamp(info.started),
            updated_at=timestamp(info.finished or info.started),
            metadata=info.metadata,
        )

    def branch_info(self, info: BranchInfo) -> pfs_pb2.BranchInfo:
        """Return a branch."""
        return pfs_pb2.BranchInfo(
            branch=branch_message(info.name),
            head=self.commit(info.head) if info.head else None,
            provenance=map(branch_message, info.provenance),
            direct_provenance=map(branch_message, info.direct_provenance),
            subvenance=map(branch_message, info.subvenance),
            created_at=timestamp(info.created),
            updated_at=timestamp(info.updated),
            metadata=info.metadata,
            trigger=trigger_message(info.trigger) if info.trigger else None,
            branch_propagation_specs=[
                pfs_pb2.BranchPropagationSpec(
                    branch=branch_message(source),
                    propagation_spec=pfs_pb2.PropagationSpec(never=True),
                )
                for source in info.never
            ],
        )

    def file_info(self, info: CommitInfo, path: str, entry: Entry) -> pfs_pb2.FileInfo:
        """Return a file or folder."""
        (message,) = self.file_infos(info, [(path, entry)])
        return message

    def file_infos(
        self, info: CommitInfo, found: Iterable[tuple[str, Entry]]
    ) -> Iterator[pfs_pb2.FileInfo]:
        """Yield files and folders of one commit, given as (path, entry)."""
        # What they share is copied: to make it of its parts each time takes four times as long.
        shared = pfs_pb2.FileInfo(
            file=pfs_pb2.File(commit=self.commit(info.name)), committed=timestamp(info.finished)
        )
        for path, entry in found:
            message = pfs_pb2.FileInfo()
            message.CopyFrom(shared)
            file = message.file
            file.path = path
            file.datum = entry.tag
            message.file_type = pfs_pb2.DIR if entry.is_folder else pfs_pb2.FILE
            message.size_bytes = entry.size
            message.hash = entry.hash
            yield message
