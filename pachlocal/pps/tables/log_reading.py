"""Reading logs: the last lines cost what they are, whatever was written before them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from pachlocal.pps.tables.logs import LogLine
from pachlocal.storage.database import Connection, Row

_PAGE = 2**18  # characters of messages in memory; one message has four times as many at most
_EVERY_KIND = ((0, 0), (0, 1), (1, 0))  # master, user


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines to read; None is any.

    Attributes:
        pipeline: Of a pipeline's row.
        job: Of a job's row, which must be the pipeline's.
        datum: Of a datum of the pipeline.
        master: From what steers the pipeline, or from its workers.
        user: Written by the user's command, or by what runs it.
        since: Not older than this (ns since 1970).
        about: Tells whether lines about a datum, in the job of a row, are wanted.
    """

    pipeline: int | None = None
    job: int | None = None
    datum: bytes | None = None
    master: bool | None = None
    user: bool | None = None
    since: int = 0
    about: Callable[[int, bytes], bool] | None = None


class LogPosition(NamedTuple):
    """A place in a log.

    Attributes:
        row: All rows up to this one stand before it,
        lines: and so many lines of the next one.
    """

    row: int = 0
    lines: int = 0


def read(
    connection: Connection, wanted: LogFilter, after: LogPosition
) -> tuple[list[LogLine], LogPosition]:
    """Return what stands behind a place, as much as fits in memory, and the place behind that.

    What was written at once comes as one. There is nothing when there is no more.
    """
    found: list[LogLine] = []
    size = 0
    for entry in _entries(connection, wanted, after.row, newest_first=False):
        line = entry.line
        if after.lines:
            line = line._replace(message="\n".join(line.message.split("\n")[after.lines :]))
        found.append(line)
        after = LogPosition(entry.key)
        size += len(line.message)
        if size >= _PAGE:
            break
    return found, after


def tail(connection: Connection, wanted: LogFilter, lines: int) -> LogPosition:
    """Return the place that has only the last lines behind it.

    It is one in the state that the connection sees: the next one may have fewer lines.
    """
    left = lines
    for entry in _entries(connection, wanted, 0, newest_first=True):
        left -= entry.lines
        if left <= 0:
            return LogPosition(entry.key - 1, -left)
    return LogPosition()


class _LogEntry(NamedTuple):
    """A row of a log, or the place where rows were cut."""

    key: int
    lines: int
    line: LogLine


def _entries(
    connection: Connection, wanted: LogFilter, after: int, *, newest_first: bool
) -> Iterator[_LogEntry]:
    """Yield what is wanted behind a row, in the order of the rows."""
    if wanted.since and not after:
        after = _last_before(connection, wanted.since)
    sources = [_cuts(connection, wanted, after, newest_first=newest_first)]
    for condition, values in _ranges(connection, wanted):
        rows = connection.execute(
            f"SELECT * FROM logs WHERE {condition} AND id > ? AND time >= ?"
            f" ORDER BY id {'DESC' if newest_first else ''}",
            (*values, after, wanted.since),
        )
        sources.append(_LogEntry(row["id"], row["lines"], _line(row)) for row in rows)
    for entry in heapq.merge(*sources, key=itemgetter(0), reverse=newest_first):
        if wanted.about is None or _is_about(entry.line, wanted.about):
            yield entry


def _ranges(connection: Connection, wanted: LogFilter) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Yield conditions, with their values, that together mean what is wanted.

    Each is met by a range of an index. A `+` keeps SQLite from taking the index of a column, whose
    rows would have to be sorted.
    """
    kinds = [
        kind
        for kind in _EVERY_KIND
        if wanted.master in (None, bool(kind[0])) and wanted.user in (None, bool(kind[1]))
    ]
    kind_of = "master = ? AND user = ?"
    if wanted.datum is not None:
        for job in _jobs_of(connection, wanted):
            for kind in kinds:
                yield f"job_id = ? AND datum = ? AND {kind_of}", (job, wanted.datum, *kind)
    elif wanted.job is not None:
        size = connection.execute(
            "SELECT pipeline_id, first_id, last_id FROM log_sizes WHERE job_id = ?", (wanted.job,)
        ).fetchone()
        if size is not None:  # few lines of others are in between
            pipeline, first, last = size
            for kind in kinds:
                condition = f"pipeline_id = ? AND {kind_of} AND id BETWEEN ? AND ? AND +job_id = ?"
                yield condition, (pipeline, *kind, first, last, wanted.job)
    elif wanted.pipeline is not None:
        for kind in kinds:
            yield f"pipeline_id = ? AND {kind_of}", (wanted.pipeline, *kind)
    elif kinds == [(1, 0)]:
        yield "master = 1", ()
    else:
        any_of = "(?1 IS NULL OR master = ?1) AND (?2 IS NULL OR user = ?2)"
        yield any_of, (wanted.master, wanted.user)


def _jobs_of(connection: Connection, wanted: LogFilter) -> list[int]:
    """Return the jobs that have lines about a datum."""
    rows = connection.execute(
        "SELECT id FROM jobs WHERE (?1 IS NULL OR pipeline_id = ?1) AND (?2 IS NULL OR id = ?2)"
        " AND EXISTS (SELECT 1 FROM logs WHERE job_id = jobs.id AND datum = ?3)",
        (wanted.pipeline, wanted.job, wanted.datum),
    )
    return [row["id"] for row in rows]


def _last_before(connection: Connection, time: int) -> int:
    """Return a row that was written before a time, the last one if the clock was never set back."""
    low, high = 0, _scalar(connection, "SELECT IFNULL(MAX(id), 0) FROM logs")
    while low < high:
        middle = (low + high + 1) // 2
        row = connection.execute(
            "SELECT id, time FROM logs WHERE id <= ? ORDER BY id DESC LIMIT 1", (middle,)
        ).fetchone()
        if row is None or row["time"] < time:
            low = middle
        else:
            high = row["id"] - 1
    return low


def _cuts(
    connection: Connection, wanted: LogFilter, after: int, *, newest_first: bool
) -> Iterator[_LogEntry]:
    """Yield the places where lines of a log were cut, as lines that say so."""
    if wanted.master or wanted.user is False or wanted.about is not None:
        return
    rows = connection.execute(
        "SELECT * FROM log_sizes WHERE cut_id > ?3 AND cut_time >= ?4"
        " AND (?1 IS NULL OR pipeline_id = ?1) AND (?2 IS NULL OR job_id = ?2)"
        f" ORDER BY cut_id {'DESC' if newest_first else ''}",
        (wanted.pipeline, wanted.job, after, wanted.since),
    )
    for row in rows:
        message = (
            f"pachlocal: {row['cut_lines']:,} lines ({row['cut_bytes']:,} bytes) of this log were"
            " cut here; pachlocal up --log-limit keeps more"
        )
        line = LogLine(row["pipeline_id"], message, row["job_id"], user=True, time=row["cut_time"])
        yield _LogEntry(row["cut_id"], 1, line)


def _is_about(line: LogLine, about: Callable[[int, bytes], bool]) -> bool:
    return line.job is not None and line.datum is not None and about(line.job, line.datum)


def _scalar(connection: Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _line(row: Row) -> LogLine:
    return LogLine(
        pipeline=row["pipeline_id"],
        message=row["message"],
        job=row["job_id"],
        datum=row["datum"],
        worker=row["worker"],
        master=bool(row["master"]),
        user=bool(row["user"]),
        time=row["time"],
    )
