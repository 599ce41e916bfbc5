"""How large logs are, and what is cut of those that are too large.

Of a job's log the beginning and the end are kept: what was set, and why it failed. A program that
runs on for ever has a log in which the oldest lines make room for the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from pachlocal.storage.database import Connection, Row

_BEGINNING = 4  # the part of a job's log that is its beginning: one in so many
_DELETED_AT_ONCE = 1000  # rows
_ROW = 200  # bytes that a row takes besides its message, in the table and its indexes


class Retention(NamedTuple):
    """How much of a log is kept.

    Attributes:
        limit: Bytes, with what the database needs for them.
        ring: Whether its program runs for ever: then the worker's own lines count too, and the
            beginning goes first.
    """

    limit: int
    ring: bool = False


class Added(NamedTuple):
    """A row that was added to the logs.

    Attributes:
        pipeline: The row of its pipeline.
        job: The row of its job, if it is about one.
        row: It.
        size: The bytes of its message.
        retention: What it counts towards; None if it doesn't count.
    """

    pipeline: int
    job: int | None
    row: int
    size: int
    retention: Retention | None


def count(connection: Connection, rows: Iterable[Added]) -> None:
    """Count rows, and cut the logs that they make too large."""
    owner = attrgetter("pipeline", "job")
    for _, group in groupby(sorted(rows, key=lambda it: (it.pipeline, it.job or 0, it.row)), owner):
        _count(connection, list(group))


def _count(connection: Connection, rows: list[Added]) -> None:
    first, last = rows[0], rows[-1]
    owner = (first.pipeline, first.job)
    found = connection.execute(
        "SELECT rowid, size_bytes, kept_id FROM log_sizes"
        " WHERE pipeline_id = ? AND IFNULL(job_id, 0) = IFNULL(?, 0)",
        owner,
    ).fetchone()
    size, kept = (found["size_bytes"], found["kept_id"]) if found else (0, 0)
    retention = None
    for row in rows:
        if row.retention is not None:
            retention = row.retention
            size += row.size + _ROW
            if not retention.ring and size <= retention.limit // _BEGINNING:
                kept = row.row
    if found is None:
        key = connection.execute(
            "INSERT INTO log_sizes (pipeline_id, job_id, first_id, last_id, size_bytes, kept_id)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*owner, first.row, last.row, size, kept),
        ).lastrowid
    else:
        key = found["rowid"]
        connection.execute(
            "UPDATE log_sizes SET last_id = ?, size_bytes = ?, kept_id = ? WHERE rowid = ?",
            (last.row, size, kept, key),
        )
    if retention is not None and size > retention.limit:
        _cut(connection, key or 0, size - retention.limit, ring=retention.ring)


def delete_of_pipeline(connection: Connection, pipeline: int) -> None:
    """Delete the log of a pipeline and its jobs, before the pipeline goes."""
    _delete(connection, "pipeline_id", pipeline)


def delete_of_job(connection: Connection, job: int) -> None:
    """Delete the log of a job, before the job goes."""
    _delete(connection, "job_id", job)


def _delete(connection: Connection, column: str, owner: int) -> None:
    """Delete rows some at a time: SQLite holds what a statement is to delete in memory."""
    doomed = f"SELECT id FROM logs WHERE {column} = ? LIMIT {_DELETED_AT_ONCE}"
    while connection.execute(f"DELETE FROM logs WHERE id IN ({doomed})", (owner,)).rowcount:
        pass


def _cut(connection: Connection, key: int, excess: int, *, ring: bool) -> None:
    """Delete the oldest rows of a log behind its beginning, as many as are too many."""
    owner = connection.execute("SELECT * FROM log_sizes WHERE rowid = ?", (key,)).fetchone()
    doomed: list[Row] = []
    freed = 0
    for row in _behind_beginning(connection, owner, ring=ring):
        doomed.append(row)
        freed += row["size"] + _ROW
        if freed >= excess:
            break
    if not doomed:
        return
    connection.executemany("DELETE FROM logs WHERE id = ?", ((row["id"],) for row in doomed))
    connection.execute(
        "UPDATE log_sizes SET size_bytes = MAX(0, size_bytes - ?), cut_id = ?, cut_time = ?,"
        " cut_lines = cut_lines + ?, cut_bytes = cut_bytes + ? WHERE rowid = ?",
        (
            freed,
            doomed[-1]["id"],
            doomed[-1]["time"],
            sum(row["lines"] for row in doomed),
            sum(row["size"] for row in doomed),
            key,
        ),
    )


def _behind_beginning(connection: Connection, owner: Row, *, ring: bool) -> Iterator[Row]:
    """Yield the rows of a log that count and may go, the oldest first."""
    begin = max(owner["first_id"] - 1, owner["kept_id"], owner["cut_id"])
    kinds = (
        "SELECT id, lines, time, LENGTH(CAST(message AS BLOB)) AS size FROM logs"
        f" WHERE pipeline_id = ?1 AND master = 0 AND user = {user} AND id > ?3 AND id <= ?4"
        " AND +job_id IS ?2"
        for user in ((0, 1) if ring else (1,))
    )
    yield from connection.execute(
        f"{' UNION ALL '.join(kinds)} ORDER BY id",
        (owner["pipeline_id"], owner["job_id"], begin, owner["last_id"]),
    )
