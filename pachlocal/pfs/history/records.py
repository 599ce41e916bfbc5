"""What PFS tells about its repos, branches and commits. Times are nanoseconds since 1970, UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from pachlocal.pfs.history.names import BranchName, CommitName, RepoName
from pachlocal.pfs.history.triggers import Trigger
from pachlocal.pfs.tree.entries import Root


class OriginKind(IntEnum):
    """Why a commit exists; the numbers are those of pfs_v2.OriginKind."""

    UNKNOWN = 0
    USER = 1
    AUTO = 2
    FSCK = 3


@dataclass(frozen=True, slots=True)
class ProjectInfo:
    """A project; `key` is its row."""

    key: int
    name: str
    description: str
    created: int
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class RepoInfo:
    """A repo; `size` is the bytes of its master branch."""

    key: int
    name: RepoName
    description: str
    created: int
    size: int
    branches: tuple[str, ...]
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class BranchInfo:
    """A branch, with its provenance: the branches that it is computed from.

    Attributes:
        key: Its row.
        name: Its name.
        head: The newest commit.
        created: When.
        updated: When its head, provenance or trigger was last set.
        direct_provenance: The branches named at its creation.
        provenance: These and all behind them.
        subvenance: The branches that have this one in their provenance.
        never: The branches of its direct provenance whose new commits make none on it.
        trigger: When its head follows that of another branch.
        metadata: What users note about it.
    """

    key: int
    name: BranchName
    head: CommitName | None
    created: int
    updated: int
    direct_provenance: tuple[BranchName, ...]
    provenance: tuple[BranchName, ...]
    subvenance: tuple[BranchName, ...]
    never: tuple[BranchName, ...] = ()
    trigger: Trigger | None = None
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A commit: open until it is finished, immutable from then on.

    Attributes:
        key: Its row; grows in the order of creation.
        name: Its name; the id is that of its commit set.
        branch: The branch that it was made on.
        origin: Why it exists.
        description: What its maker says of it.
        parent: The commit before.
        children: The commits after.
        provenance: The commits that it was made from, one for each branch in direct provenance.
        subvenance: The commits that were made from it directly.
        root: Its files.
        size: Bytes of its files.
        started: When.
        finished: When; None while it is open.
        error: Why its content is not to be used; empty for a good one.
        metadata: What users note about it.
    """

    key: int
    name: CommitName
    branch: str
    origin: OriginKind
    description: str
    parent: CommitName | None
    children: tuple[CommitName, ...]
    provenance: tuple[CommitName, ...]
    subvenance: tuple[CommitName, ...]
    root: Root
    size: int
    started: int
    finished: int | None
    error: str
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
