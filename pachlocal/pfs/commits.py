"""Commits as they are stored: insert, change while open, finish, read back.

A commit's content is always whole: every modification replaces its tree in one transaction, so an
open commit shows its parent's files with what has been written so far, and finishing it changes
nothing but its state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pachlocal.errors import ConflictError, NotFoundError
from pachlocal.pfs import metadata, repos, tree
from pachlocal.pfs.content import Reader
from pachlocal.pfs.entries import Root
from pachlocal.pfs.names import BranchName, CommitName, RepoName
from pachlocal.pfs.records import CommitInfo, OriginKind
from pachlocal.pfs.transaction import Transaction
from pachlocal.storage.database import Connection, Row

SELECT = """
    SELECT commits.*, repos.name AS repo, repos.type AS repo_type, projects.name AS project
    FROM commits JOIN repos ON repos.id = commits.repo_id
    JOIN projects ON projects.id = repos.project_id
"""


def insert(
    tx: Transaction,
    branch: BranchName,
    *,
    parent: CommitInfo | None,
    origin: OriginKind,
    description: str = "",
    finished: bool = False,
) -> int:
    """Add a commit with its parent's content and return its row; branches stay where they are.

    Raises:
        NotFoundError: The repo isn't there.
        ConflictError: The transaction has already made a commit in this repo.
    """
    connection = tx.connection
    if find_in_set(connection, branch.repo, tx.id) is not None:
        raise ConflictError(
            f"inconsistent dependencies: {branch.repo} already has a commit in set {tx.id}"
        )
    good = _last_good(connection, parent)
    cursor = connection.execute(
        "INSERT INTO commits (commit_set, repo_id, branch, parent_id, origin, description, root,"
        " size, started, finished) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            tx.id,
            repos.key(connection, branch.repo),
            branch.name,
            parent.key if parent else None,
            int(origin),
            description,
            good.root if good else None,
            good.size if good else 0,
            tx.now,
            tx.now if finished else None,
        ),
    )
    assert cursor.lastrowid is not None  # noqa: S101 - an INSERT has one
    return cursor.lastrowid


def base_root(connection: Connection, commit: CommitInfo | None) -> Root:
    """Return the files that a commit after this one begins with."""
    good = _last_good(connection, commit)
    return good.root if good else None


def _last_good(connection: Connection, commit: CommitInfo | None) -> CommitInfo | None:
    """Return the commit, or its nearest ancestor that has no error: what failed is no base."""
    while commit is not None and commit.error:
        commit = parent_of(connection, commit)
    return commit


def add_provenance(tx: Transaction, commit: int, provenance: int) -> None:
    """Record that a commit is made from another."""
    tx.connection.execute(
        "INSERT OR IGNORE INTO commit_provenance (commit_id, provenance_id) VALUES (?, ?)",
        (commit, provenance),
    )


def set_root(tx: Transaction, objects: Reader, commit: CommitInfo, root: Root) -> CommitInfo:
    """Replace the content of an open commit.

    Raises:
        ConflictError: It has been finished.
    """
    check_open(commit)
    tx.connection.execute(
        "UPDATE commits SET root = ?, size = ? WHERE id = ?",
        (root, tree.size_of(objects, root), commit.key),
    )
    return by_key(tx.connection, commit.key)


def discard(tx: Transaction, commit: CommitInfo) -> None:
    """Empty a commit that was finished with an error: nobody is to read what failed."""
    tx.connection.execute("UPDATE commits SET root = NULL, size = 0 WHERE id = ?", (commit.key,))


def check_open(commit: CommitInfo) -> None:
    """Refuse a commit that can't be written to.

    Raises:
        ConflictError: It has been finished.
    """
    if commit.finished is not None:
        raise ConflictError(f"commit {commit.name} has already finished")


def finish(
    tx: Transaction,
    objects: Reader,
    commit: CommitInfo,
    *,
    description: str = "",
    error: str = "",
    is_sound: bool = False,
) -> CommitInfo:
    """Finish a commit: from now on it never changes.

    A commit in which one path is a file and a folder, or two files, can't be laid out on a disk: as
    on the real server it is finished, with an error. Whoever knows that it is none of these says
    that it `is_sound`: to find out costs what has changed.

    Raises:
        ConflictError: It has been finished.
    """
    check_open(commit)
    if not error and not is_sound:
        error = _flaw(tx.connection, objects, commit)
    tx.connection.execute(
        "UPDATE commits SET finished = ?, error = ?, description = ? WHERE id = ?",
        (tx.now, error, description or commit.description, commit.key),
    )
    if not error:
        tx.finished.append(commit.key)
    return by_key(tx.connection, commit.key)


def _flaw(connection: Connection, objects: Reader, commit: CommitInfo) -> str:
    parent = parent_of(connection, commit)
    before = parent.root if parent and not parent.error else None
    return tree.flaw(objects, before, commit.root) or ""


def find_in_set(connection: Connection, repo: RepoName, commit_set: str) -> CommitInfo | None:
    """Find the commit that a set has in a repo."""
    row = connection.execute(
        f"{SELECT} WHERE commit_set = ? AND projects.name = ? AND repos.name = ?"
        " AND repos.type = ?",
        (commit_set, repo.project, repo.name, repo.type),
    ).fetchone()
    return _info(connection, row) if row else None


def by_key(connection: Connection, key: int) -> CommitInfo:
    """Return the commit of a row.

    Raises:
        NotFoundError: It was deleted.
    """
    row = connection.execute(f"{SELECT} WHERE commits.id = ?", (key,)).fetchone()
    if row is None:
        raise NotFoundError("commit was deleted")
    return _info(connection, row)


def key_of(connection: Connection, commit: CommitName) -> int:
    """Return the row of a commit with an ID.

    Raises:
        NotFoundError: There is none.
    """
    info = find_in_set(connection, commit.repo, commit.id)
    if info is None:
        raise NotFoundError(f"commit {commit} not found")
    return info.key


def _name(row: Row) -> CommitName:
    return CommitName(RepoName(row["project"], row["repo"], row["repo_type"]), row["commit_set"])


def parent_of(connection: Connection, commit: CommitInfo) -> CommitInfo | None:
    """Return the commit before, if there is one."""
    return by_key(connection, key_of(connection, commit.parent)) if commit.parent else None


def from_rows(connection: Connection, rows: Iterable[Row]) -> Iterator[CommitInfo]:
    """Make commits of the rows of a `SELECT`."""
    return (_info(connection, row) for row in rows)


def _info(connection: Connection, row: Row) -> CommitInfo:
    name = _name(row)
    parent = connection.execute(
        "SELECT commit_set FROM commits WHERE id = ?", (row["parent_id"],)
    ).fetchone()
    children = connection.execute(
        "SELECT commit_set FROM commits WHERE parent_id = ? ORDER BY id", (row["id"],)
    )
    provenance = connection.execute(
        f"{SELECT} JOIN commit_provenance ON provenance_id = commits.id"
        " WHERE commit_provenance.commit_id = ? ORDER BY commits.id",
        (row["id"],),
    )
    return CommitInfo(
        key=row["id"],
        name=name,
        branch=row["branch"],
        origin=OriginKind(row["origin"]),
        description=row["description"],
        parent=CommitName(name.repo, parent["commit_set"]) if parent else None,
        children=tuple(CommitName(name.repo, child["commit_set"]) for child in children),
        provenance=tuple(_name(commit) for commit in provenance),
        root=row["root"],
        size=row["size"],
        started=row["started"],
        finished=row["finished"],
        error=row["error"],
        metadata=metadata.parse(row["metadata"]),
    )
