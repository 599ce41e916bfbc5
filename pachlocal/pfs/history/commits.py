"""Commits as they are stored: insert, change while open, finish, read back.

A commit's content is always whole: every modification replaces its tree in one transaction, so an
open commit shows its parent's files with what has been written so far, and finishing it changes
nothing but its state.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from pachlocal.errors import FailedPreconditionError, NotFoundError
from pachlocal.pfs.history import metadata, repos
from pachlocal.pfs.history.names import BranchName, CommitName, RepoName
from pachlocal.pfs.history.records import CommitInfo, OriginKind
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pfs.tree import tree
from pachlocal.pfs.tree.content import Reader
from pachlocal.pfs.tree.entries import Root
from pachlocal.storage.database import Connection, Row

_FROM = """
    FROM commits JOIN repos ON repos.id = commits.repo_id
    JOIN projects ON projects.id = repos.project_id
"""
_NAMES = """
    (SELECT json_group_array(json_array(project, repo, type, commit_set, branch)) FROM (
        SELECT j.name AS project, r.name AS repo, r.type, s.commit_set, s.branch
        FROM commit_provenance AS v JOIN commits AS s ON s.id = v.{far}
        JOIN repos AS r ON r.id = s.repo_id JOIN projects AS j ON j.id = r.project_id
        WHERE v.{near} = commits.id ORDER BY s.id
    ) HAVING COUNT(*))
"""
# All that a CommitInfo has, in one statement: each costs a turn at the interpreter.
_COLUMNS = f"""
    SELECT commits.*, repos.name AS repo, repos.type AS repo_type, projects.name AS project,
    (SELECT json_array(commit_set, branch) FROM commits AS p WHERE p.id = commits.parent_id)
        AS parent,
    {{children}} AS children,
    {_NAMES.format(near="commit_id", far="provenance_id")} AS provenance,
    {{subvenance}} AS subvenance {{more}}
    {_FROM}
"""


SELECT = _COLUMNS.format(
    children="""
    (SELECT json_group_array(json_array(commit_set, branch)) FROM (
        SELECT commit_set, branch FROM commits AS c WHERE c.parent_id = commits.id ORDER BY c.id
    ) HAVING COUNT(*))
    """,
    subvenance=_NAMES.format(near="provenance_id", far="commit_id"),
    more="",
)
_SELECT_ITSELF = _COLUMNS.format(children="NULL", subvenance="NULL", more="")
_SELECT_HEAD = (
    _COLUMNS.format(children="NULL", subvenance="NULL", more=", branches.id AS branch_id")
    + " JOIN branches ON branches.head_id = commits.id AND branches.repo_id = repos.id"
    " WHERE projects.name = ? AND repos.name = ? AND repos.type = ? AND branches.name = ?"
)


class Head(NamedTuple):
    """The little of a commit that the one after it begins with.

    Attributes:
        key: Its row.
        id: That of its commit set.
        root: Its files.
        size: Their bytes.
        error: Why its content is not to be used; empty for a good one.
    """

    key: int
    id: str
    root: Root
    size: int
    error: str


class Content(NamedTuple):
    """The files of a commit that is finished.

    Attributes:
        root: Their tree.
        size: Their bytes.
        error: Why they can't be laid out; empty when they can.
    """

    root: Root
    size: int
    error: str


def insert(
    tx: Transaction,
    branch: BranchName,
    *,
    parent: CommitInfo | Head | None,
    origin: OriginKind,
    description: str = "",
    finished: bool = False,
    content: Content | None = None,
) -> int:
    """Add a commit and return its row; branches stay where they are.

    Args:
        tx: The transaction; its ID becomes the commit's.
        branch: Where.
        parent: The commit before.
        origin: Why.
        description: What the user says of it.
        finished: Whether it is at once.
        content: Its files, with which it is finished; those of its parent when not given.

    Raises:
        NotFoundError: The repo isn't there.
        FailedPreconditionError: The transaction has already made a commit in this repo.
    """
    connection = tx.connection
    if _in_set(connection, f"SELECT 1{_FROM}", branch.repo, tx.id) is not None:
        raise FailedPreconditionError(
            f"inconsistent dependencies: {branch.repo} already has a commit in set {tx.id}"
        )
    if content is None:
        good = _last_good(connection, parent)
        content = Content(good.root, good.size, "") if good else Content(None, 0, "")
    else:
        finished = True
    cursor = connection.execute(
        "INSERT INTO commits (commit_set, repo_id, branch, parent_id, origin, description, root,"
        " size, started, finished, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            tx.id,
            repos.key(connection, branch.repo),
            branch.name,
            parent.key if parent else None,
            int(origin),
            description,
            content.root,
            content.size,
            tx.now,
            tx.now if finished else None,
            content.error,
        ),
    )
    key = cursor.lastrowid
    assert key is not None  # noqa: S101 - an INSERT has one
    return key


def base_root(connection: Connection, commit: CommitInfo | None) -> Root:
    """Return the files that a commit after this one begins with."""
    good = _last_good(connection, commit)
    return good.root if good else None


def base_of(connection: Connection, commit: CommitInfo) -> Root:
    """Return the files that a commit began with."""
    return base_root(connection, parent_of(connection, commit))


def _last_good(
    connection: Connection, commit: CommitInfo | Head | None
) -> CommitInfo | Head | None:
    """Return the commit, or its nearest ancestor that has no error: a failed one is not a base."""
    while commit is not None and commit.error:
        if isinstance(commit, Head):
            commit = itself(connection, commit.key)
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
        FailedPreconditionError: It has been finished.
    """
    check_open(commit)
    size = tree.size_of(objects, root)
    tx.connection.execute(
        "UPDATE commits SET root = ?, size = ? WHERE id = ?",
        (root, size, commit.key),
    )
    return replace(commit, root=root, size=size)


def discard(tx: Transaction, commit: CommitInfo) -> None:
    """Empty a commit that was finished with an error: nobody is to read what failed."""
    tx.connection.execute("UPDATE commits SET root = NULL, size = 0 WHERE id = ?", (commit.key,))


def check_open(commit: CommitInfo) -> None:
    """Refuse a commit that can't be written to.

    Raises:
        FailedPreconditionError: It has been finished.
    """
    if commit.finished is not None:
        raise FailedPreconditionError(f"commit {commit.name} has already finished")


def finish(
    tx: Transaction,
    objects: Reader,
    commit: CommitInfo,
    *,
    description: str = "",
    error: str = "",
    flaw: str | None = None,
) -> CommitInfo:
    """Finish a commit: from now on it never changes.

    A commit in which one path is a file and a folder, or two files, can't be laid out on a disk: as
    on the real server it is finished, with an error. To find out costs what has changed; whoever
    knows already gives the `flaw`, an empty one where there is none.

    Raises:
        FailedPreconditionError: It has been finished.
    """
    check_open(commit)
    if not error:
        if flaw is None:
            flaw = flaw_of(objects, parent_of(tx.connection, commit), commit.root)
        error = flaw
    description = description or commit.description
    tx.connection.execute(
        "UPDATE commits SET finished = ?, error = ?, description = ? WHERE id = ?",
        (tx.now, error, description, commit.key),
    )
    if not error:
        tx.finished.append(commit.key)
    return replace(commit, finished=tx.now, error=error, description=description)


def flaw_of(objects: Reader, parent: CommitInfo | None, root: Root) -> str:
    """Return why a commit with these files, after another one, can't be laid out; in words.

    Empty when it can.
    """
    before = parent.root if parent and not parent.error else None
    return tree.flaw(objects, before, root) or ""


def find_in_set(connection: Connection, repo: RepoName, commit_set: str) -> CommitInfo | None:
    """Find the commit that a set has in a repo."""
    row = _in_set(connection, SELECT, repo, commit_set)
    return _info(row) if row else None


def _in_set(connection: Connection, select: str, repo: RepoName, commit_set: str) -> Row | None:
    row: Row | None = connection.execute(
        f"{select} WHERE commit_set = ? AND projects.name = ? AND repos.name = ?"
        " AND repos.type = ?",
        (commit_set, repo.project, repo.name, repo.type),
    ).fetchone()
    return row


def by_key(connection: Connection, key: int) -> CommitInfo:
    """Return the commit of a row.

    Raises:
        NotFoundError: It was deleted.
    """
    row = connection.execute(f"{SELECT} WHERE commits.id = ?", (key,)).fetchone()
    if row is None:
        raise NotFoundError("commit was deleted")
    return _info(row)


def itself(connection: Connection, key: int) -> CommitInfo:
    """Return the commit of a row without its children and subvenance.

    All that was made from a commit may be a thousand times what it is itself.

    Raises:
        NotFoundError: It was deleted.
    """
    row = connection.execute(f"{_SELECT_ITSELF} WHERE commits.id = ?", (key,)).fetchone()
    if row is None:
        raise NotFoundError("commit was deleted")
    return _info(row)


def head(connection: Connection, key: int) -> Head:
    """Return of the commit of a row, which is there, what one after it begins with."""
    row = connection.execute(
        "SELECT id, commit_set, root, size, error FROM commits WHERE id = ?", (key,)
    ).fetchone()
    return Head(*row)


def head_of(connection: Connection, branch: BranchName) -> tuple[int, CommitInfo] | None:
    """Return a branch's row and its newest commit, as `itself` does; None if it has no commit."""
    row = connection.execute(
        _SELECT_HEAD, (branch.repo.project, branch.repo.name, branch.repo.type, branch.name)
    ).fetchone()
    return (row["branch_id"], _info(row)) if row else None


def key_of(connection: Connection, commit: CommitName) -> int:
    """Return the row of a commit with an ID.

    Raises:
        NotFoundError: There is none.
    """
    row = _in_set(connection, "SELECT commits.id" + _FROM, commit.repo, commit.id)
    if row is None:
        raise NotFoundError(f"commit {commit} not found")
    key: int = row["id"]
    return key


def parent_of(connection: Connection, commit: CommitInfo) -> CommitInfo | None:
    """Return the commit before, if there is one."""
    return by_key(connection, key_of(connection, commit.parent)) if commit.parent else None


def from_rows(rows: Iterable[Row]) -> Iterator[CommitInfo]:
    """Make commits of the rows of a `SELECT`."""
    return map(_info, rows)


def _info(row: Row) -> CommitInfo:
    repo = RepoName(row["project"], row["repo"], row["repo_type"])
    return CommitInfo(
        key=row["id"],
        name=CommitName(repo, row["commit_set"], row["branch"]),
        branch=row["branch"],
        origin=OriginKind(row["origin"]),
        description=row["description"],
        parent=CommitName(repo, *json.loads(row["parent"])) if row["parent"] else None,
        children=tuple(CommitName(repo, *child) for child in _listed(row["children"])),
        provenance=_names(row["provenance"]),
        subvenance=_names(row["subvenance"]),
        root=row["root"],
        size=row["size"],
        started=row["started"],
        finished=row["finished"],
        error=row["error"],
        metadata=metadata.parse(row["metadata"]),
    )


def _listed(array: str | None) -> list[list[str]]:
    """Read an array of SQLite's; None stands for an empty one, which costs nothing to read."""
    return json.loads(array) if array else []


def _names(array: str | None) -> tuple[CommitName, ...]:
    return tuple(CommitName(RepoName(*name[:3]), *name[3:]) for name in _listed(array))
