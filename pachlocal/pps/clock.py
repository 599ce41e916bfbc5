"""What the clock brings about: the ticks of cron inputs, and triggers with a schedule.

All that is due is computed from the store, so what fell due while no daemon ran, or while the
machine slept, is made up for. What has piled up comes in one commit: nothing is left out, and a
laptop that was closed for a night doesn't wake up to a thousand jobs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice

from pachlocal.errors import NotFoundError
from pachlocal.pfs import firing, schedule, triggers
from pachlocal.pfs.entries import Root
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.names import RepoName
from pachlocal.pfs.schedule import SECOND, Schedule
from pachlocal.pps import cron, pipelines
from pachlocal.pps.inputs import PfsInput
from pachlocal.storage.database import Connection

_log = logging.getLogger(__name__)

_BATCH = 1000  # ticks a commit
# The longest sleep: the clock by which we sleep stands still while the machine does.
_LONGEST_S = 30.0


class Clock:
    """Makes ticks when they are due, in a thread of its own from `start` to `close`."""

    def __init__(self, files: FileSystem, now: Callable[[], int] = time.time_ns) -> None:
        """Take a store, and what tells the time (ns since 1970)."""
        self._files = files
        self._now = now
        self._closing = threading.Event()
        self._inputs: dict[tuple[int, int], list[PfsInput]] = {}  # by pipeline and version
        self._ticked: dict[RepoName, tuple[Root, int]] = {}
        self._thread = threading.Thread(target=self._run, name="clock")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the thread, and wait for it."""
        self._closing.set()
        self._files.database.news.wake()
        self._thread.join()

    def advance(self) -> int | None:
        """Do all that is due; return when something is due next (ns since 1970)."""
        with self._files.snapshot() as connection:
            inputs = self._cron_inputs(connection)
            followers = triggers.by_clock(connection)
        coming = [
            *(self._tick(input_) for input_ in inputs),
            *(self._follow(*follower) for follower in followers),
        ]
        return min((due for due in coming if due is not None), default=None)

    def _run(self) -> None:
        for seen in self._files.database.news.until(self._closing.is_set):
            left = _LONGEST_S
            try:
                due = self.advance()
                if due is not None:
                    left = min(left, max(0.0, (due - self._now()) / SECOND))
            except Exception:  # without this thread nothing would tick any more
                _log.exception("the clock can't go on; it tries again")
            self._files.database.news.wait(seen, left)

    def _tick(self, input_: PfsInput) -> int | None:
        """Make the ticks of an input that are due; return when the next one is."""
        assert input_.cron is not None  # noqa: S101 - chosen by that
        rule = schedule.parse(input_.cron.spec)
        while True:
            with self._files.snapshot() as connection:
                root = cron.head_root(connection, input_)
            last = max(self._last_tick(input_.branch.repo, root), input_.cron.start)
            now = self._now()
            due = list(islice(_between(rule, last, now), _BATCH))
            if not due or self._closing.is_set():
                return rule.next(last)
            try:
                cron.tick(self._files, input_, due)
            except NotFoundError:  # deleted in this moment
                return None

    def _follow(self, branch: int, spec: str, ticked: int) -> int | None:
        """Fire a branch's trigger if it is due, once for all it missed; return when it is next."""
        rule, now = schedule.parse(spec), self._now()
        due = max(_between(rule, ticked, now), default=None)
        if due is not None:
            with self._files.transaction() as tx:
                firing.fire_by_clock(tx, branch, due)
        return rule.next(ticked if due is None else due)

    def _last_tick(self, repo: RepoName, root: Root) -> int:
        known, last = self._ticked.get(repo, (None, 0))
        if known != root:
            last = max(last, cron.newest_tick(self._files.objects, known, root))
            self._ticked[repo] = root, last
        return last

    def _cron_inputs(self, connection: Connection) -> list[PfsInput]:
        """Return the cron inputs of all pipelines that aren't stopped."""
        running = pipelines.running(connection)
        for key in self._inputs.keys() - set(running):
            del self._inputs[key]
        for key in running:
            if key not in self._inputs:
                spec = pipelines.by_key(connection, *key).spec
                self._inputs[key] = cron.cron_inputs(spec)
        return [input_ for inputs in self._inputs.values() for input_ in inputs]


def _between(rule: Schedule, after: int, until: int) -> Iterator[int]:
    """Yield the times after one and up to another."""
    due = rule.next(after)
    while due is not None and due <= until:
        yield due
        due = rule.next(due)
