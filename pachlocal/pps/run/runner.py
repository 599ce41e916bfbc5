"""Runs a pipeline: takes its jobs one after another and completes each."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from pachlocal.errors import LeftError, NotFoundError, PachError
from pachlocal.faults import machine_fault
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.run.ahead import AheadRuns
from pachlocal.pps.run.job_run import JobContext, JobRun
from pachlocal.pps.run.pipeline_health import PipelineHealth, Recovery
from pachlocal.pps.run.readiness import Readiness, look_at_inputs
from pachlocal.pps.run.slot_pool import SlotPool
from pachlocal.pps.spec.states import JobState
from pachlocal.pps.tables import jobs, secrets, topics
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.logs import LogLine, LogWriter
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.pps.worker.batching import DatumServer
from pachlocal.pps.worker.code import CodeKeeper
from pachlocal.pps.worker.workers import Folders, WorkerSlot, WorkerStatus
from pachlocal.runtime.contract import Runtime
from pachlocal.storage import disk
from pachlocal.storage.change_notifier import ChangeNotifier, Relay

_log = logging.getLogger(__name__)

_NO_JOB = 0  # older than all
_RETRY_S = 1.0  # when the store can't be written to
_MOST_RETRY_S = 30.0  # when a job needs more room than there is


class PipelineRunner:
    """Runs the jobs of one version of one pipeline, in a thread that it has while there are some.

    What the machine lacks makes the pipeline `crashing`, and its jobs wait.
    """

    def __init__(
        self,
        files: FileSystem,
        runtime: Runtime,
        logs: LogWriter,
        pipeline: PipelineInfo,
        peer: Mapping[str, str],
        datum_server: DatumServer | None,
        code: CodeKeeper,
        remark: str = "",
        *,
        resume: Callable[[PipelineRunner], None],
    ) -> None:
        """Take what is needed; nothing runs before `go_on`.

        Args:
            files: The store.
            runtime: What runs commands.
            logs: Where lines go.
            pipeline: The pipeline, in its version.
            peer: Variables that tell a program in a worker where the server is.
            datum_server: How programs ask for datums; without one there is no datum batching.
            code: The code of all jobs.
            remark: What its user should know of its image.
            resume: Sees to it that `go_on` is called soon, by another thread.
        """
        self.pipeline = pipeline
        self._remark = remark
        self._files = files
        self._runtime = runtime
        self._ready = False  # whether the image was there when last tried
        self._health = PipelineHealth(files, pipeline)
        self._getting_ready = Recovery(self._health, "image", self._tell)
        self._running_jobs = Recovery(self._health, "job", self._tell)
        self._stopping = threading.Event()
        self._changes = ChangeNotifier()
        self._resume = resume
        self._begun = False
        self._is_over = False
        self._resting_lock = threading.Lock()
        self._is_resting = False  # no thread is there for it
        self._slots = tuple(
            WorkerSlot(runtime, pipeline, number, self._secret_folders)
            for number in range(pipeline.spec.workers)
        )
        self._logs = logs
        self._ahead = AheadRuns()
        self._context = JobContext(
            files,
            logs,
            pipeline,
            SlotPool(self._slots, self._changes),
            code,
            self._look_ahead,
            peer,
            self._changes,
            self._stopping,
            self._health,
            datum_server,
        )
        with files.snapshot() as connection:
            self._topics = topics.of_work(connection, pipeline.key, pipeline.spec)
        self._relay = Relay(self._wake)
        files.database.notifier.add(self._relay, self._topics)

    def go_on(self) -> None:
        """Begin, or go on after a rest.

        Raises:
            RuntimeError: There are no more threads.
        """
        thread = threading.Thread(target=self._run, name=f"pipeline {self.pipeline.spec.repo}")
        try:
            thread.start()
        except RuntimeError:
            if not self._stopping.is_set():
                raise
            self._run()  # which comes to its end

    def stop(self) -> None:
        """Begin to stop: what runs is ended, its job left for the next runner to take up."""
        self._stopping.set()
        self._changes.wake()
        if self._wakes_up():
            self.go_on()

    def join(self) -> None:
        """Wait until nothing of this runner runs any more."""
        for seen in self._changes.until(lambda: self._is_over):
            self._changes.wait(seen)

    def _wake(self) -> None:
        """Tell of a change that concerns this pipeline."""
        self._changes.wake()
        if self._wakes_up():
            self._resume(self)

    def _wakes_up(self) -> bool:
        """Say whether a thread is needed; who is told so gets one."""
        with self._resting_lock:
            was_resting, self._is_resting = self._is_resting, False
        return was_resting

    def _rests(self, seen: int) -> bool:
        """Say whether the thread is no longer needed: nothing has changed, and nobody stops us."""
        with self._resting_lock:
            self._is_resting = self._changes.version == seen and not self._stopping.is_set()
        return self._is_resting

    def statuses(self) -> list[WorkerStatus]:
        """Return what each worker does."""
        return [slot.status for slot in self._slots]

    def restart(self, job: str, datum: bytes) -> bool:
        """Have a datum begin anew; False when no worker has it."""
        return any(slot.restart(job, datum) for slot in self._slots)

    def _run(self) -> None:
        """Bring jobs on until there is nothing to do, or the runner is stopped."""
        rests = False
        try:
            if not self._begun:
                self._begun = True
                self._begin()
            for seen in self._changes.until(self._stopping.is_set):
                job = self._next()
                if job is not None and self._attempt(job):
                    continue
                if self._health.has_problem:
                    self._look()
                elif self._rests(seen):
                    rests = True
                    return
        finally:
            if not rests:
                self._end()

    def _begin(self) -> None:
        self._tell("transform spawner started")
        if self._remark:
            self._tell(f"warning: {self._remark}")
        self._look()  # before there is a job, to tell early when the image can't be run

    def _end(self) -> None:
        try:
            self._files.database.notifier.remove(self._relay, self._topics)
            self._ahead.leave_all()
            for slot in self._slots:
                slot.close()
        finally:
            self._is_over = True
            self._changes.wake()

    def _look_ahead(self, current: JobInfo) -> None:
        self._ahead.look(self._context, current)

    def _next(self) -> JobInfo | None:
        """Return the job that is to be brought on, as soon as the store can be read."""
        while not self._stopping.is_set():
            try:
                with self._files.snapshot() as connection:
                    return jobs.next_unfinished(
                        connection, self.pipeline.key, self.pipeline.version
                    )
            except (OSError, sqlite3.Error):
                _log.exception("pipeline %s", self.pipeline.spec.repo)
                self._stopping.wait(_RETRY_S)
        return None

    def _look(self) -> None:
        """Look whether the image can be run while there is nothing to do; if not, wait a while."""
        try:
            self._prepare(self._stopping.is_set)
            if self._ready:
                self._health.clear()
        except Exception as error:  # whatever it is, the first job meets it too, and says it
            reason = machine_fault(error)
            if reason:
                self._stopping.wait(self._getting_ready.failed(error, reason))
            else:
                _log.exception("pipeline %s", self.pipeline.spec.repo)

    def _prepare(self, given_up: Callable[[], bool]) -> None:
        """Make the image ready, unless nobody needs it any more.

        Args:
            given_up: Says that.

        Raises:
            InfrastructureError: It can't be run here, or not now.
        """
        self._ready = False
        with self._health.preparing(self._tell) as show:
            ready = self._runtime.prepare(self.pipeline.spec.transform.image, given_up, show)
        if ready:
            if self.pipeline.spec.limits.gpus:
                self._try_out(given_up)
            self._getting_ready.succeeded()
            self._ready = True

    def _try_out(self, given_up: Callable[[], bool]) -> None:
        """Open a worker before there is work for it, to see that it gets its GPUs."""
        pool = self._context.pool
        slot = pool.take(_NO_JOB)
        if slot is None:  # all are at work
            pool.suffices(_NO_JOB)
            return
        try:
            if not slot.is_open:
                with suppress(LeftError):
                    slot.open(given_up)
        finally:
            pool.give_back(slot)

    def _attempt(self, job: JobInfo) -> bool:
        """Bring a job as far as it goes; False when it has to wait for its inputs."""
        try:
            return self._advance(job)
        except NotFoundError:
            return self._is_ended(job) or self._fail(job, "what the job needs was deleted")
        except Exception as error:
            if reason := machine_fault(error):
                return self._put_off(error, reason)
            if isinstance(error, (PachError, OSError, sqlite3.Error)):
                return self._fail(job, str(error))
            _log.exception("job %s@%s", job.repo, job.id)  # a mistake of ours: it must not hang
            return self._fail(job, f"internal error: {error!r}")

    def _advance(self, job: JobInfo) -> bool:
        readiness = look_at_inputs(self._files, job)
        if readiness is not Readiness.RUN:
            return readiness is not Readiness.WAIT
        begun = time.monotonic_ns()
        # Also when it was ready: what its folder asks to have installed may be something else now.
        self._prepare(lambda: self._stopping.is_set() or self._is_ended(job))
        if self._ready:
            preparing_ns = time.monotonic_ns() - begun
            JobRun(self._context, job, self._ahead.finish(job), preparing_ns).run()
            self._running_jobs.succeeded()
        return True

    def _put_off(self, error: Exception, reason: str) -> bool:
        """Leave a job as it is, since the machine can't do it now, and wait before the next try."""
        recovery = self._running_jobs if self._ready else self._getting_ready
        self._ready = False
        self._ahead.leave_all()
        for slot in self._slots:
            slot.close()  # with what lies in its scratch
        self._stopping.wait(recovery.failed(error, reason))
        while disk.is_full(error) and not self._files.database.reserve.take():
            if self._stopping.wait(_RETRY_S):
                break
        return True

    def _secret_folders(self) -> Folders:
        with self._files.snapshot() as connection:
            return secrets.folders(connection, self.pipeline.spec.transform.secrets)

    def _is_ended(self, job: JobInfo) -> bool:
        with self._files.snapshot() as connection:
            return jobs.is_ended(connection, job.key)

    def _fail(self, job: JobInfo, reason: str) -> bool:
        self._tell(f"job failed: {reason}", job)
        try:
            with self._files.transaction() as tx:
                if not jobs.is_ended(tx.connection, job.key):
                    jobs.end_without_output(tx, self._files.objects, job, JobState.FAILURE, reason)
        except Exception as error:
            # Not even the failure can be stored: the job stays as it is, and is tried again.
            _log.error("job %s@%s could not be ended: %r", job.repo, job.id, error)
            self._stopping.wait(_RETRY_S)
        return True

    def _tell(self, message: str, job: JobInfo | None = None) -> None:
        self._logs.write(LogLine(self.pipeline.key, message, job.key if job else None, master=True))
