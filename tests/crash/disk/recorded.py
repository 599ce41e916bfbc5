"""A daemon whose writes are recorded."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

from walkthrough.machine import Daemon

from crash.disk import events, recorder
from crash.disk.events import Event
from crash.disk.model import Disk

_MAPPED = "store/pach.db-shm"  # written without calls, and made anew by whoever opens the store


class RecordedDaemon(Daemon):
    """Records from each start on. Nothing that it writes is forced to the real disk.

    Attributes:
        disk: The folder that is the disk. The store lies in it.
    """

    def __init__(self, disk: Path, library: Path) -> None:
        """Sets it up.

        Args:
            disk: A folder for it, which is made.
            library: What `recorder.build` made.
        """
        disk.mkdir()
        self.disk = disk.resolve()
        super().__init__(self.disk / "store")
        self._record = self.disk.with_suffix(".events")
        self._before = Disk(self.disk)
        self.env.update(recorder.variables(library, self.disk, self._record))

    def start(self) -> None:
        """Starts it with an empty record, on a disk that counts as synced, all of it."""
        self._record.unlink(missing_ok=True)
        self._before = Disk(self.disk)
        super().start()

    def position(self) -> int:
        """Returns how far the record is (bytes)."""
        return self._record.stat().st_size

    def events(self) -> int:
        """Returns how many events are recorded."""
        return sum(1 for _ in events.read(self._record))

    def replay(self) -> Iterator[tuple[Event, Disk]]:
        """Yields each event and the disk after it; to be asked when it has ended.

        At the end the disk must hold what the real one does, else something went unrecorded.
        """
        disk = copy.deepcopy(self._before)
        for event in events.read(self._record):
            disk.apply(event)
            yield event, disk
        real, replayed = Disk(self.disk).files(), disk.files()
        for files in (real, replayed):
            files.pop(_MAPPED, None)
        both = real.keys() | replayed.keys()
        unrecorded = [path for path in both if real.get(path) != replayed.get(path)]
        assert not unrecorded, f"not all that was done to these is recorded: {unrecorded}"
