"""Services: pipelines whose program runs on, and serves the data of the newest job.

See https://docs.pachyderm.com/latest/build-dags/pipeline-spec/service/.
"""

from __future__ import annotations

import logging
import threading
from itertools import islice

from pachlocal.errors import FailedPreconditionError, NotFoundError, PachError
from pachlocal.pfs import commits
from pachlocal.pps import jobs
from pachlocal.pps.datums import Datum, enumerate_datums
from pachlocal.pps.jobs import JobInfo
from pachlocal.pps.lasting import LastingProgram, Setting
from pachlocal.pps.plan import input_commits
from pachlocal.pps.readiness import Readiness, look_at_inputs
from pachlocal.pps.states import JobState
from pachlocal.pps.workers import WorkerStatus

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
        self._pipeline = setting.pipeline
        self._stopping = threading.Event()
        self._slot = setting.slot(0)
        self._served: int | None = None  # the job's row
        self._program: LastingProgram | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"service {self._pipeline.spec.repo}"
        )
        self._thread.start()

    def stop(self) -> None:
        """Begin to stop: what runs is ended, its job left for the next runner to take up."""
        self._stopping.set()
        self._files.database.news.wake()

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
            for seen in self._files.database.news.until(self._stopping.is_set):
                try:
                    self._reconcile()
                except NotFoundError:
                    pass  # deleted in this moment, which is news: we look again at once
                except Exception:  # the store can't be read, or the like
                    _log.exception("service %s", self._pipeline.spec.repo)
                    self._stopping.wait(_RETRY_S)
                    continue
                self._files.database.news.wait(seen)
        finally:
            self._end_program()
            self._slot.close()

    def _reconcile(self) -> None:
        """Have the newest job served whose inputs are finished, and no other."""
        with self._files.snapshot() as connection:
            pipeline = self._pipeline
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
        except PachError as error:
            self._setting.tell(f"job failed: {error}", job)
            self._end(job, str(error))
            return
        with self._files.transaction() as tx:
            jobs.set_state(tx, job, JobState.RUNNING)
        self._setting.tell("the job's data are served from now on", job)
        self._served = job.key
        self._program = LastingProgram(self._setting, self._slot, datum, job)

    def _datum_of(self, job: JobInfo) -> Datum:
        """Return the one datum of a job.

        Raises:
            FailedPreconditionError: It has none, or several.
            NotFoundError: An input commit was deleted.
        """
        input_ = self._pipeline.spec.input
        with self._files.snapshot() as connection:
            output = commits.by_key(connection, job.output)
            sources = input_commits(connection, output, input_)
        found = list(islice(enumerate_datums(self._files.objects, sources, input_), 2))
        if len(found) != 1:
            count = "several" if found else "none"
            raise FailedPreconditionError(
                f"services must have a single datum, and the input has {count}"
            )
        return found[0]

    def _end(self, job: JobInfo, failure: str = "") -> None:
        """End a job, which has no output however it ends."""
        objects = self._files.objects
        with self._files.transaction() as tx:
            if jobs.by_key(tx.connection, job.key).state.is_terminal:
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
