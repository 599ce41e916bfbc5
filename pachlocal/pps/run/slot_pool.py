"""The workers of a pipeline, lent to its jobs, the oldest first."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pachlocal.pps.worker.workers import WorkerSlot
from pachlocal.storage.change_notifier import ChangeNotifier


class SlotPool:
    """Lends workers. Any thread may use it; a slot is its borrower's until it comes back."""

    def __init__(self, slots: Sequence[WorkerSlot], notifier: ChangeNotifier) -> None:
        """Begin with all of them free.

        Args:
            slots: The workers.
            notifier: Tells that one is free again.
        """
        self.slots = tuple(slots)
        self._notifier = notifier
        self._lock = threading.Lock()  # guards what follows
        self._taken: dict[str, int] = {}  # by the slot's name: the job's row
        self._wanting: set[int] = set()  # jobs, by row

    @property
    def has_free(self) -> bool:
        """Whether a worker is idle, and no job lacks it."""
        with self._lock:
            return len(self._taken) < len(self.slots) and not self._wanting

    def take(self, job: int) -> WorkerSlot | None:
        """Return a worker for a job (by row); None when none is free, or an older job lacks one.

        The job is known to lack one from then on, until it says otherwise.
        """
        with self._lock:
            if not self._is_lacked(job):
                for slot in self.slots:
                    if slot.id not in self._taken:
                        self._taken[slot.id] = job
                        return slot
            self._wanting.add(job)
            return None

    def give_back(self, slot: WorkerSlot) -> None:
        """Let another job have a worker."""
        with self._lock:
            self._taken.pop(slot.id, None)
        self._notifier.wake()

    def suffices(self, job: int) -> None:
        """Note that a job has all the workers that it can use."""
        with self._lock:
            self._wanting.discard(job)

    def is_lacked(self, job: int) -> bool:
        """Whether an older job than this one lacks a worker."""
        with self._lock:
            return self._is_lacked(job)

    def _is_lacked(self, job: int) -> bool:
        return any(other < job for other in self._wanting)
