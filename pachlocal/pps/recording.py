"""What became of datums, recorded: many in one transaction when they end fast."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import NamedTuple

from pachlocal.pps import datum_store
from pachlocal.pps.datum_store import DatumInfo, Result
from pachlocal.pps.gathering import SOON_S, Gatherer
from pachlocal.storage.database import Database
from pachlocal.storage.objects import ObjectWriter, write_all

_MOST = 2000  # datums in memory, with datum batching


class Recorder:
    """Records the datums of one job. Any thread may use it.

    A datum counts as processed when it is recorded. One that isn't, because we are killed or the
    disk is full, runs again: for each worker the one at work and one that is done, or with datum
    batching, where they are small, those that were done in the last moment.
    """

    def __init__(self, database: Database, workers: int, *, batching: bool) -> None:
        """Begin to record.

        Args:
            database: Where.
            workers: How many have datums recorded.
            batching: Whether it is datum batching.
        """
        self._database = database
        self._error: Exception | None = None
        self._room = threading.Semaphore(_MOST if batching else workers)
        self._gatherer = Gatherer(self._record, "recorder", SOON_S if batching else 0)

    @property
    def has_failed(self) -> bool:
        """Whether something could not be recorded; `close` says why."""
        return self._error is not None

    def take(self, datum: DatumInfo, result: Result, objects: ObjectWriter) -> None:
        """Record a datum soon; it is the recorder that ends the writer of its output.

        Blocks while too many wait, because somebody else writes for long.
        """
        self._room.acquire()
        self._gatherer.take(_Done(datum, result, objects))

    def close(self) -> None:
        """Record what was taken, and stop.

        Raises:
            OSError: An output could not be written.
            sqlite3.Error: The database could not.
        """
        self._gatherer.close()
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
            self._database.news.wake()
        self._room.release(len(batch))

    def _store(self, batch: list[_Done]) -> None:
        writers = [done.objects for done in batch]
        for writer in writers:
            writer.prepare()
        with self._database.write(progress=True) as connection:
            datum_store.record(connection, ((done.datum, done.result) for done in batch))
            write_all(writers, connection)


class _Done(NamedTuple):
    datum: DatumInfo
    result: Result
    objects: ObjectWriter
