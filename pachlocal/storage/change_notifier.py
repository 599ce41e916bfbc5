"""Tells of changes: whoever waits is woken instead of asking again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Topic: TypeAlias = "tuple[str, int]"
"""What changes: a kind of thing, and which one of it."""


class Watch:
    """Changes of some topics, for one who waits for them. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = False
        self._resume: Callable[[], None] | None = None

    def wake(self) -> None:
        """Tell of a change, or make the one who waits look up."""
        with self._lock:
            resume, self._resume = self._resume, None
            self._changed = resume is None
        if resume is not None:
            resume()

    def told(self, topics: Collection[Topic]) -> None:
        """Tell of a change of some topics, of which one at least is watched."""
        self.wake()

    def arm(self, resume: Callable[[], None]) -> bool:
        """Wait for the next change, once; False when there was one since the last time.

        Args:
            resume: Called then, by whoever makes the change: it must not take long.
        """
        with self._lock:
            if self._changed:
                self._changed = False
                return False
            self._resume = resume
            return True


class Relay(Watch):
    """Changes of some topics, told to another at once."""

    def __init__(self, tell: Callable[[], None]) -> None:
        """Take what is called with each change, by whoever makes it: it must not take long."""
        super().__init__()
        self._tell = tell

    def wake(self) -> None:
        """Tell of a change."""
        self._tell()


class ChangedRows(Watch):
    """Which rows of a table changed, for one who looks at those only: at first at all."""

    def __init__(self, column: str, tell: Callable[[], None]) -> None:
        """Note nothing yet.

        Args:
            column: The topics that name rows, as in `("table.id", row)`.
            tell: Called with each change, by whoever makes it: it must not take long.
        """
        super().__init__()
        self._column = column
        self._tell = tell
        self._rows: set[int] | None = None

    def told(self, topics: Collection[Topic]) -> None:
        """Note the rows, and tell."""
        with self._lock:
            if self._rows is not None:
                self._rows |= {row for column, row in topics if column == self._column}
        self._tell()

    def add_all(self) -> None:
        """Have all rows looked at again."""
        with self._lock:
            self._rows = None

    def take(self) -> set[int] | None:
        """Return the rows that changed since the last time; None stands for all."""
        with self._lock:
            rows, self._rows = self._rows, set()
        return rows


class ChangeNotifier:
    """A number that grows with every change, and watches on topics. Any thread may use it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._version = 0
        self._watches: dict[Topic, set[Watch]] = {}

    @contextmanager
    def watch(self, topics: Collection[Topic]) -> Iterator[Watch]:
        """Watch some topics while the block lasts; changes from now on count."""
        watch = Watch()
        self.add(watch, topics)
        try:
            yield watch
        finally:
            self.remove(watch, topics)

    def add(self, watch: Watch, topics: Collection[Topic]) -> None:
        """Have a watch told of some topics, until it is removed; changes from now on count."""
        with self._changed:
            for topic in topics:
                self._watches.setdefault(topic, set()).add(watch)

    def remove(self, watch: Watch, topics: Collection[Topic]) -> None:
        """Undo `add`."""
        with self._changed:
            for topic in topics:
                watches = self._watches.get(topic, set())
                watches.discard(watch)
                if not watches:
                    self._watches.pop(topic, None)

    def publish(self, topics: Collection[Topic]) -> None:
        """Tell of changes: only those are woken who watch one of the topics."""
        with self._changed:
            woken = {watch for topic in topics for watch in self._watches.get(topic, ())}
        for watch in woken:
            watch.told(topics)

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
