"""Acts on time: the ticks of cron inputs, and triggers with a schedule.

All that is due is computed from the store, so what fell due while no daemon ran, or while the
machine slept, is made up for. A few ticks have a commit each, as on a cluster. What has piled up
beyond `MOST_COMMITS` comes in one, so that a laptop that was closed for a night doesn't wake up to
a thousand jobs; of more than `MAX_MISSED` ticks, the last.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Hashable
from functools import partial
from itertools import takewhile

from pachlocal.errors import DamagedStoreError, NotFoundError, PachError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import schedule, trigger_firing, triggers
from pachlocal.pfs.history import topics as pfs_topics
from pachlocal.pfs.history.names import RepoName
from pachlocal.pfs.history.schedule import SECOND
from pachlocal.pfs.tree.entries import Root
from pachlocal.pps.spec.inputs import PfsInput
from pachlocal.pps.tables import cron, pipelines, topics
from pachlocal.storage.change_notifier import ChangeNotifier
from pachlocal.storage.database import Connection

_log = logging.getLogger(__name__)

MAX_MISSED = 100_000
"""Ticks of one input that are made up for: those of a day, when there is one a second."""

MOST_COMMITS = 24
"""Missed ticks of one input that get a commit each: a day's, when there is one an hour."""

# The longest sleep: the clock by which we sleep stands still while the machine does.
_LONGEST_S = 30.0


class Clock:
    """Makes ticks when they are due, in a thread of its own from `start` to `close`."""

    def __init__(self, files: FileSystem, now: Callable[[], int] = time.time_ns) -> None:
        """Take a store, and what tells the time (ns since 1970)."""
        self._files = files
        self._now = now
        self._closing = threading.Event()
        self._inputs: dict[int, tuple[int, list[PfsInput]]] = {}  # with the version, by pipeline
        self._ticked: dict[RepoName, tuple[Root, int]] = {}
        self._failing: dict[Hashable, str] = {}  # what was said of what can't be done
        self._changes = ChangeNotifier()  # of what there is to tick
        self._changed = topics.changed_pipelines(self._changes.wake)
        self._topics = [*topics.of_pipelines(), *pfs_topics.of_triggers()]
        self._thread = threading.Thread(target=self._run, name="clock")

    def start(self) -> None:
        """Begin."""
        self._files.database.notifier.add(self._changed, self._topics)
        self._thread.start()

    def close(self) -> None:
        """End the thread, and wait for it."""
        self._closing.set()
        self._changes.wake()
        self._thread.join()
        self._files.database.notifier.remove(self._changed, self._topics)

    def advance(self, changed: Collection[int] | None = None) -> int | None:
        """Do all that is due; return when something is due next (ns since 1970).

        Args:
            changed: The pipelines, by row, that changed since the last time; None stands for all.
        """
        with self._files.snapshot() as connection:
            inputs = self._cron_inputs(connection, changed)
            followers = triggers.by_clock(connection)
        coming = [
            *(self._try(input_.branch, partial(self._tick, input_)) for input_ in inputs),
            *(self._try(found[0], partial(self._follow, *found)) for found in followers),
        ]
        return min((due for due in coming if due is not None), default=None)

    def _try(self, which: Hashable, task: Callable[[], int | None]) -> int | None:
        """Do what is due for one input or branch; when it can't be done, others mustn't suffer."""
        try:
            due = task()
        except Exception as error:
            if self._failing.get(which) != repr(error):  # it may come again with each change
                self._failing[which] = repr(error)
                _log.exception("the clock fails at %s; it tries again", which)
            return None
        self._failing.pop(which, None)
        return due

    def _run(self) -> None:
        for seen in self._changes.until(self._closing.is_set):
            left = _LONGEST_S
            try:
                due = self.advance(self._changed.take())
                if due is not None:
                    left = min(left, max(0.0, (due - self._now()) / SECOND))
            except Exception:  # without this thread nothing would tick any more
                self._changed.add_all()
                _log.exception("the clock fails; it tries again")
            self._changes.wait(seen, left)

    def _tick(self, input_: PfsInput) -> int | None:
        """Make the ticks of an input that are due; return when the next one is."""
        assert input_.cron is not None  # noqa: S101 - chosen by that
        rule = schedule.parse(input_.cron.spec)
        with self._files.snapshot() as connection:
            root = cron.head_root(connection, input_)
        last = max(self._last_tick(input_.branch.repo, root), input_.cron.start)
        coming = schedule.between(rule, last, self._now(), MAX_MISSED)
        due = list(takewhile(lambda _: not self._closing.is_set(), coming))
        for times in [[tick] for tick in due] if len(due) <= MOST_COMMITS else [due]:
            if self._closing.is_set():
                break
            try:
                cron.tick(self._files, input_, times)
            except NotFoundError:  # deleted in this moment
                return None
            last = times[-1]
        return rule.next(last)

    def _follow(self, branch: int, spec: str, ticked: int) -> int | None:
        """Fire a branch's trigger if it is due, once for all it missed; return when it is next."""
        rule = schedule.parse(spec)
        due = next(schedule.between(rule, ticked, self._now(), 1), None)
        if due is not None:
            with self._files.transaction() as tx:
                trigger_firing.fire_by_clock(tx, branch, due)
        return rule.next(ticked if due is None else due)

    def _last_tick(self, repo: RepoName, root: Root) -> int:
        known, last = self._ticked.get(repo, (None, 0))
        if known != root:
            try:
                newest = cron.newest_tick(self._files.objects, known, root)
            except DamagedStoreError:  # nobody has the former tree any more, and it was collected
                newest = cron.newest_tick(self._files.objects, None, root)
            last = max(last, newest)
            self._ticked[repo] = root, last
        return last

    def _cron_inputs(
        self, connection: Connection, changed: Collection[int] | None
    ) -> list[PfsInput]:
        """Return the cron inputs of all pipelines that aren't stopped."""
        running = pipelines.running(connection, changed)
        for row in [*self._inputs] if changed is None else self._inputs.keys() & changed:
            if self._inputs[row][0] != running.get(row):
                del self._inputs[row]
        for row in running.keys() - self._inputs.keys():
            try:
                spec = pipelines.by_key(connection, row, running[row]).spec
            except PachError:  # the scheduler says it
                self._inputs[row] = running[row], []
            else:
                self._inputs[row] = running[row], cron.cron_inputs(spec)
        return [input_ for _, inputs in self._inputs.values() for input_ in inputs]
