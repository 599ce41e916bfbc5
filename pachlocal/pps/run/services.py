"""Services: pipelines whose program runs indefinitely, and serves the newest job's data.

See https://docs.pachyderm.com/latest/build-dags/pipeline-spec/service/.
"""

from __future__ import annotations

import logging
import threading
from itertools import islice

from pachlocal.errors import (
    FailedPreconditionError,
    LeftError,
    NotFoundError,
    PachError,
    PlanningError,
)
from pachlocal.pfs.history import commits
from pachlocal.pps.planning.plan import find_datums, input_commits
from pachlocal.pps.run.long_running import LongRunningProgram, Setting
from pachlocal.pps.run.readiness import Readiness, look_at_inputs
from pachlocal.pps.spec.datums import Datum
from pachlocal.pps.spec.states import JobState
from pachlocal.pps.tables import jobs, topics
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.worker.workers import WorkerStatus
from pachlocal.storage.change_notifier import ChangeNotifier, Relay

_log = logging.getLogger(__name__)

_RETRY_S = 1.0  # when the store can't be read or written to


class ServiceRunner:
    """Runs one version of one service, in a thread of its own.

    A job runs while its data are served. It succeeds, without output, when a newer one whose inputs
    are finished takes its place. One whose inputs failed leaves the place to the one before.
    """

    def __init__(self, setting: Setting) -> None:
        """Start it."""
        self._setting = setting
        self._files = setting.files
        self.pipeline = setting.pipeline
        self._stopping = threading.Event()
        self._slot = setting.slot(0)
        self._served: int | None = None  # the job's row
        self._program: LongRunningProgram | None = None
        self._changes = ChangeNotifier()
        with self._files.snapshot() as connection:
            self._topics = topics.of_work(connection, self.pipeline.key, self.pipeline.spec)
        self._relay = Relay(self._changes.wake)
        self._thread = threading.Thread(target=self._run, name=f"service {self.pipeline.spec.repo}")
        self._thread.start()
        self._files.database.notifier.add(self._relay, self._topics)
        self._changes.wake()

    def stop(self) -> None:
        """Begin to stop: what runs is ended, its job left for the next runner to take up."""
        self._stopping.set()
        self._changes.wake()

    def join(self) -> None:
        """Wait until nothing of this runner runs any more."""
        self._thread.join()

    def statuses(self) -> list[WorkerStatus]:
        """Return what its worker does."""
        return [self._slot.status]

    def restart(self, job: str, datum: bytes) -> bool:
        """Tell that no datum comes to an end here."""
        del job, datum
        return False

    def _run(self) -> None:
        self._setting.tell("service spawner started")
        try:
            for seen in self._changes.until(self._stopping.is_set):
                try:
                    self._reconcile()
                except NotFoundError:
                    pass  # deleted in this moment, which is a change: we look again at once
                except Exception:  # the store can't be read, or the like
                    _log.exception("service %s", self.pipeline.spec.repo)
                    self._stopping.wait(_RETRY_S)
                    continue
                self._changes.wait(seen)
        finally:
            self._files.database.notifier.remove(self._relay, self._topics)
            self._end_program()

    def _reconcile(self) -> None:
        """Have the newest job served whose inputs are finished, and no other."""
        with self._files.snapshot() as connection:
            pipeline = self.pipeline
            unfinished = list(jobs.list_unfinished(connection, pipeline.key, pipeline.version))
        ready = [job for job in unfinished if look_at_inputs(self._files, job) is Readiness.RUN]
        newest = ready.pop() if ready else None
        if newest is None or newest.key != self._served:
            self._end_program()
        for outdated in ready:
            self._end(outdated)
        if newest is not None and newest.key != self._served:
            self._serve(newest)

    def _serve(self, job: JobInfo) -> None:
        try:
            datum = self._datum_of(job)
        except LeftError:
            return
        except PachError as error:
            if isinstance(error, PlanningError):
                self._setting.health.report_planning(str(error))
            self._setting.tell(f"job failed: {error}", job)
            self._end(job, str(error))
            return
        self._setting.health.report_planning("")
        with self._files.transaction() as tx:
            jobs.set_state(tx, job, JobState.RUNNING)
        self._setting.tell("the job's data are served from now on", job)
        self._program = LongRunningProgram(self._setting, self._slot, datum, job)
        self._served = job.key

    def _datum_of(self, job: JobInfo) -> Datum:
        """Return the one datum of a job.

        Raises:
            FailedPreconditionError: It has none, or several.
            NotFoundError: An input commit was deleted.
            PlanningError: The input can't be worked with.
            LeftError: The service stops.
        """
        input_ = self.pipeline.spec.input
        with self._files.snapshot() as connection:
            output = commits.itself(connection, job.output)
            sources = input_commits(connection, output, input_)
        found = list(islice(find_datums(self._files, sources, input_, self._check), 2))
        if len(found) != 1:
            count = "several" if found else "none"
            raise FailedPreconditionError(
                f"services must have a single datum, and the input has {count}"
            )
        return found[0]

    def _check(self) -> None:
        if self._stopping.is_set():
            raise LeftError

    def _end(self, job: JobInfo, failure: str = "") -> None:
        """End a job, which has no output however it ends."""
        objects = self._files.objects
        with self._files.transaction() as tx:
            if jobs.is_ended(tx.connection, job.key):
                return
            if failure:
                jobs.end_without_output(tx, objects, job, JobState.FAILURE, failure)
            else:
                jobs.succeed(tx, objects, job, None, None)

    def _end_program(self) -> None:
        if self._program is not None:
            self._program.stop()
            self._program.join()
        self._program = self._served = None
