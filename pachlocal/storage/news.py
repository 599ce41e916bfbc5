"""News of changes: threads wait for them instead of asking again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator


class News:
    """A number that grows with every change, and a way to wait for it. Any thread may use it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._version = 0

    @property
    def version(self) -> int:
        """How many changes there were; to be taken before looking, for `wait`."""
        with self._changed:
            return self._version

    def wake(self) -> None:
        """Make every `wait` return, because something changed or a waiter should look up."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def wait(self, seen: int, timeout_s: float | None = None) -> int:
        """Block until the version is no longer `seen`, or the time is over; return the version."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != seen, timeout_s)
            return self._version

    def until(self, ended: Callable[[], bool]) -> Iterator[int]:
        """Yield a version to `wait` with, again and again, until something has ended.

        The version is read before `ended()` is asked: whoever makes an end and then wakes us can't
        slip in between, which would leave us waiting for a change that has been.
        """
        while True:
            seen = self.version
            if ended():
                return
            yield seen

    def wait_until(self, found: Callable[[], bool], alive: Callable[[], bool]) -> bool:
        """Block until `found()`; False when `alive()` ended first. Asked at each change."""
        for seen in self.until(lambda: not alive()):
            if found():
                return True
            self.wait(seen)
        return False
