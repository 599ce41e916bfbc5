"""Branches: movable names for commits, and the provenance that makes a DAG of them.

Provenance is declared between branches ("this branch is computed from those") and recorded between
commits. See https://docs.pachyderm.com/latest/learn/glossary/provenance/.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pachlocal.errors import ConflictError, FailedPreconditionError, NotFoundError
from pachlocal.pfs import commits, metadata, repos, triggers
from pachlocal.pfs.names import SPEC, BranchName, CommitName, RepoName, validate_name
from pachlocal.pfs.records import BranchInfo, CommitInfo, OriginKind
from pachlocal.pfs.transaction import Transaction
from pachlocal.storage.database import Connection, Row

_SELECT = """
    SELECT branches.*, repos.name AS repo, repos.type AS repo_type, projects.name AS project
    FROM branches JOIN repos ON repos.id = branches.repo_id
    JOIN projects ON projects.id = repos.project_id
"""
# From a branch along provenance, and against it.
_BEHIND = """
    WITH RECURSIVE reached (id) AS (
        SELECT provenance_id FROM branch_provenance WHERE branch_id = ?
        UNION
        SELECT provenance_id FROM reached JOIN branch_provenance ON branch_id = reached.id
    )
"""
_AHEAD = """
    WITH RECURSIVE reached (id) AS (
        SELECT branch_id FROM branch_provenance WHERE provenance_id = ?
        UNION
        SELECT branch_id FROM reached JOIN branch_provenance ON provenance_id = reached.id
    )
"""


def create(
    tx: Transaction,
    branch: BranchName,
    *,
    new_head: CommitInfo | None = None,
    provenance: Sequence[BranchName] = (),
) -> int:
    """Create a branch, or move its head and replace its provenance; return its row.

    Branches in the provenance that don't exist are made, with an empty commit. A new branch without
    a head, or with a new provenance, gets a commit of its own: finished when it has no provenance;
    open otherwise, for whoever computes it, and made when the transaction ends.

    Raises:
        NotFoundError: A repo isn't there.
        ConflictError: The provenance can't be: a cycle, or two branches of a repo in one DAG.
        InvalidArgumentError: A name can't be one.
    """
    for name in (*provenance, branch):
        validate_name(name.name)
        repos.key(tx.connection, name.repo)
    sources = [_ensure_with_head(tx, name) for name in provenance]
    if any(name.repo == branch.repo for name in provenance):
        raise ConflictError(f"repo {branch.repo} cannot be in the provenance of its own branch")
    existing = find(tx.connection, branch)
    key = ensure(tx, branch)
    changed = set(direct_provenance(tx.connection, key)) != set(sources)
    _set_provenance(tx, key, sources)
    if sources:
        triggers.remove(tx, key)
    if new_head is not None:
        if new_head.name.repo != branch.repo:
            raise ConflictError(f"{new_head.name} is not a commit of repo {branch.repo}")
        set_head(tx, key, new_head.key)
    elif sources and (existing is None or changed):
        tx.renewed.append(key)
    elif existing is None:
        renew_head(tx, key)
    _check_dag(tx.connection, key, branch)
    return key


def _ensure_with_head(tx: Transaction, branch: BranchName) -> int:
    key = find(tx.connection, branch)
    if key is None:
        key = ensure(tx, branch)
        renew_head(tx, key)
    return key


def renew_head(tx: Transaction, key: int) -> None:
    """Give a branch a commit that shows its provenance, with its former head's content.

    Open when the branch is computed from others, for whoever computes it; finished otherwise.
    """
    name = by_key(tx.connection, key).name
    computed = has_provenance(tx.connection, key)
    own = commits.find_in_set(tx.connection, name.repo, tx.id)
    if own is not None:  # a sibling branch of this transaction
        set_head(tx, key, own.key)
        return
    commit = commits.insert(
        tx,
        name,
        parent=head(tx.connection, key),
        origin=OriginKind.AUTO,
        finished=not computed,
    )
    for source in direct_provenance(tx.connection, key):
        source_head = head(tx.connection, source)
        if source_head is not None:
            commits.add_provenance(tx, commit, source_head.key)
    set_head(tx, key, commit)
    if computed:
        tx.appeared.append(commit)


def clear_provenance(tx: Transaction, branch: BranchName) -> None:
    """Cut a branch off: what it was computed from no longer makes commits in it."""
    _set_provenance(tx, key_of(tx.connection, branch), ())


def delete(tx: Transaction, branch: BranchName, *, force: bool) -> None:
    """Delete a branch; its commits stay.

    Raises:
        NotFoundError: It isn't there.
        FailedPreconditionError: It is in the provenance of others, and no force.
    """
    key = key_of(tx.connection, branch)
    ahead = list(_names(tx.connection, f"{_AHEAD} {_SELECT} JOIN reached USING (id)", key))
    if ahead and not force:
        raise FailedPreconditionError(
            f"branch {branch} cannot be deleted because it is in the direct provenance "
            f"of {ahead[0]}"
        )
    tx.connection.execute("DELETE FROM branches WHERE id = ?", (key,))


def find(connection: Connection, branch: BranchName) -> int | None:
    """Return a branch's row, or None."""
    row = connection.execute(
        f"{_SELECT} WHERE projects.name = ? AND repos.name = ? AND repos.type = ?"
        " AND branches.name = ?",
        (branch.repo.project, branch.repo.name, branch.repo.type, branch.name),
    ).fetchone()
    return row["id"] if row else None


def key_of(connection: Connection, branch: BranchName) -> int:
    """Return a branch's row.

    Raises:
        NotFoundError: There is no such branch; also when there is no such repo, as upstream does.
    """
    key = find(connection, branch)
    if key is None:
        raise NotFoundError(f'branch "{branch.name}" not found in repo {branch.repo}')
    return key


def ensure(tx: Transaction, branch: BranchName) -> int:
    """Return a branch's row, made without a head when there is none."""
    key = find(tx.connection, branch)
    if key is not None:
        return key
    cursor = tx.connection.execute(
        "INSERT INTO branches (repo_id, name, created) VALUES (?, ?, ?)",
        (repos.key(tx.connection, branch.repo), branch.name, tx.now),
    )
    assert cursor.lastrowid is not None  # noqa: S101 - an INSERT has one
    return cursor.lastrowid


def head(connection: Connection, key: int) -> CommitInfo | None:
    """Return the newest commit of a branch."""
    row = connection.execute("SELECT head_id FROM branches WHERE id = ?", (key,)).fetchone()
    return commits.by_key(connection, row["head_id"]) if row and row["head_id"] else None


def set_head(tx: Transaction, key: int, commit: int, *, moved: bool = True) -> None:
    """Move a branch.

    Args:
        tx: The transaction.
        key: The branch.
        commit: Its new head.
        moved: Whether what is downstream gets new commits when the transaction ends.
    """
    tx.connection.execute("UPDATE branches SET head_id = ? WHERE id = ?", (commit, key))
    if moved:
        tx.moved.append(key)


def clear_head(tx: Transaction, key: int) -> None:
    """Leave a branch without a commit, until it is given one."""
    tx.connection.execute("UPDATE branches SET head_id = NULL WHERE id = ?", (key,))


def with_head(connection: Connection, commit: int) -> list[int]:
    """Return the rows of the branches that point at a commit."""
    rows = connection.execute("SELECT id FROM branches WHERE head_id = ? ORDER BY id", (commit,))
    return [row["id"] for row in rows]


def has_provenance(connection: Connection, key: int) -> bool:
    """Whether a branch is computed from others: from data, not just from a pipeline's spec."""
    row = connection.execute(
        "SELECT 1 FROM branch_provenance JOIN branches ON branches.id = provenance_id"
        " JOIN repos ON repos.id = repo_id WHERE branch_id = ? AND repos.type != ?",
        (key, SPEC),
    ).fetchone()
    return row is not None


def exists(connection: Connection, key: int) -> bool:
    """Whether a branch is still there."""
    row = connection.execute("SELECT 1 FROM branches WHERE id = ?", (key,)).fetchone()
    return row is not None


def inspect(connection: Connection, branch: BranchName) -> BranchInfo:
    """Return a branch.

    Raises:
        NotFoundError: It isn't there.
    """
    return by_key(connection, key_of(connection, branch))


def by_key(connection: Connection, key: int) -> BranchInfo:
    """Return the branch of a row that exists."""
    return _info(
        connection, connection.execute(f"{_SELECT} WHERE branches.id = ?", (key,)).fetchone()
    )


def list_branches(connection: Connection, repo: RepoName, *, reverse: bool) -> Iterator[BranchInfo]:
    """Yield a repo's branches, the newest first, or reversed.

    Raises:
        NotFoundError: The repo isn't there.
    """
    order = "ASC" if reverse else "DESC"
    rows = connection.execute(
        f"{_SELECT} WHERE repo_id = ? ORDER BY branches.id {order}",
        (repos.key(connection, repo),),
    )
    for row in rows.fetchall():
        yield _info(connection, row)


def direct_provenance(connection: Connection, key: int) -> list[int]:
    """Return the rows of the branches that a branch is computed from."""
    rows = connection.execute(
        "SELECT provenance_id FROM branch_provenance WHERE branch_id = ? ORDER BY provenance_id",
        (key,),
    )
    return [row["provenance_id"] for row in rows]


def downstream(connection: Connection, key: int) -> list[int]:
    """Return the rows of all branches computed from a branch, directly or not."""
    return [row["id"] for row in connection.execute(f"{_AHEAD} SELECT id FROM reached", (key,))]


def depth(connection: Connection, key: int) -> int:
    """Return how many branches a branch is computed from: an order in which inputs come first."""
    rows = connection.execute(f"{_BEHIND} SELECT COUNT(*) AS n FROM reached", (key,))
    count: int = rows.fetchone()["n"]
    return count


def _set_provenance(tx: Transaction, key: int, sources: Sequence[int]) -> None:
    tx.connection.execute("DELETE FROM branch_provenance WHERE branch_id = ?", (key,))
    tx.connection.executemany(
        "INSERT OR IGNORE INTO branch_provenance (branch_id, provenance_id) VALUES (?, ?)",
        [(key, source) for source in sources],
    )


def _check_dag(connection: Connection, key: int, branch: BranchName) -> None:
    """Refuse a cycle, and two branches of one repo behind this branch or one computed from it."""
    query = f"{_BEHIND} {_SELECT} JOIN reached USING (id)"
    if branch in _names(connection, query, key):
        raise ConflictError(f"branch {branch} can't be in its own provenance: the DAG has a cycle")
    for at in (key, *downstream(connection, key)):
        by_repo: dict[RepoName, BranchName] = {}
        for name in _names(connection, query, at):
            other = by_repo.setdefault(name.repo, name)
            if other != name:
                raise ConflictError(
                    f"multiple branches from the same repo ({name.repo}: {other.name}, "
                    f"{name.name}) cannot participate in a DAG"
                )


def _names(connection: Connection, query: str, key: int) -> Iterator[BranchName]:
    for row in connection.execute(f"{query} ORDER BY branches.id", (key,)).fetchall():
        yield _name(row)


def _name(row: Row) -> BranchName:
    return BranchName(RepoName(row["project"], row["repo"], row["repo_type"]), row["name"])


def _info(connection: Connection, row: Row) -> BranchInfo:
    key: int = row["id"]
    name = _name(row)
    head_set = connection.execute(
        "SELECT commit_set FROM commits WHERE id = ?", (row["head_id"],)
    ).fetchone()
    direct = f"{_SELECT} JOIN branch_provenance ON provenance_id = branches.id WHERE branch_id = ?"
    return BranchInfo(
        key=key,
        name=name,
        head=CommitName(name.repo, head_set["commit_set"]) if head_set else None,
        created=row["created"],
        direct_provenance=tuple(_names(connection, direct, key)),
        provenance=tuple(_names(connection, f"{_BEHIND} {_SELECT} JOIN reached USING (id)", key)),
        subvenance=tuple(_names(connection, f"{_AHEAD} {_SELECT} JOIN reached USING (id)", key)),
        trigger=triggers.find(connection, key),
        metadata=metadata.parse(row["metadata"]),
    )
