"""The history of a repo: commits started, listed, and grouped in commit sets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pachlocal.errors import ConflictError, InvalidArgumentError, NotFoundError
from pachlocal.pfs import branches, commits, repos
from pachlocal.pfs.names import BranchName, RepoName, validate_name
from pachlocal.pfs.records import CommitInfo, OriginKind
from pachlocal.pfs.transaction import Transaction
from pachlocal.storage.database import Connection


def start(
    tx: Transaction,
    branch: BranchName,
    *,
    parent: CommitInfo | None = None,
    description: str = "",
    origin: OriginKind = OriginKind.USER,
) -> CommitInfo:
    """Open a commit on a branch, which is made when it doesn't exist.

    Args:
        tx: The transaction; its ID becomes the commit's.
        branch: Where.
        parent: The commit to begin with, instead of the branch's head.
        description: What the user says of it.
        origin: Why.

    Raises:
        NotFoundError: The repo isn't there.
        ConflictError: The parent is open, or the branch is computed from others.
    """
    validate_name(branch.name)
    found = branches.find(tx.connection, branch)
    if found is not None and branches.has_provenance(tx.connection, found):
        raise ConflictError(f"cannot start a commit on an output branch: {branch}")
    base = parent
    if base is None and found is not None:
        base = branches.head(tx.connection, found)
    if base is not None and base.finished is None:
        raise ConflictError(f"parent commit {base.name} has not been finished")
    key = commits.insert(tx, branch, parent=base, origin=origin, description=description)
    owner = branches.ensure(tx, branch)
    for source in branches.direct_provenance(tx.connection, owner):  # a spout's spec
        spec = branches.head(tx.connection, source)
        if spec is not None:
            commits.add_provenance(tx, key, spec.key)
    branches.set_head(tx, owner, key)
    return commits.by_key(tx.connection, key)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which commits to list.

    Attributes:
        to: Begin with this one and go back through its parents; None for all of a repo.
        since: Stop before this one.
        number: At most so many; 0 for all.
        reverse: The oldest first.
        origin: Only those that exist for this reason; UNKNOWN for all.
    """

    to: CommitInfo | None = None
    since: CommitInfo | None = None
    number: int = 0
    reverse: bool = False
    origin: OriginKind = OriginKind.UNKNOWN


def list_commits(
    connection: Connection, repo: RepoName | None, wanted: Filter
) -> Iterator[CommitInfo]:
    """Yield commits, the newest first; of all repos when none is named.

    Raises:
        NotFoundError: The repo isn't there.
        InvalidArgumentError: The bounds are of another repo, or don't go with `reverse`.
    """
    bounds = [bound for bound in (wanted.to, wanted.since) if bound is not None]
    if any(bound.name.repo != repo for bound in bounds):
        raise InvalidArgumentError(f"`from` and `to` commits need to be from repo {repo}")
    if wanted.since is not None and wanted.to is None:
        raise InvalidArgumentError("cannot use `from` commit without `to` commit")
    if bounds and wanted.reverse:
        raise InvalidArgumentError("cannot use `reverse` while also using `from` or `to`")
    candidates = (
        _line(connection, wanted.to)
        if wanted.to is not None
        else _all(connection, repo, reverse=wanted.reverse)
    )
    left = wanted.number or -1
    for info in candidates:
        if left == 0 or (wanted.since is not None and info.key == wanted.since.key):
            return
        if wanted.origin in (OriginKind.UNKNOWN, info.origin):
            left -= 1
            yield info


def _line(connection: Connection, info: CommitInfo) -> Iterator[CommitInfo]:
    """Yield a commit and its ancestors."""
    ancestor: CommitInfo | None = info
    while ancestor is not None:
        yield ancestor
        ancestor = commits.parent_of(connection, ancestor)


def _all(connection: Connection, repo: RepoName | None, *, reverse: bool) -> Iterator[CommitInfo]:
    order = "ASC" if reverse else "DESC"
    if repo is None:
        rows = connection.execute(f"{commits.SELECT} ORDER BY commits.id {order}")
    else:
        key = repos.key(connection, repo)
        rows = connection.execute(
            f"{commits.SELECT} WHERE commits.repo_id = ? ORDER BY commits.id {order}", (key,)
        )
    yield from commits.from_rows(connection, rows)


def commit_set(connection: Connection, id_: str) -> list[CommitInfo]:
    """Return the commits of a set and those of older sets that it was made from, inputs first.

    Raises:
        NotFoundError: No commit has this ID.
    """
    rows = connection.execute(
        f"""
        WITH RECURSIVE behind (id) AS (
            SELECT id FROM commits WHERE commit_set = ?
            UNION
            SELECT provenance_id FROM behind JOIN commit_provenance ON commit_id = behind.id
        )
        {commits.SELECT} JOIN behind ON behind.id = commits.id ORDER BY commits.id
        """,
        (id_,),
    ).fetchall()
    if not rows:
        raise NotFoundError(f"no commits found for commitset {id_}")
    return list(commits.from_rows(connection, rows))


def list_commit_sets(connection: Connection, project: str = "") -> Iterator[list[CommitInfo]]:
    """Yield the commits of each set, the newest set first; those of a project when one is named."""
    ids = connection.execute(
        "SELECT commit_set FROM commits GROUP BY commit_set ORDER BY MIN(id) DESC"
    ).fetchall()
    for (id_,) in ids:
        rows = connection.execute(
            f"{commits.SELECT} WHERE commit_set = ? ORDER BY commits.id", (id_,)
        )
        members = commits.from_rows(connection, rows.fetchall())
        shown = [info for info in members if project in ("", info.name.repo.project)]
        if shown:
            yield shown


def provenance(connection: Connection, info: CommitInfo) -> list[CommitInfo]:
    """Return all commits that one was made from, directly or not, the nearest first."""
    return _reach(connection, info, "commit_id", "provenance_id")


def subvenance(connection: Connection, info: CommitInfo) -> list[CommitInfo]:
    """Return all commits that were made from one, directly or not, the nearest first."""
    return _reach(connection, info, "provenance_id", "commit_id")


def _reach(connection: Connection, info: CommitInfo, near: str, far: str) -> list[CommitInfo]:
    rows = connection.execute(
        f"""
        WITH RECURSIVE reached (id, depth) AS (
            SELECT {far}, 1 FROM commit_provenance WHERE {near} = ?
            UNION
            SELECT {far}, depth + 1 FROM reached JOIN commit_provenance ON {near} = reached.id
        )
        {commits.SELECT} JOIN (SELECT id, MIN(depth) AS depth FROM reached GROUP BY id) AS r
        ON r.id = commits.id ORDER BY r.depth, commits.id
        """,
        (info.key,),
    )
    return list(commits.from_rows(connection, rows.fetchall()))
