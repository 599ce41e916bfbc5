"""Log lines of pipelines: kept in the store, seen within a moment, gone with their job."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pachlocal.pps.gathering import Gatherer
from pachlocal.storage.database import Connection, Database, Row, insert

_log = logging.getLogger(__name__)


class LogLine(NamedTuple):
    """One line.

    Attributes:
        pipeline: The row of its pipeline.
        message: What it says.
        job: The row of its job, if it is about one.
        datum: The datum that it is about, 32 bytes.
        worker: Who wrote it.
        master: Whether it comes from what steers the pipeline.
        user: Whether the user's own command wrote it.
        time: When (ns since 1970); 0 before it is taken.
        key: Its row; None before it is stored.
    """

    pipeline: int
    message: str
    job: int | None = None
    datum: bytes | None = None
    worker: str = ""
    master: bool = False
    user: bool = False
    time: int = 0
    key: int | None = None


class LogWriter:
    """Stores lines from any thread, many in one transaction when they come fast."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gatherer = Gatherer(self._keep, "logs")

    def write(self, line: LogLine) -> None:
        """Take a line; it is stored soon after."""
        self._gatherer.take(line if line.time else line._replace(time=time.time_ns()))

    def flush(self) -> None:
        """Wait until all that was taken before is stored, or lost, or nobody stores any more."""
        self._gatherer.flush()

    def close(self) -> None:
        """Store what was taken, and stop."""
        self._gatherer.close()

    def _keep(self, lines: list[LogLine]) -> None:
        try:
            self._store(lines)
        except sqlite3.Error as error:  # a full disk; lines are lost, work is not
            _log.error("%d log lines could not be stored: %s", len(lines), error)
        except Exception:  # nobody would store lines any more
            _log.exception("%d log lines could not be stored", len(lines))

    def _store(self, lines: list[LogLine]) -> None:
        with self._database.write(progress=True) as connection:
            # The job or pipeline may have been deleted meanwhile, and its lines with it.
            pipelines = _there(connection, "pipelines", {line.pipeline for line in lines})
            jobs = _there(connection, "jobs", {line.job for line in lines}) | {None}
            insert(
                connection,
                "INSERT INTO logs"
                " (pipeline_id, message, job_id, datum, worker, master, user, time)",
                (line[:-1] for line in lines if line.pipeline in pipelines and line.job in jobs),
            )


def _there(connection: Connection, table: str, keys: set[int | None]) -> set[int | None]:
    """Return those of some rows that are in a table."""
    rows = (
        connection.execute(f"SELECT id FROM {table} WHERE id = ?", (key,)).fetchone()
        for key in keys
    )
    return {row["id"] for row in rows if row is not None}


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines to read; None is any.

    Attributes:
        pipeline: Of a pipeline's row.
        job: Of a job's row.
        datum: Of a datum.
        master: From what steers the pipeline, or from its workers.
        since: Not older than this (ns since 1970).
    """

    pipeline: int | None = None
    job: int | None = None
    datum: bytes | None = None
    master: bool | None = None
    since: int = 0


def read(connection: Connection, wanted: LogFilter, after: int = 0) -> Iterator[LogLine]:
    """Yield stored lines in their order, those with a greater row than `after`."""
    rows = connection.execute(
        "SELECT * FROM logs WHERE id > ?1 AND pipeline_id = COALESCE(?2, pipeline_id)"
        " AND (?3 IS NULL OR job_id = ?3) AND (?4 IS NULL OR datum = ?4)"
        " AND master = COALESCE(?5, master) AND time >= ?6 ORDER BY id",
        (after, wanted.pipeline, wanted.job, wanted.datum, wanted.master, wanted.since),
    )
    return map(_line, rows)


def tail(connection: Connection, wanted: LogFilter, lines: int) -> int:
    """Return the `after` with which `read` yields the last lines only."""
    keys = [line.key or 0 for line in read(connection, wanted)]
    return keys[-lines - 1] if len(keys) > lines else 0


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
        key=row["id"],
    )
