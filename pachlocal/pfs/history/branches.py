"""Branches: movable names for commits, and the provenance that makes a DAG of them.

Provenance is declared between branches ("this branch is computed from those") and recorded between
commits. See https://docs.pachyderm.com/latest/learn/glossary/provenance/.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from pachlocal.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError
from pachlocal.pfs.history import commits, metadata, repos, triggers
from pachlocal.pfs.history.names import SPEC, BranchName, CommitName, RepoName, validate_branch_name
from pachlocal.pfs.history.records import BranchInfo, CommitInfo, OriginKind
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.storage.database import Connection, Row

_SELECT = """
    SELECT branches.*, repos.name AS repo, repos.type AS repo_type, projects.name AS project
    FROM branches JOIN repos ON repos.id = branches.repo_id
    JOIN projects ON projects.id = repos.project_id
"""
_AT_ONCE = 100  # branches, each of which may have a thousand behind it
_MAX_DEPTH = 1_000_000  # a number that SQLite can hold
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
    never: Collection[BranchName] = (),
) -> int:
    """Create a branch, or move its head and replace its provenance; return its row.

    Branches in the provenance that don't exist are made, with an empty commit. A new branch without
    a head, or with a new provenance, gets a commit of its own: finished when it has no provenance;
    open otherwise, for whoever computes it, and made when the transaction ends.

    Args:
        tx: The transaction.
        branch: The branch.
        new_head: Its head; what it is by itself otherwise. Below a new provenance it is the parent
            of the commit that shows that.
        provenance: The branches that it is computed from.
        never: Those of them whose new commits make none here.

    Raises:
        NotFoundError: A repo isn't there.
        FailedPreconditionError: The provenance can't be: a cycle, or two branches of a repo in one
            DAG.
        InvalidArgumentError: A name can't be one, or `never` has others than the provenance.
    """
    for name in never:
        if name not in provenance:
            raise InvalidArgumentError(
                "branch propagation spec must reference provenant branch "
                f"(referenced branch: {name})"
            )
    for name in (*provenance, branch):
        validate_branch_name(name.name)
        repos.key(tx.connection, name.repo)
    sources = [_ensure_with_head(tx, name) for name in provenance]
    if any(name.repo == branch.repo for name in provenance):
        raise FailedPreconditionError(
            f"repo {branch.repo} cannot be in the provenance of its own branch"
        )
    existing = find(tx.connection, branch)
    key = ensure(tx, branch)
    changed = set(direct_provenance(tx.connection, key)) != set(sources)
    _set_provenance(tx, key, sources, [name in never for name in provenance])
    note_change(tx, key)
    if sources:
        triggers.remove(tx, key)
    if new_head is not None:
        if new_head.name.repo != branch.repo:
            raise FailedPreconditionError("branch and head commit must belong to the same repo")
        set_head(tx, key, new_head.key)
    if sources and (existing is None or changed):
        tx.renewed.append(key)
    elif head_key(tx.connection, key) is None:
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

    Open when the branch has provenance, for whoever computes it; finished otherwise.
    """
    name, before = name_and_head(tx.connection, key)
    sources = provenance_heads(tx.connection, key)
    computed = bool(sources)
    own = commits.find_in_set(tx.connection, name.repo, tx.id)
    if own is not None:  # a sibling branch of this transaction
        set_head(tx, key, own.key)
        return
    commit = commits.insert(
        tx,
        name,
        parent=commits.itself(tx.connection, before) if before is not None else None,
        origin=OriginKind.AUTO,
        finished=not computed,
    )
    for _, source_head in sources:
        if source_head is not None:
            commits.add_provenance(tx, commit, source_head)
    set_head(tx, key, commit)
    if computed:
        tx.appeared.append(commit)


def clear_provenance(tx: Transaction, branch: BranchName) -> None:
    """Cut a branch off, if it is there: what it was computed from makes no more commits in it."""
    key = find(tx.connection, branch)
    if key is not None:
        _set_provenance(tx, key, (), ())


def delete(tx: Transaction, branch: BranchName, *, force: bool) -> None:
    """Delete a branch; its commits stay.

    Raises:
        NotFoundError: It isn't there.
        FailedPreconditionError: It is in the provenance of others, or follows or is followed by
            another by a trigger, and no force.
    """
    key = key_of(tx.connection, branch)
    direct = f"{_SELECT} JOIN branch_provenance ON branch_id = branches.id AND provenance_id = ?"
    ahead = list(_names(tx.connection, direct, key))
    if ahead and not force:
        raise FailedPreconditionError(
            f'branch "{branch}" cannot be deleted because it\'s in the direct provenance of '
            f"[{' '.join(map(str, ahead))}]"
        )
    if not force:
        triggers.refuse_tied(tx.connection, [key])
    triggers.remove_followers(tx, key)
    tx.connection.execute("DELETE FROM branches WHERE id = ?", (key,))


def find(connection: Connection, branch: BranchName) -> int | None:
    """Return a branch's row, or None."""
    row = _row(connection, branch)
    return row["id"] if row else None


def _row(connection: Connection, branch: BranchName) -> Row | None:
    row: Row | None = connection.execute(
        f"{_SELECT} WHERE projects.name = ? AND repos.name = ? AND repos.type = ?"
        " AND branches.name = ?",
        (branch.repo.project, branch.repo.name, branch.repo.type, branch.name),
    ).fetchone()
    return row


def find_with_head(
    connection: Connection, branch: BranchName
) -> tuple[int | None, CommitInfo | None]:
    """Return a branch's row and its newest commit itself, or None for each that isn't there."""
    found = commits.head_of(connection, branch)  # in one statement, as long as there is one
    return found or (find(connection, branch), None)


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
        "INSERT INTO branches (repo_id, name, created, updated) VALUES (?1, ?2, ?3, ?3)",
        (repos.key(tx.connection, branch.repo), branch.name, tx.now),
    )
    assert cursor.lastrowid is not None  # noqa: S101 - an INSERT has one
    return cursor.lastrowid


def head(connection: Connection, key: int) -> CommitInfo | None:
    """Return the newest commit of a branch."""
    row = connection.execute("SELECT head_id FROM branches WHERE id = ?", (key,)).fetchone()
    return commits.by_key(connection, row["head_id"]) if row and row["head_id"] else None


def head_key(connection: Connection, key: int) -> int | None:
    """Return the row of a branch's newest commit, if there is one."""
    row = connection.execute("SELECT head_id FROM branches WHERE id = ?", (key,)).fetchone()
    return row["head_id"] if row else None


def set_head(tx: Transaction, key: int, commit: int, *, moved: bool = True) -> None:
    """Move a branch.

    Args:
        tx: The transaction.
        key: The branch.
        commit: Its new head.
        moved: Whether what is downstream gets new commits when the transaction ends.
    """
    tx.connection.execute(
        "UPDATE branches SET head_id = ?, updated = ? WHERE id = ?", (commit, tx.now, key)
    )
    if moved:
        tx.moved.append(key)


def clear_head(tx: Transaction, key: int) -> None:
    """Leave a branch without a commit, until it is given one."""
    tx.connection.execute(
        "UPDATE branches SET head_id = NULL, updated = ? WHERE id = ?", (tx.now, key)
    )


def note_change(tx: Transaction, key: int) -> None:
    """Note that a branch's provenance or trigger is set now."""
    tx.connection.execute("UPDATE branches SET updated = ? WHERE id = ?", (tx.now, key))


def with_head(connection: Connection, commit: int) -> list[int]:
    """Return the rows of the branches that point at a commit."""
    rows = connection.execute("SELECT id FROM branches WHERE head_id = ? ORDER BY id", (commit,))
    return [row["id"] for row in rows]


def provenance_types(connection: Connection, key: int) -> dict[int, str]:
    """Return the rows of the branches that a branch is computed from, with their repos' types."""
    rows = connection.execute(
        "SELECT provenance_id, repos.type FROM branch_provenance"
        " JOIN branches ON branches.id = provenance_id JOIN repos ON repos.id = repo_id"
        " WHERE branch_id = ? ORDER BY provenance_id",
        (key,),
    )
    return dict(map(tuple, rows))


def provenance_heads(connection: Connection, key: int) -> list[tuple[str, int | None]]:
    """Return the type of the repo and the newest commit (row) of each branch behind a branch."""
    rows = connection.execute(
        "SELECT repos.type, branches.head_id FROM branch_provenance"
        " JOIN branches ON branches.id = provenance_id JOIN repos ON repos.id = repo_id"
        " WHERE branch_id = ? ORDER BY provenance_id",
        (key,),
    )
    return [(row["type"], row["head_id"]) for row in rows]


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


def name_and_head(connection: Connection, key: int) -> tuple[BranchName, int | None]:
    """Return the name of a branch that exists (by row), and the row of its newest commit."""
    row = connection.execute(f"{_SELECT} WHERE branches.id = ?", (key,)).fetchone()
    return _name(row), row["head_id"]


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


def list_branches(
    connection: Connection, repo: RepoName | None, *, reverse: bool
) -> Iterator[BranchInfo]:
    """Yield the branches of a repo, the newest first, or reversed.

    When no repo is named, all of them; those that are computed from the fewest others first, as on
    the real server.

    Raises:
        NotFoundError: The repo isn't there.
    """
    order = "ASC" if reverse else "DESC"
    key = repos.key(connection, repo) if repo is not None else None
    rows = connection.execute(
        f"{_SELECT} WHERE repo_id = COALESCE(?, repo_id) ORDER BY branches.id {order}", (key,)
    )
    found = (_info(connection, row) for row in rows.fetchall())
    if repo is None:
        yield from sorted(found, key=lambda info: len(info.provenance), reverse=reverse)
    else:
        yield from found


def behind(connection: Connection, branch: BranchInfo, max_depth: int) -> list[BranchInfo]:
    """Return the branches that one is computed from, the nearest first.

    Args:
        connection: The state to look at.
        branch: The branch.
        max_depth: How far to go; 1 for its direct provenance.
    """
    return _reach(connection, branch, max_depth, "branch_id", "provenance_id")


def ahead(connection: Connection, branch: BranchInfo, max_depth: int) -> list[BranchInfo]:
    """Return the branches that are computed from one, as `behind` does for those behind it."""
    return _reach(connection, branch, max_depth, "provenance_id", "branch_id")


def _reach(
    connection: Connection, branch: BranchInfo, max_depth: int, near: str, far: str
) -> list[BranchInfo]:
    rows = connection.execute(
        f"""
        WITH RECURSIVE reached (id, depth) AS (
            SELECT {far}, 1 FROM branch_provenance WHERE {near} = ?1
            UNION
            SELECT {far}, depth + 1 FROM reached
            JOIN branch_provenance ON {near} = reached.id WHERE depth < ?2
        )
        {_SELECT} JOIN (SELECT id, MIN(depth) AS depth FROM reached GROUP BY id) AS r
        ON r.id = branches.id ORDER BY r.depth, branches.id
        """,
        (branch.key, min(max_depth, _MAX_DEPTH)),
    )
    return [_info(connection, row) for row in rows.fetchall()]


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


def reached_by_commits(connection: Connection, key: int) -> list[int]:
    """Return those of the branches downstream that a branch's new commit makes one on."""
    rows = connection.execute(
        """
        WITH RECURSIVE reached (id) AS (
            SELECT branch_id FROM branch_provenance WHERE provenance_id = ? AND NOT never
            UNION
            SELECT branch_id FROM reached
            JOIN branch_provenance ON provenance_id = reached.id AND NOT never
        )
        SELECT id FROM reached
        """,
        (key,),
    )
    return [row["id"] for row in rows]


def inputs_first(connection: Connection, keys: Collection[int]) -> list[int]:
    """Return branches in the order of how many others each is computed from."""
    depths: dict[int, int] = {}
    left = iter(keys)
    while some := list(islice(left, _AT_ONCE)):
        rows = connection.execute(
            """
            WITH RECURSIVE reached (branch, id) AS (
                SELECT branch_id, provenance_id FROM branch_provenance
                WHERE branch_id IN (SELECT value FROM json_each(?))
                UNION
                SELECT branch, provenance_id
                FROM reached JOIN branch_provenance ON branch_id = reached.id
            )
            SELECT branch, COUNT(*) FROM reached GROUP BY branch
            """,
            (json.dumps(some),),
        )
        depths.update(map(tuple, rows))
    return sorted(keys, key=lambda key: depths.get(key, 0))


def _set_provenance(
    tx: Transaction, key: int, sources: Sequence[int], never: Sequence[bool]
) -> None:
    tx.connection.execute("DELETE FROM branch_provenance WHERE branch_id = ?", (key,))
    tx.connection.executemany(
        "INSERT OR IGNORE INTO branch_provenance (branch_id, provenance_id, never)"
        " VALUES (?, ?, ?)",
        [(key, source, silent) for source, silent in zip(sources, never, strict=True)],
    )


def _check_dag(connection: Connection, key: int, branch: BranchName) -> None:
    """Refuse a cycle, and two branches of one repo behind this branch or one computed from it."""
    query = f"{_BEHIND} {_SELECT} JOIN reached USING (id)"
    if branch in _names(connection, query, key):
        raise FailedPreconditionError(
            f"branch {branch} can't be in its own provenance: the DAG has a cycle"
        )
    for at in (key, *downstream(connection, key)):
        by_repo: dict[RepoName, BranchName] = {}
        for name in _names(connection, query, at):
            other = by_repo.setdefault(name.repo, name)
            if other != name:
                raise FailedPreconditionError(
                    f'multiple branches from the same repo, "{name.repo}", cannot participate in '
                    f"a DAG: {other.name}, {name.name}"
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
        head=CommitName(name.repo, head_set["commit_set"], name.name) if head_set else None,
        created=row["created"],
        updated=row["updated"],
        direct_provenance=tuple(_names(connection, direct, key)),
        provenance=tuple(_names(connection, f"{_BEHIND} {_SELECT} JOIN reached USING (id)", key)),
        subvenance=tuple(_names(connection, f"{_AHEAD} {_SELECT} JOIN reached USING (id)", key)),
        never=tuple(_names(connection, f"{direct} AND never", key)),
        trigger=triggers.find(connection, key),
        metadata=metadata.parse(row["metadata"]),
    )
