"""The history of a repo: commits started, listed, and grouped in commit sets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from pachlocal.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError
from pachlocal.pfs.history import branches, commits, repos
from pachlocal.pfs.history.names import SPEC, BranchName, RepoName, validate_branch_name
from pachlocal.pfs.history.records import CommitInfo, OriginKind
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.storage.database import Connection

Place: TypeAlias = "tuple[int | None, CommitInfo | None]"
"""A branch's row and its newest commit; None for each that isn't there."""


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
        FailedPreconditionError: The parent is open or of another repo, or the branch is computed
            from others.
    """
    if parent is not None and parent.name.repo != branch.repo:
        raise FailedPreconditionError("branch and parent commit must belong to the same repo")
    place = branches.find_with_head(tx.connection, branch)
    key = _start(tx, branch, place, parent or place[1], origin=origin, description=description)
    return commits.by_key(tx.connection, key)


def add(tx: Transaction, branch: BranchName, place: Place, content: commits.Content) -> int:
    """Start a commit on a branch, give it its files and finish it: all in one go.

    Args:
        tx: The transaction; its ID becomes the commit's.
        branch: Where.
        place: The branch's row and its newest commit, as `branches.find_with_head` found them in
            this transaction.
        content: The files.

    Returns:
        The commit's row.

    Raises:
        NotFoundError: The repo isn't there.
        FailedPreconditionError: The branch is computed from others, or its head is open.
    """
    key = _start(tx, branch, place, place[1], content=content)
    if not content.error:
        tx.finished.append(key)
    return key


def _start(
    tx: Transaction,
    branch: BranchName,
    place: Place,
    base: CommitInfo | None,
    *,
    origin: OriginKind = OriginKind.USER,
    description: str = "",
    content: commits.Content | None = None,
) -> int:
    owner, _ = place
    sources = branches.provenance_types(tx.connection, owner) if owner is not None else {}
    if any(kind != SPEC for kind in sources.values()):
        raise FailedPreconditionError(f"cannot start a commit on an output branch: {branch}")
    if base is not None and base.finished is None:
        raise FailedPreconditionError(f"parent commit {base.name} has not been finished")
    if owner is None:
        validate_branch_name(branch.name)
    key = commits.insert(
        tx, branch, parent=base, origin=origin, description=description, content=content
    )
    if owner is None:
        owner = branches.ensure(tx, branch)
    for source in sources:  # a spout's spec
        spec = branches.head_key(tx.connection, source)
        if spec is not None:
            commits.add_provenance(tx, key, spec)
    branches.set_head(tx, owner, key)
    return key


@dataclass(frozen=True, slots=True)
class Filter:
    """Which commits to list.

    Attributes:
        to: Begin with this one and go back through its parents; None for all of a repo.
        since: Stop before this one.
        number: At most so many; 0 for all.
        reverse: The oldest first.
        origin: Only those that exist for this reason; UNKNOWN for all.
        started: Only those started before this time (ns since 1970), or after it in reverse; None
            for all. Of no effect with `to`, as on the real server.
    """

    to: CommitInfo | None = None
    since: CommitInfo | None = None
    number: int = 0
    reverse: bool = False
    origin: OriginKind = OriginKind.UNKNOWN
    started: int | None = None

    def passes(self, info: CommitInfo) -> bool:
        """Whether a commit within the bounds is to be listed."""
        if self.origin not in (OriginKind.UNKNOWN, info.origin):
            return False
        if self.started is None or self.to is not None:
            return True
        return info.started > self.started if self.reverse else info.started < self.started


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
        if wanted.passes(info):
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
    yield from commits.from_rows(rows)


def newer(
    connection: Connection, repo: RepoName, after: int, branch: str = ""
) -> Iterator[CommitInfo]:
    """Yield a repo's commits that came after a row, the oldest first; none while it isn't there.

    Args:
        connection: The state to look at.
        repo: The repo.
        after: The row.
        branch: Only those made on it, wherever its head is; empty for all.
    """
    if not repos.exists(connection, repo):
        return
    rows = connection.execute(
        f"{commits.SELECT} WHERE commits.repo_id = ?1 AND commits.id > ?2"
        " AND ?3 IN ('', commits.branch) ORDER BY commits.id",
        (repos.key(connection, repo), after, branch),
    )
    yield from commits.from_rows(rows.fetchall())


def newest(connection: Connection, repo: RepoName) -> int:
    """Return the row of a repo's newest commit, 0 when it has none.

    Raises:
        NotFoundError: The repo isn't there.
    """
    (row,) = connection.execute(
        "SELECT MAX(id) FROM commits WHERE repo_id = ?", (repos.key(connection, repo),)
    ).fetchone()
    return row or 0


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
    return list(commits.from_rows(rows))


def list_commit_sets(
    connection: Connection, project: str = ""
) -> Iterator[tuple[str, list[CommitInfo]]]:
    """Yield each set with what `commit_set` returns of it, the set with the newest commit first.

    Those that have a commit of a project when one is named.
    """
    ids = connection.execute(
        "SELECT commit_set FROM commits JOIN repos ON repos.id = repo_id"
        " JOIN projects ON projects.id = project_id WHERE ?1 IN ('', projects.name)"
        " GROUP BY commit_set ORDER BY MAX(commits.id) DESC",
        (project,),
    ).fetchall()
    for (id_,) in ids:
        yield id_, commit_set(connection, id_)


_MAX_DEPTH = 1_000_000  # a number that SQLite can hold, and no history is as deep


def provenance(
    connection: Connection, info: CommitInfo, max_depth: int = _MAX_DEPTH
) -> list[CommitInfo]:
    """Return all commits that one was made from, directly or not, the nearest first.

    Args:
        connection: The state to look at.
        info: The commit.
        max_depth: How far to go; 1 for its direct provenance.
    """
    return _reach(connection, info, max_depth, "commit_id", "provenance_id")


def subvenance(
    connection: Connection, info: CommitInfo, max_depth: int = _MAX_DEPTH
) -> list[CommitInfo]:
    """Return all commits that were made from one, as `provenance` does for those behind it."""
    return _reach(connection, info, max_depth, "provenance_id", "commit_id")


def _reach(
    connection: Connection, info: CommitInfo, max_depth: int, near: str, far: str
) -> list[CommitInfo]:
    rows = connection.execute(
        f"""
        WITH RECURSIVE reached (id, depth) AS (
            SELECT {far}, 1 FROM commit_provenance WHERE {near} = ?1
            UNION
            SELECT {far}, depth + 1 FROM reached
            JOIN commit_provenance ON {near} = reached.id WHERE depth < ?2
        )
        {commits.SELECT} JOIN (SELECT id, MIN(depth) AS depth FROM reached GROUP BY id) AS r
        ON r.id = commits.id ORDER BY r.depth, commits.id
        """,
        (info.key, min(max_depth, _MAX_DEPTH)),
    )
    return list(commits.from_rows(rows.fetchall()))
