"""Whether the metadata is as it was written.

SQLite checks how its file is built, and that each row agrees with its entries in all indexes. A bit
that changes in a column that no index has goes unseen by that. So a column is held by an index as
well (the migrations see to it; a copy that SQLite keeps and compares itself), or, in tables that
grow by thousands of rows in a second, covered by a checksum that is written with the row.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from typing import NamedTuple
from zlib import crc32

import msgpack

from pachlocal.storage.database import Connection, damage, migrate

_MOST = 10_000  # messages of one check
_HEADER = "*** in database main *** "
_MALFORMED = "database disk image is malformed"
_ROW = re.compile(r"row (\d+) (?:missing from|values differ from) index (\S+)")
_COUNT = re.compile(r"wrong # of entries in index (\S+)")


class CheckedTable(NamedTuple):
    """What upkeep has to know of a table.

    Attributes:
        name: Its name.
        kind: What one of its rows is, for messages.
        row: SQL: an expression that names a row.
        joins: SQL: what the expression needs besides the table.
        tree: The column that names a tree which has to stay, if there is one.
        sums: The columns with checksums, and which columns each covers, in order; see `row_sum`.
    """

    name: str
    kind: str
    row: str
    joins: str = ""
    tree: str = ""
    sums: Mapping[str, tuple[str, ...]] = {}

    def called(self, connection: Connection, condition: str, values: tuple[object, ...]) -> str:
        """Name a row for a message.

        Args:
            connection: Where it is.
            condition: SQL: which one; what selects from the table and follows `FROM table`.
            values: For the condition.
        """
        one = f"SELECT * FROM {self.name} {condition}"
        try:
            found = connection.execute(
                f"SELECT {self.row} FROM ({one}) AS {self.name} {self.joins}", values
            ).fetchone()
        except (sqlite3.DatabaseError, UnicodeDecodeError):  # it refers to what is damaged, too
            found = None
        named = found is not None and found[0] is not None
        return f"{self.kind} {found[0]}" if named else f"a {self.kind} that can't be named"


def row_sum(values: Iterable[object]) -> int:
    """Return the checksum of a row's columns: CRC-32, which shows any change of a few bits."""
    return crc32(msgpack.packb(tuple(values)))


def problems(connection: Connection, tables: Iterable[CheckedTable]) -> Iterator[str]:
    """Check the metadata; yield a sentence for each damage, with what it concerns.

    Args:
        connection: Of `Database.inspect`.
        tables: Those that have checksums or whose rows have names.
    """
    known = {table.name: table for table in tables}
    said = set()
    for found in (
        _structure(connection, known),
        _schema(connection),
        _references(connection, known),
        *(_sums(connection, table) for table in known.values() if table.sums),
    ):
        for problem in _as_far_as_possible(found):
            if problem not in said:  # one damage may show in several checks
                said.add(problem)
                yield problem


def _as_far_as_possible(found: Iterator[str]) -> Iterator[str]:
    try:
        yield from found
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # of a column's name
        yield damage(error) or f"pach.db can't be read: {error}"


def _structure(connection: Connection, tables: Mapping[str, CheckedTable]) -> Iterator[str]:
    """Yield what SQLite's own check finds."""
    try:
        yield from _checked(connection, _MOST, tables)
    except sqlite3.DatabaseError:  # it has ended there; one by one, the sound tables are checked
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            try:
                yield from _checked(connection, name, tables)
            except sqlite3.DatabaseError as error:
                yield f"pach.db is damaged where it has {name}: {error}"


def _checked(
    connection: Connection, which: str | int, tables: Mapping[str, CheckedTable]
) -> Iterator[str]:
    named = set()
    counts = []
    for (message,) in connection.execute(f"PRAGMA integrity_check({which})"):
        if (row := _ROW.fullmatch(message)) and (name := _table_of(connection, row[2])) in tables:
            named.add(name)
            place = (int(row[1]) - 1,)
            yield _changed(tables[name].called(connection, "NOT INDEXED LIMIT 1 OFFSET ?", place))
        elif message == _MALFORMED:  # where it ends
            raise sqlite3.DatabaseError(message)
        elif count := _COUNT.fullmatch(message):
            counts.append((count[1], message))
        elif message != "ok":
            yield f"pach.db is damaged: {' '.join(message.split()).removeprefix(_HEADER)}"
    for index, message in counts:
        if _table_of(connection, index) not in named:
            yield f"pach.db is damaged: {message}"


def _table_of(connection: Connection, index: str) -> str:
    found = connection.execute(
        "SELECT tbl_name FROM sqlite_master WHERE type = 'index' AND name = ?", (index,)
    ).fetchone()
    return found[0] if found else ""


def _schema(connection: Connection) -> Iterator[str]:
    """Yield how the schema differs from what the migrations make."""
    statement = "SELECT type || ' ' || name, tbl_name, sql FROM sqlite_master"
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as blank:
        migrate(blank)
        right = {name: rest for name, *rest in blank.execute(statement)}
    there = {name: rest for name, *rest in connection.execute(statement)}
    for name in sorted(right.keys() | there.keys()):
        if right.get(name) != there.get(name):
            yield f"pach.db is damaged: the definition of {name} has changed"


def _references(connection: Connection, tables: Mapping[str, CheckedTable]) -> Iterator[str]:
    for name, row, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchall():
        subject = f"a row of {name}"
        if row is not None and name in tables:
            subject = tables[name].called(connection, "WHERE rowid = ?", (row,))
        yield f"{subject} refers to a missing row of {parent}"


def _sums(connection: Connection, table: CheckedTable) -> Iterator[str]:
    """Yield the rows that their checksums don't fit."""
    keys = key_columns(connection, table.name)
    columns = list(dict.fromkeys(chain(keys, table.sums, *table.sums.values())))
    at = {column: place for place, column in enumerate(columns)}
    checks = [(at[sum_], [at[it] for it in covered]) for sum_, covered in table.sums.items()]
    condition = f"WHERE {' AND '.join(f'{key} = ?' for key in keys)}"
    for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table.name}"):
        for sum_, covered in checks:
            if row[sum_] is not None and row[sum_] != row_sum(row[it] for it in covered):
                key = tuple(row[at[key]] for key in keys)
                yield _changed(table.called(connection, condition, key))


def key_columns(connection: Connection, table: str) -> tuple[str, ...]:
    """Return the columns of a table's primary key, in order."""
    rows = connection.execute(
        "SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", (table,)
    )
    return tuple(name for (name,) in rows) or ("rowid",)


def _changed(subject: str) -> str:
    return f"{subject} is damaged: what pach.db says of it has changed"
