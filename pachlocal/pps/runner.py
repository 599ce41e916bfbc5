"""A pipeline at work: takes its jobs one after the other and brings each to its end."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping

from pachlocal.errors import ImageUnavailableError, NotFoundError, PachError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps import jobs, secrets
from pachlocal.pps.batching import Door
from pachlocal.pps.job_run import Crew, JobRun
from pachlocal.pps.jobs import JobInfo
from pachlocal.pps.logs import LogLine, LogWriter
from pachlocal.pps.pipelines import PipelineInfo
from pachlocal.pps.problem import Problem
from pachlocal.pps.readiness import Readiness, look_at_inputs
from pachlocal.pps.states import JobState
from pachlocal.pps.workers import Folders, WorkerSlot, WorkerStatus
from pachlocal.runtime.contract import Runtime

_log = logging.getLogger(__name__)

_RETRY_S = 1.0  # when the store can't be written to


class PipelineRunner:
    """Runs the jobs of one version of one pipeline, in a thread of its own."""

    def __init__(
        self,
        files: FileSystem,
        runtime: Runtime,
        logs: LogWriter,
        pipeline: PipelineInfo,
        peer: Mapping[str, str],
        door: Door | None,
    ) -> None:
        self.pipeline = pipeline
        self._files = files
        self._runtime = runtime
        self._ready = False  # whether the image was there when last tried
        self._problem = Problem(files, pipeline)
        self._stopping = threading.Event()
        self._slots = tuple(
            WorkerSlot(runtime, pipeline, number, self._secret_folders)
            for number in range(pipeline.spec.workers)
        )
        self._crew = Crew(files, logs, pipeline, self._slots, peer, self._stopping, door)
        self._thread = threading.Thread(target=self._run, name=f"pipeline {pipeline.spec.repo}")
        self._thread.start()

    def stop(self) -> None:
        """Begin to stop: what runs is ended, its job left for the next runner to take up."""
        self._stopping.set()
        self._files.database.news.wake()

    def join(self) -> None:
        """Wait until nothing of this runner runs any more."""
        self._thread.join()

    def statuses(self) -> list[WorkerStatus]:
        """Return what each worker does."""
        return [slot.status for slot in self._slots]

    def restart(self, job: str, datum: bytes) -> bool:
        """Have a datum begin anew; False when no worker has it."""
        return any(slot.restart(job, datum) for slot in self._slots)

    def _run(self) -> None:
        self._tell("transform spawner started")
        try:
            self._begin()
            for seen in self._files.database.news.until(self._stopping.is_set):
                job = self._next()
                if job is None or not self._attempt(job):
                    self._files.database.news.wait(seen)
        finally:
            for slot in self._slots:
                slot.close()

    def _next(self) -> JobInfo | None:
        """Return the job that is to be brought on, as soon as the store can be read."""
        while not self._stopping.is_set():
            try:
                with self._files.snapshot() as connection:
                    return jobs.next_unfinished(
                        connection, self.pipeline.key, self.pipeline.version
                    )
            except sqlite3.Error:
                _log.exception("pipeline %s", self.pipeline.spec.repo)
                self._stopping.wait(_RETRY_S)
        return None

    def _begin(self) -> None:
        """Get the image before there is a job, to tell early when it can't be run."""
        try:
            self._prepare(self._stopping.is_set)
        except ImageUnavailableError as error:
            self._tell(str(error))
        except Exception:  # whatever it is, the first job tries again, and says it
            _log.exception("pipeline %s", self.pipeline.spec.repo)

    def _prepare(self, given_up: Callable[[], bool]) -> None:
        """Make the image ready; the pipeline's state says how that went.

        Args:
            given_up: Whether nobody needs it any more.

        Raises:
            ImageUnavailableError: It can't be run here.
        """
        try:
            self._runtime.prepare(self.pipeline.spec.transform.image, given_up)
        except ImageUnavailableError as error:
            self._problem.report(str(error))
            raise
        if not given_up():
            self._problem.report("")
            self._ready = True

    def _attempt(self, job: JobInfo) -> bool:
        """Bring a job as far as it goes; False when it has to wait for its inputs."""
        try:
            return self._advance(job)
        except ImageUnavailableError as error:
            self._ready = False
            return self._fail(job, str(error))
        except NotFoundError:
            return self._is_gone(job) or self._fail(job, "what the job needs was deleted")
        except (PachError, OSError, sqlite3.Error) as error:
            return self._fail(job, str(error))
        except Exception as error:  # a mistake of ours must not leave the job hanging
            _log.exception("job %s@%s", job.repo, job.id)
            return self._fail(job, f"internal error: {error!r}")

    def _advance(self, job: JobInfo) -> bool:
        readiness = look_at_inputs(self._files, job)
        if readiness is not Readiness.RUN:
            return readiness is not Readiness.WAIT
        if not self._ready:
            self._prepare(lambda: self._stopping.is_set() or self._is_ended(job))
        if self._ready:
            self._run_job(job)
        return True

    def _secret_folders(self) -> Folders:
        with self._files.snapshot() as connection:
            return secrets.folders(connection, self.pipeline.spec.transform.secrets)

    def _run_job(self, job: JobInfo) -> None:
        try:
            JobRun(self._crew, job).run()
        except ImageUnavailableError as error:  # no worker could be opened
            self._problem.report(str(error))
            raise

    def _is_ended(self, job: JobInfo) -> bool:
        with self._files.snapshot() as connection:
            try:
                return jobs.by_key(connection, job.key).state.is_terminal
            except NotFoundError:
                return True

    def _is_gone(self, job: JobInfo) -> bool:
        with self._files.snapshot() as connection:
            try:
                jobs.by_key(connection, job.key)
            except NotFoundError:
                return True
        return False

    def _fail(self, job: JobInfo, reason: str) -> bool:
        self._tell(f"job failed: {reason}", job)
        try:
            with self._files.transaction() as tx:
                if not jobs.by_key(tx.connection, job.key).state.is_terminal:
                    jobs.end_without_output(tx, self._files.objects, job, JobState.FAILURE, reason)
        except NotFoundError:
            pass  # it was deleted while it ran
        except Exception as error:
            # Not even the failure can be stored: the job stays as it is, and is tried again.
            _log.error("job %s@%s could not be ended: %r", job.repo, job.id, error)
            self._stopping.wait(_RETRY_S)
        return True

    def _tell(self, message: str, job: JobInfo | None = None) -> None:
        self._crew.logs.write(
            LogLine(self.pipeline.key, message, job.key if job else None, master=True)
        )
