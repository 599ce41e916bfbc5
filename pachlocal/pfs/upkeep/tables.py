"""The tables of PFS, for messages about their rows; and which rows of all tables keep trees."""

from __future__ import annotations

from collections.abc import Iterator

from pachlocal.pfs.files import filesets
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.tree.entries import Hash
from pachlocal.storage.database import Connection
from pachlocal.storage.integrity import CheckedTable

_REPO = "p.name || '/' || r.name || CASE r.type WHEN 'user' THEN '' ELSE '.' || r.type END"
_OF_REPO = "JOIN repos r ON r.id = {}.repo_id JOIN projects p ON p.id = r.project_id"

_TABLES = (
    CheckedTable("store", "note", "'on the store itself'"),
    CheckedTable("projects", "project", "projects.name"),
    CheckedTable(
        "repos",
        "repo",
        _REPO.replace("r.", "repos."),
        "JOIN projects p ON p.id = repos.project_id",
    ),
    CheckedTable(
        "commits",
        "commit",
        f"{_REPO} || '@' || commits.commit_set",
        _OF_REPO.format("commits"),
        tree="root",
    ),
    CheckedTable(
        "commit_provenance",
        "provenance of commit",
        f"{_REPO} || '@' || c.commit_set",
        f"JOIN commits c ON c.id = commit_provenance.commit_id {_OF_REPO.format('c')}",
    ),
    CheckedTable(
        "branches", "branch", f"{_REPO} || '@' || branches.name", _OF_REPO.format("branches")
    ),
    CheckedTable(
        "branch_provenance",
        "provenance of branch",
        f"{_REPO} || '@' || b.name",
        f"JOIN branches b ON b.id = branch_provenance.branch_id {_OF_REPO.format('b')}",
    ),
    CheckedTable(
        "branch_triggers",
        "trigger of branch",
        f"{_REPO} || '@' || b.name",
        f"JOIN branches b ON b.id = branch_triggers.branch_id {_OF_REPO.format('b')}",
    ),
    CheckedTable("transactions", "transaction", "transactions.id"),
    CheckedTable(
        "transaction_steps",
        "step of transaction",
        "transaction_steps.transaction_id",
    ),
    CheckedTable(
        "filesets",
        "file set",
        "filesets.id",
        tree="root",
        sums=filesets.SUMS,
    ),
)


def of(files: FileSystem) -> tuple[CheckedTable, ...]:
    """Return the tables of PFS and of the layers above that have told of theirs."""
    return (*_TABLES, *files.tables)


def roots(connection: Connection, table: CheckedTable) -> Iterator[Hash]:
    """Yield the roots of the trees that the rows of a table keep."""
    statement = f"SELECT {table.tree} FROM {table.name} WHERE {table.tree} IS NOT NULL"
    return (root for (root,) in connection.execute(statement))
