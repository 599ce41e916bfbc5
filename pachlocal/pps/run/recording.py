"""Records the outcomes of datums: many in one transaction when they end quickly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

from pachlocal.pps.tables import datum_store, job_times, topics
from pachlocal.pps.tables.batch_writer import SOON_S, BatchWriter
from pachlocal.pps.tables.datum_store import DatumInfo, Result
from pachlocal.pps.tables.job_times import JobTimes
from pachlocal.storage.database import Database
from pachlocal.storage.object_writer import ObjectWriter, write_all

_MOST = 2000  # datums in memory, with datum batching


class Recorder:
    """Records the datums of one job. Any thread may use it.

    A datum counts as processed when it is recorded. One that isn't, because we are killed or the
    disk is full, runs again: for each worker the one at work and one that is done, or with datum
    batching, where they are small, those that were done in the last moment.
    """

    def __init__(
        self,
        database: Database,
        workers: int,
        *,
        batching: bool,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin to record.

        Args:
            database: Where.
            workers: How many have datums recorded.
            batching: Whether it is datum batching.
            on_failure: Called when something could not be recorded.
        """
        self._on_failure = on_failure
        self._database = database
        self._error: Exception | None = None
        self._room = threading.Semaphore(_MOST if batching else workers)
        self._batch_writer = BatchWriter(self._record, "recorder", SOON_S if batching else 0)

    @property
    def has_failed(self) -> bool:
        """Whether something could not be recorded; `close` says why."""
        return self._error is not None

    def take(
        self, datum: DatumInfo, result: Result, objects: ObjectWriter, opening_ns: int = 0
    ) -> None:
        """Record a datum soon; it is the recorder that ends the writer of its output.

        Blocks while too many wait, because somebody else writes for long.

        Args:
            datum: The datum.
            result: What became of it.
            objects: The writer.
            opening_ns: How long its worker took to be made, if it is the first one there.
        """
        self._room.acquire()
        self._batch_writer.take(_Done(datum, result, objects, opening_ns))

    def close(self) -> None:
        """Record what was taken, and stop.

        Raises:
            OSError: An output could not be written.
            sqlite3.Error: The database could not.
        """
        self._batch_writer.close()
        if self._error is not None:
            raise self._error

    def _record(self, batch: list[_Done]) -> None:
        try:
            with ExitStack() as ending:
                for done in batch:
                    ending.push(done.objects)
                if self._error is None:
                    self._store(batch)
        except Exception as error:  # whoever closes us gets it
            self._error = error
            self._on_failure()
        self._room.release(len(batch))

    def _store(self, batch: list[_Done]) -> None:
        writers = [done.objects for done in batch]
        for writer in writers:
            writer.prepare()
        with self._database.write(progress=True) as connection:
            datum_store.record(connection, ((done.datum, done.result) for done in batch))
            opening = sum(done.opening_ns for done in batch)
            starting = sum(done.result.start_ns for done in batch)
            times = JobTimes(opening=opening, starting=starting)
            job_times.add(connection, batch[0].datum.job, times)
            write_all(writers, connection)
            self._database.touch(*topics.datums())


class _Done(NamedTuple):
    datum: DatumInfo
    result: Result
    objects: ObjectWriter
    opening_ns: int
