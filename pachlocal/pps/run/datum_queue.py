"""The datums of a job that wait for a worker, with their content read ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import islice

from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.tree.entries import Kind
from pachlocal.pps.run.prefetch import Prefetch
from pachlocal.pps.tables import datum_store
from pachlocal.pps.tables.datum_store import DatumInfo
from pachlocal.pps.tables.jobs import JobInfo

_READ_AHEAD = 200  # datums
_READ_AHEAD_FILES = 500
_READ_AHEAD_SIZE = 4096  # bytes of a file


class DatumQueue:
    """Gives a job's datums to workers, also while others are still being found.

    Any thread may use it.

    Attributes:
        contents: Where to read what is in the datums.
    """

    def __init__(self, files: FileSystem, job: JobInfo) -> None:
        """Begin with what is planned by now.

        Args:
            files: The store.
            job: Whose datums they are.
        """
        self.contents = Prefetch(files.objects)
        self._files = files
        self._job = job
        self._changed = threading.Condition()  # guards what follows
        self._is_closed = False
        self._is_complete = False
        self._at_work = 0  # datums that workers have
        self._is_exhausted = False  # none is left, and none can come back
        self._ahead: list[DatumInfo] = []
        self._taken = -1  # the highest ordinal of a datum that was given to a worker

    def look_again(self) -> None:
        """Have those who wait look for datums: more may be planned."""
        with self._changed:
            self._changed.notify_all()

    def complete(self) -> None:
        """Note that no more datums are going to be found."""
        with self._changed:
            self._is_complete = True
            self._changed.notify_all()

    def close(self) -> None:
        """Give none any more, and wake all who wait."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether none is given any more."""
        with self._changed:
            return self._is_closed

    def take(self) -> DatumInfo | None:
        """Return the next datum, once there is one; None when all are given.

        Who takes it says `done` or gives it back: until then others may `wait` for it.
        """
        with self._changed:
            while not self._is_closed:
                if self._ahead:
                    datum = self._ahead.pop()
                    self._taken = max(self._taken, datum.ordinal)
                    self._at_work += 1
                    return datum
                is_complete = self._is_complete  # before it is looked for datums
                self._read_ahead()
                if not self._ahead:
                    if is_complete:
                        if not self._at_work:
                            self._is_exhausted = True
                            self._changed.notify_all()
                        break
                    self._changed.wait()
            return None

    def done(self) -> None:
        """Note that a datum that was taken is done."""
        with self._changed:
            self._at_work -= 1
            if not self._at_work:
                self._changed.notify_all()

    def give_back(self, datum: DatumInfo) -> None:
        """Let any worker have a datum that was taken, and isn't done."""
        with self._changed:
            self._at_work -= 1
            self._ahead.append(datum)
            self._changed.notify_all()

    def wait(self, pause_s: float) -> bool:
        """Wait before trying again to work; False when there is nothing to do any more."""
        with self._changed:
            return not self._changed.wait_for(
                lambda: self._is_closed or self._is_exhausted, timeout=pause_s
            )

    def _read_ahead(self) -> None:
        with self._files.snapshot() as connection:
            self._ahead = datum_store.pending(connection, self._job, self._taken, _READ_AHEAD)
        self.contents.fetch(_small_files(self._ahead))
        self._ahead.reverse()


def _small_files(datums: Iterable[DatumInfo]) -> Iterator[bytes]:
    """Yield the hashes of some files that are worth to be read ahead."""
    small = (
        file.entry.hash
        for datum in datums
        for file in datum.files
        if file.entry.kind is Kind.FILE and file.entry.size <= _READ_AHEAD_SIZE
    )
    return islice(small, _READ_AHEAD_FILES)
