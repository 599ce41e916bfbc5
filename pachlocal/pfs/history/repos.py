"""Projects and repos: create, look up, delete."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from pachlocal.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from pachlocal.pfs.history import metadata, triggers
from pachlocal.pfs.history.names import (
    DEFAULT_PROJECT,
    USER,
    RepoName,
    validate_name,
    validate_project_name,
)
from pachlocal.pfs.history.records import ProjectInfo, RepoInfo
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.storage.database import Connection, Row

_NAMED = 3  # repos that a refusal names
_RESERVED = "__filesets__"  # see pachlocal.pfs.files.filesets

_SELECT = """
    SELECT repos.*, projects.name AS project
    FROM repos JOIN projects ON projects.id = repos.project_id
"""
# A repo is as large as the newest commit of its master branch that is finished and good.
_MASTER_SIZE = """
    WITH RECURSIVE line (id, parent_id, size, unusable) AS (
        SELECT c.id, c.parent_id, c.size, c.finished IS NULL OR c.error != ''
        FROM branches b JOIN commits c ON c.id = b.head_id
        WHERE b.repo_id = ? AND b.name = 'master'
        UNION ALL
        SELECT c.id, c.parent_id, c.size, c.finished IS NULL OR c.error != ''
        FROM line JOIN commits c ON c.id = line.parent_id WHERE line.unusable
    )
    SELECT size FROM line WHERE NOT unusable
"""


def create_project(tx: Transaction, name: str, description: str, *, update: bool) -> None:
    """Create a project, or change the description of one when `update` is asked for.

    Raises:
        AlreadyExistsError: It exists.
        NotFoundError: It doesn't, and is to be updated.
        InvalidArgumentError: The name can't be one.
    """
    validate_project_name(name)
    if update:
        inspect_project(tx.connection, name)
        tx.connection.execute(
            "UPDATE projects SET description = ? WHERE name = ?", (description, name)
        )
    elif _project_row(tx.connection, name) is None:
        tx.connection.execute(
            "INSERT INTO projects (name, description, created) VALUES (?, ?, ?)",
            (name, description, tx.now),
        )
    else:
        raise AlreadyExistsError(f"project {name} already exists")


def inspect_project(connection: Connection, name: str) -> ProjectInfo:
    """Return a project.

    Raises:
        NotFoundError: There is none of this name.
    """
    row = _project_row(connection, name)
    if row is None:
        raise NotFoundError(f'project "{name}" not found')
    return _project(row)


def list_projects(connection: Connection) -> Iterator[ProjectInfo]:
    """Yield all projects, the oldest first."""
    for row in connection.execute("SELECT * FROM projects ORDER BY id"):
        yield _project(row)


def delete_project(tx: Transaction, name: str) -> None:
    """Delete a project.

    Raises:
        NotFoundError: There is none of this name.
        FailedPreconditionError: It has repos; the real server deletes none here by force either.
    """
    inspect_project(tx.connection, name)
    left = [str(info.name) for info in list_repos(tx.connection, "", [name])]
    if left:
        still = "; ".join(f"repo {repo} still exists" for repo in left[:_NAMED])
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        raise FailedPreconditionError(f'cannot delete project "{name}": {still}{more}')
    tx.connection.execute("DELETE FROM projects WHERE name = ?", (name,))


def create_repo(tx: Transaction, repo: RepoName, description: str = "", *, update: bool) -> None:
    """Create a repo, or change its description when `update` is asked for and it exists.

    Raises:
        AlreadyExistsError: It exists.
        NotFoundError: The project doesn't; or, for a meta or spec repo, the user repo.
        InvalidArgumentError: The name can't be one.
    """
    validate_name(repo.name)
    if repo.name == _RESERVED:
        raise InvalidArgumentError(f"repo name {_RESERVED} is reserved")
    project = _project_row(tx.connection, repo.project)
    if project is None:
        raise NotFoundError(f'project "{repo.project}" not found')
    if repo.type != USER and not exists(tx.connection, repo.of_type(USER)):
        raise NotFoundError(f"repo {repo.of_type(USER)} not found")
    if not exists(tx.connection, repo):
        tx.connection.execute(
            "INSERT INTO repos (project_id, name, type, description, created)"
            " VALUES (?, ?, ?, ?, ?)",
            (project["id"], repo.name, repo.type, description, tx.now),
        )
    elif update:
        tx.connection.execute(
            "UPDATE repos SET description = ? WHERE id = ?",
            (description, key(tx.connection, repo)),
        )
    else:
        raise AlreadyExistsError(f"repo {repo} already exists")


def exists(connection: Connection, repo: RepoName) -> bool:
    """Whether there is such a repo."""
    return _row(connection, repo) is not None


def key(connection: Connection, repo: RepoName) -> int:
    """Return a repo's row.

    Raises:
        NotFoundError: There is none of this name.
    """
    row = _row(connection, repo)
    if row is None:
        raise NotFoundError(f"repo {repo} not found")
    result: int = row["id"]
    return result


def inspect_repo(connection: Connection, repo: RepoName) -> RepoInfo:
    """Return a repo.

    Raises:
        NotFoundError: There is none of this name.
    """
    row = _row(connection, repo)
    if row is None:
        raise NotFoundError(f"repo {repo} not found")
    return _info(connection, row)


def list_repos(
    connection: Connection, type_: str = USER, projects: Sequence[str] = ()
) -> Iterator[RepoInfo]:
    """Yield repos, in the order of their projects' names and their own.

    Args:
        connection: The state to look at.
        type_: Only those of a type; empty for all.
        projects: Only those in these projects; empty for all.
    """
    rows = connection.execute(f"{_SELECT} ORDER BY projects.name, repos.name, repos.id")
    for row in rows.fetchall():
        if row["type"] == (type_ or row["type"]) and (not projects or row["project"] in projects):
            yield _info(connection, row)


def delete_repo(tx: Transaction, repo: RepoName, *, force: bool) -> bool:
    """Delete a repo with its data and its meta and spec siblings; return whether it existed.

    Raises:
        FailedPreconditionError: A branch of it is in the provenance of others or follows another by
            a trigger, and no force.
    """
    return bool(delete_repos(tx, [repo], force=force))


def delete_repos(tx: Transaction, names: Iterable[RepoName], *, force: bool) -> list[RepoName]:
    """Delete several repos at once, as `delete_repo` does; return those that existed.

    They may depend on each other.
    """
    found = [repo for repo in names if exists(tx.connection, repo)]
    keys = [
        key(tx.connection, name)
        for repo in found
        for name in ([repo] if repo.type != USER else siblings(tx.connection, repo))
    ]
    if not force:
        _refuse_if_needed(tx.connection, keys)
        owned = tx.connection.execute(
            "SELECT id FROM branches WHERE repo_id IN (SELECT value FROM json_each(?))",
            (json.dumps(keys),),
        )
        triggers.refuse_tied(tx.connection, [branch for (branch,) in owned])
    for one in keys:
        _delete_row(tx, one)
    return found


def siblings(connection: Connection, repo: RepoName) -> list[RepoName]:
    """Return the repos of all types that share a name."""
    rows = connection.execute(
        "SELECT type FROM repos JOIN projects ON projects.id = project_id"
        " WHERE projects.name = ? AND repos.name = ? ORDER BY repos.id DESC",
        (repo.project, repo.name),
    )
    return [repo.of_type(row["type"]) for row in rows]


def delete_all(tx: Transaction) -> None:
    """Delete all repos and projects; the project `default` is made anew."""
    for (repo,) in tx.connection.execute("SELECT id FROM repos").fetchall():
        _delete_row(tx, repo)
    tx.connection.execute("DELETE FROM projects")
    ensure_default_project(tx)


def ensure_default_project(tx: Transaction) -> None:
    """Make the project that is always there."""
    if _project_row(tx.connection, DEFAULT_PROJECT) is None:
        create_project(tx, DEFAULT_PROJECT, "", update=False)


def _refuse_if_needed(connection: Connection, doomed: Sequence[int]) -> None:
    row = connection.execute(
        "SELECT p.name || '/' || r.name || '@' || b.name AS branch,"
        " other_project.name || '/' || other_repo.name || '@' || other.name AS other"
        " FROM branches b JOIN repos r ON r.id = b.repo_id JOIN projects p ON p.id = r.project_id"
        " JOIN branch_provenance ON provenance_id = b.id"
        " JOIN branches other ON other.id = branch_id"
        " JOIN repos other_repo ON other_repo.id = other.repo_id"
        " JOIN projects other_project ON other_project.id = other_repo.project_id"
        " WHERE b.repo_id IN (SELECT value FROM json_each(?1))"
        " AND other.repo_id NOT IN (SELECT value FROM json_each(?1))",
        (json.dumps(doomed),),
    ).fetchone()
    if row is not None:
        raise FailedPreconditionError(
            f'branch "{row["branch"]}" cannot be deleted because it\'s in the direct provenance '
            f"of [{row['other']}]"
        )


def _delete_row(tx: Transaction, repo: int) -> None:
    # Heads first: a branch must not point at a commit that goes.
    tx.connection.execute("DELETE FROM branches WHERE repo_id = ?", (repo,))
    tx.connection.execute("DELETE FROM commits WHERE repo_id = ?", (repo,))
    tx.connection.execute("DELETE FROM repos WHERE id = ?", (repo,))


def _project(row: Row) -> ProjectInfo:
    return ProjectInfo(
        key=row["id"],
        name=row["name"],
        description=row["description"],
        created=row["created"],
        metadata=metadata.parse(row["metadata"]),
    )


def _project_row(connection: Connection, name: str) -> Row | None:
    row: Row | None = connection.execute(
        "SELECT * FROM projects WHERE name = ?", (name,)
    ).fetchone()
    return row


def _row(connection: Connection, repo: RepoName) -> Row | None:
    row: Row | None = connection.execute(
        f"{_SELECT} WHERE projects.name = ? AND repos.name = ? AND type = ?",
        (repo.project, repo.name, repo.type),
    ).fetchone()
    return row


def _info(connection: Connection, row: Row) -> RepoInfo:
    branches = connection.execute(
        "SELECT name FROM branches WHERE repo_id = ? ORDER BY id DESC", (row["id"],)
    )
    size = connection.execute(_MASTER_SIZE, (row["id"],)).fetchone()
    return RepoInfo(
        key=row["id"],
        name=RepoName(row["project"], row["name"], row["type"]),
        description=row["description"],
        created=row["created"],
        size=size["size"] if size else 0,
        branches=tuple(branch["name"] for branch in branches),
        metadata=metadata.parse(row["metadata"]),
    )
