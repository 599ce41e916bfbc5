"""What comes from many threads one by one, and is stored best many at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from pachlocal.thread_affinity import batch_scheduling

_T = TypeVar("_T")

SOON_S = 0.25  # a transaction for each would cost as much as a small datum
_MOST = 2000
_LOOK_AGAIN_S = 0.05


class BatchWriter(Generic[_T]):
    """Hands on what it takes soon after and in order, many at once when it comes fast."""

    def __init__(
        self, hand_on: Callable[[list[_T]], None], name: str, wait_s: float = SOON_S
    ) -> None:
        """Begin to take.

        Args:
            hand_on: Called in a thread of its own with what has come; must not raise.
            name: The thread's.
            wait_s: How long it waits for more. With 0 more is only what comes while `hand_on` runs.
        """
        self._hand_on = hand_on
        self._wait_s = wait_s
        self._queue: queue.SimpleQueue[_T | threading.Event] = queue.SimpleQueue()
        self._hurry = threading.Event()
        self._open = True
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.start()

    def take(self, item: _T) -> None:
        """Take something, from any thread."""
        self._queue.put(item)

    def hurry(self) -> None:
        """Wait for no more to come."""
        self._hurry.set()

    def flush(self) -> None:
        """Wait until all that was taken before is handed on, or nobody does that any more."""
        done = threading.Event()
        self._queue.put(done)
        self._hurry.set()
        while self._thread.is_alive() and not done.wait(_LOOK_AGAIN_S):
            pass

    def close(self) -> None:
        """Hand on what was taken, and stop."""
        self._open = False
        self._queue.put(threading.Event())
        self._hurry.set()
        self._thread.join()

    def _run(self) -> None:
        batch_scheduling()
        while self._open or not self._queue.empty():
            came = [self._queue.get()]
            if self._wait_s and self._queue.qsize() < _MOST:
                self._hurry.wait(self._wait_s)
            self._hurry.clear()
            while not self._queue.empty() and len(came) < _MOST:
                came.append(self._queue.get())
            items = [item for item in came if not isinstance(item, threading.Event)]
            if items:
                self._hand_on(items)
            for waiting in came:
                if isinstance(waiting, threading.Event):
                    waiting.set()
