"""Log lines of pipelines: kept in the store, seen within a moment, gone with their job."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from typing import NamedTuple

from pachlocal.pps.tables import log_sizes, topics
from pachlocal.pps.tables.batch_writer import BatchWriter
from pachlocal.pps.tables.log_sizes import Retention
from pachlocal.storage.database import Connection, Database, insert
from pachlocal.storage.integrity import row_sum

_log = logging.getLogger(__name__)

DEFAULT_LIMIT = 64 * 2**20
"""Bytes of a job's log that are kept."""

_MOST_WAITING = 8 * 2**20  # bytes of programs' output in memory
_COLUMNS = (
    *("id", "pipeline_id", "message", "job_id", "datum", "worker", "master", "user", "time"),
    "lines",
)
SUMS = {"line_sum": _COLUMNS}
"""The column with a checksum, and which columns it covers; see `pachlocal.storage.integrity`."""


class LogLine(NamedTuple):
    """One line, or several that were written at once.

    Attributes:
        pipeline: The row of its pipeline.
        message: What it says; newlines are between lines.
        job: The row of its job, if it is about one.
        datum: The datum that it is about, 32 bytes.
        worker: Who wrote it.
        master: Whether it comes from what steers the pipeline.
        user: Whether the user's own command wrote it.
        retention: How much of its like is kept; None when there can't be too much.
        time: When (ns since 1970); 0 before it is taken.
    """

    pipeline: int
    message: str
    job: int | None = None
    datum: bytes | None = None
    worker: str = ""
    master: bool = False
    user: bool = False
    retention: Retention | None = None
    time: int = 0

    @property
    def size(self) -> int:
        """The bytes of the message."""
        return len(self.message if self.message.isascii() else self.message.encode())


class LogWriter:
    """Stores lines from any thread, many in one transaction when they come fast.

    Attributes:
        limit: Bytes of a job's log that are kept, unless its pipeline says otherwise.
    """

    def __init__(self, database: Database, limit: int = DEFAULT_LIMIT) -> None:
        self.limit = limit
        self._database = database
        self._batch_writer = BatchWriter(self._keep, "logs")
        self._changed = threading.Condition()  # guards what follows
        self._waiting = 0  # bytes of output that are not stored

    def write(self, line: LogLine) -> None:
        """Take a line; it is stored soon after."""
        self._batch_writer.take(line if line.time else line._replace(time=time.time_ns()))

    def write_output(self, line: LogLine) -> None:
        """Take what a program has written; while too much waits to be stored, so does the program.

        Not to be called in a transaction, which what waits would wait for.
        """
        size = line.size
        with self._changed:
            if self._waiting >= _MOST_WAITING:
                self._batch_writer.hurry()
                self._changed.wait_for(lambda: self._waiting < _MOST_WAITING)
            self._waiting += size
        self.write(line)

    def flush(self) -> None:
        """Wait until all that was taken before is stored, or lost, or nobody stores any more."""
        self._batch_writer.flush()

    def close(self) -> None:
        """Store what was taken, and stop."""
        self._batch_writer.close()

    def _keep(self, lines: list[LogLine]) -> None:
        try:
            self._store(lines)
        except (OSError, sqlite3.Error) as error:  # a full disk; lines are lost, work is not
            _log.error("%d log lines could not be stored: %s", len(lines), error)
        except Exception:  # nobody would store lines any more
            _log.exception("%d log lines could not be stored", len(lines))
        with self._changed:
            self._waiting -= sum(line.size for line in lines if line.user)
            self._changed.notify_all()

    def _store(self, lines: list[LogLine]) -> None:
        with self._database.write(progress=True) as connection:
            # The job or pipeline may have been deleted meanwhile, and its lines with it.
            pipelines = _there(connection, "pipelines", {line.pipeline for line in lines})
            jobs = _there(connection, "jobs", {line.job for line in lines}) | {None}
            kept = [line for line in lines if line.pipeline in pipelines and line.job in jobs]
            if not kept:
                return
            first = _next_row(connection)
            insert(
                connection,
                f"INSERT INTO logs ({', '.join(_COLUMNS)}, line_sum)",
                (_columns(row, line) for row, line in enumerate(kept, first)),
            )
            added = (
                log_sizes.Added(line.pipeline, line.job, row, line.size, line.retention)
                for row, line in enumerate(kept, first)
            )
            log_sizes.count(connection, added)
            for pipeline in {None, *pipelines}:
                self._database.touch(*topics.lines_of(pipeline))


def _next_row(connection: Connection) -> int:
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'logs'").fetchone()
    return int(row["seq"]) + 1 if row else 1


def _columns(row: int, line: LogLine) -> tuple[object, ...]:
    columns = (
        *(row, line.pipeline, line.message, line.job, line.datum, line.worker),
        *(int(line.master), int(line.user), line.time, line.message.count("\n") + 1),
    )
    return (*columns, row_sum(columns))


def _there(connection: Connection, table: str, keys: set[int | None]) -> set[int | None]:
    """Return those of some rows that are in a table."""
    rows = (
        connection.execute(f"SELECT id FROM {table} WHERE id = ?", (key,)).fetchone()
        for key in keys
    )
    return {row["id"] for row in rows if row is not None}
