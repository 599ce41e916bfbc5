"""Starts jobs before their turn: their new datums run while older jobs leave workers idle.

What a job has in common with the one before it waits for that one, since it may be skipped then:
so upstream's workers do it (`createParallelDatums` and `createSerialDatums`). When its turn comes a
job is planned as a whole, and what ran ahead stays, as after a stop of the daemon.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Set

from pachlocal.errors import LeftError, NotFoundError
from pachlocal.pfs.history import commits
from pachlocal.pps.planning.plan import plan_ahead
from pachlocal.pps.run.job_run import JobContext, JobRun
from pachlocal.pps.tables import jobs
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.storage.database import Connection

_log = logging.getLogger(__name__)


class AheadRun(JobRun):
    """Processes the datums of a job that the job before it doesn't have, in a thread of its own."""

    _plans_all = False

    def __init__(self, context: JobContext, job: JobInfo, before: JobInfo) -> None:
        """Begin.

        Args:
            context: What it is run with.
            job: The job.
            before: The one before it, all of whose datums are stored.
        """
        super().__init__(context, job)
        self.is_planned = False
        self.before = before
        self._planning_over = threading.Event()
        self._thread = threading.Thread(target=self._go, name=f"ahead {job.id}")
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs."""
        return not self._thread.is_alive()

    def await_planning(self) -> None:
        """Wait until it no longer looks at the datums of the job before."""
        self._planning_over.wait()

    def finish(self) -> None:
        """Begin no more datums, and wait for those that run."""
        self._queue.close()
        self._context.changes.wake()
        self._thread.join()

    def leave(self) -> None:
        """End what runs, and record nothing of it."""
        self._leave()
        self._context.changes.wake()
        self._thread.join()

    def _go(self) -> None:
        try:
            self._process()
        except (LeftError, NotFoundError):
            pass
        except Exception as error:  # the job meets it again when its turn comes, and says it
            _log.warning("job %s@%s, ahead of its turn: %r", self._job.repo, self._job.id, error)
        finally:
            self._planning_over.set()

    def _plan_datums(self, go_on: Callable[[], None], check: Callable[[], None]) -> None:
        def check_both() -> None:
            if self._queue.is_closed:
                raise LeftError
            check()

        def go_on_both() -> None:
            check_both()
            go_on()

        pipeline = self._context.pipeline
        try:
            plan_ahead(self._files, self._job, self.before, pipeline, go_on_both, check_both)
            self.is_planned = True
        finally:
            self._planning_over.set()

    def _plan_broken_off(self) -> None:
        self._queue.close()

    def _look_ahead(self) -> None:
        """Leave that to the job whose turn it is."""

    def _yields(self) -> bool:
        return self._context.pool.is_lacked(self._job.key)


class AheadRuns:
    """The jobs of a pipeline that run ahead of their turn. Belongs to the runner's thread."""

    def __init__(self) -> None:
        self._runs: dict[int, AheadRun] = {}  # by the job's row

    def look(self, context: JobContext, current: JobInfo) -> None:
        """Let the next jobs begin, as far as workers are idle.

        Args:
            context: What they are run with.
            current: The job whose turn it is; all of its datums are stored.
        """
        if len(context.pool.slots) == 1 or not context.pool.has_free:
            return
        spec = context.pipeline
        with context.files.snapshot() as connection:
            unfinished = list(jobs.list_unfinished(connection, spec.key, spec.version))
            self._forget_ended({job.key for job in unfinished})
            if len(self._runs) + 1 >= len(context.pool.slots):
                return
            before, is_planned = current, True
            for job in unfinished:
                if job.key <= current.key:
                    continue
                if not is_planned or not _is_ready(connection, job):
                    return
                if job.key not in self._runs:
                    self._runs[job.key] = AheadRun(context, job, before)
                    return  # we are called again when it is planned
                before, is_planned = job, self._runs[job.key].is_planned

    def finish(self, job: JobInfo) -> float | None:
        """Let a job's run ahead come to its end: its turn has come.

        Returns:
            When it began, by the monotonic clock; None when it didn't.
        """
        for other in self._runs.values():
            if other.before.key == job.key:
                other.await_planning()  # or it would miss datums while they are planned anew
        run = self._runs.pop(job.key, None)
        if run is None:
            return None
        run.finish()
        return run.begun

    def _forget_ended(self, unfinished: Set[int]) -> None:
        """Forget the runs of jobs that somebody has ended."""
        for key in self._runs.keys() - unfinished:
            if self._runs[key].is_over:
                del self._runs[key]

    def leave_all(self) -> None:
        """Break all of them off."""
        while self._runs:
            self._runs.popitem()[1].leave()


def _is_ready(connection: Connection, job: JobInfo) -> bool:
    """Whether a job's inputs are there, and good."""
    sources = [
        commits.itself(connection, commits.key_of(connection, name))
        for name in commits.itself(connection, job.output).provenance
    ]
    return all(source.finished is not None and not source.error for source in sources)
