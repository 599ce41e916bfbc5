from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.upkeep import tables
from pachlocal.pps.tables import catalog
from pachlocal.storage.database import Connection, Database
from pachlocal.storage.integrity import CheckedTable, key_columns, problems, row_sum

# What no copy and no checksum covers, and why that is no harm.
_UNCOVERED = {
    ("objects", "data"),  # its name is its checksum
    ("objects", "size"),  # only says how much a collection frees
    ("objects", "epoch"),  # a wrong one is collected later, or not before it is unreachable
}
NOTES = CheckedTable("notes", "note", "notes.title", sums={"sum": ("id", "title", "text")})


def test_every_column_is_stored_twice_or_has_a_checksum(tmp_path: Path) -> None:
    files = FileSystem(tmp_path)
    files.tables.extend(catalog.TABLES)
    described = {table.name: table for table in tables.of(files)}
    with files.snapshot() as connection:
        uncovered = {
            (name, column)
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not name.startswith("sqlite_")
            for column in columns(connection, name) - indexed(connection, name)
            if column not in covered(described.get(name))
        }
    files.close()
    assert uncovered == _UNCOVERED
    assert described.keys() | {"objects"} == {
        name for name, *_ in schema(tmp_path) if not name.startswith("sqlite_")
    }


def columns(connection: Connection, table: str) -> set[str]:
    return {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")}


def indexed(connection: Connection, table: str) -> set[str]:
    """Returns the columns that an index has besides the table itself."""
    (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    itself = "pk" if "WITHOUT ROWID" in sql else ""
    return {
        name or key
        for _, index, _, origin, _ in connection.execute(f"PRAGMA index_list({table})")
        if origin != itself
        for key in key_columns(connection, table)
        for _, _, name, *_ in connection.execute(f"PRAGMA index_xinfo({index})")
    }


def covered(table: CheckedTable | None) -> set[str]:
    sums = table.sums if table else {}
    return {column for sum_, columns in sums.items() for column in (sum_, *columns)}


def schema(root: Path) -> list[tuple[str, ...]]:
    raw = sqlite3.connect(root / "pach.db")
    rows = raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    raw.close()
    return rows


@pytest.fixture
def notes(database: Database) -> Callable[[str], list[str]]:
    """A table with a checksum; changes it, and says what is found."""
    text = "wörds", 2**40, None, b"\0\xff"
    with database.write() as connection:
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, title, text, sum INTEGER)")
        for id_, value in enumerate(text, 1):
            row = (id_, f"no. {id_}", value)
            connection.execute("INSERT INTO notes VALUES (?, ?, ?, ?)", (*row, row_sum(row)))

    def change(statement: str) -> list[str]:
        with database.write() as connection:
            connection.execute(statement)
        with database.inspect() as connection:
            found = list(problems(connection, [NOTES]))
        assert "pach.db is damaged: the definition of table notes has changed" in found
        return [problem for problem in found if "definition" not in problem]

    return change


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ("text = 'words' WHERE id = 1", "no. 1"),
        ("text = text + 1 WHERE id = 2", "no. 2"),
        ("text = 0 WHERE id = 3", "no. 3"),
        ("text = x'01ff' WHERE id = 4", "no. 4"),
        ("sum = sum + 1 WHERE id = 4", "no. 4"),
        ("title = CAST(x'6eff' AS TEXT) WHERE id = 1", r"n\xff"),
    ],
)
def test_a_row_that_its_checksum_does_not_fit_is_named(
    notes: Callable[[str], list[str]], change: str, row: str
) -> None:
    found = notes(f"UPDATE notes SET {change}")
    assert found == [f"note {row} is damaged: what pach.db says of it has changed"]


def test_a_row_from_before_there_were_checksums_is_sound(
    notes: Callable[[str], list[str]],
) -> None:
    assert notes("UPDATE notes SET sum = NULL, title = 'old'") == []


def test_a_missing_row_is_told_with_who_refers_to_it(database: Database) -> None:
    database._writer.execute("PRAGMA foreign_keys = OFF")
    with database.write() as connection:
        connection.execute(
            "INSERT INTO repos (project_id, name, type, created) VALUES (9, 'r', 'user', 0)"
        )
    with database.inspect() as connection:
        found = list(problems(connection, [CheckedTable("repos", "repo", "repos.name")]))
    assert found == ["repo r refers to a missing row of projects"]
