"""Runs a job: plans it, processes its datums in parallel, and merges the results."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial

from pachlocal.errors import DuplicateOutputError, LeftError, PlanningError
from pachlocal.faults import machine_fault
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import commits
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pfs.tree.entries import Root
from pachlocal.pps.planning.plan import plan
from pachlocal.pps.run.datum_queue import DatumQueue
from pachlocal.pps.run.merge import merge_meta, merge_output
from pachlocal.pps.run.pipeline_health import PipelineHealth, Recovery
from pachlocal.pps.run.recording import Recorder
from pachlocal.pps.run.slot_pool import SlotPool
from pachlocal.pps.spec.inputs import pfs_inputs
from pachlocal.pps.spec.states import DatumState, JobState
from pachlocal.pps.tables import datum_store, job_times, jobs, secrets
from pachlocal.pps.tables.datum_store import DatumInfo, load_files
from pachlocal.pps.tables.job_times import JobTimes
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.log_sizes import Retention
from pachlocal.pps.tables.logs import LogLine, LogWriter
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.pps.worker.batching import DatumServer
from pachlocal.pps.worker.code import CodeKeeper, JobCode
from pachlocal.pps.worker.processing import Journal, Processor
from pachlocal.pps.worker.steps import Steps
from pachlocal.pps.worker.workers import WorkerSlot
from pachlocal.runtime.contract import StopToken
from pachlocal.storage.change_notifier import ChangeNotifier
from pachlocal.storage.object_writer import ObjectWriter

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobContext:
    """What jobs are run with.

    Attributes:
        files: The store.
        logs: Where lines go.
        pipeline: The pipeline, in the jobs' version.
        pool: Its workers.
        code: Keeps the jobs' code.
        look_ahead: Lets later jobs begin, given the one whose turn it is.
        peer: Variables that tell a program in a worker where the server is.
        changes: Tells of what concerns the pipeline, in the store and in here.
        stopping: Set when the daemon or the pipeline stops: a job is left as it is.
        health: What the pipeline's state is told by when a worker can't work.
        datum_server: How programs ask for datums; without one there is no datum batching.
    """

    files: FileSystem
    logs: LogWriter
    pipeline: PipelineInfo
    pool: SlotPool
    code: CodeKeeper
    look_ahead: Callable[[JobInfo], None]
    peer: Mapping[str, str]
    changes: ChangeNotifier
    stopping: threading.Event
    health: PipelineHealth
    datum_server: DatumServer | None = None


class JobRun:
    """Runs one job. The thread that calls `run` watches over those that plan it and work.

    Workers begin with the datums that are planned while others are still being found.
    """

    _plans_all = True  # or some of its datums wait for another planning

    def __init__(
        self,
        context: JobContext,
        job: JobInfo,
        begun: float | None = None,
        preparing_ns: int = 0,
    ) -> None:
        """Take a job.

        Args:
            context: What it is run with.
            job: The job.
            begun: When its time began to run, by the monotonic clock; now, if it hasn't yet.
            preparing_ns: How long it took to make its image ready.
        """
        self.begun = time.monotonic() if begun is None else begun
        self._context = context
        self._files = context.files
        self._job = job
        self._preparing_ns = preparing_ns
        self._leaving = StopToken()  # no command is to run, and nothing more to be recorded
        timeout_s = context.pipeline.spec.job_timeout_s
        self._deadline = None if timeout_s is None else self.begun + timeout_s
        self._commits: dict[int, CommitInfo] = {}
        self._workers: list[Future[None]] = []  # those that have begun
        self._starting = threading.Lock()  # one thread at a time lets workers begin
        self._lacks_workers = False
        self._pausing = 0  # workers that the machine has failed
        self._queue = DatumQueue(context.files, job)
        self._code: JobCode | None = None

    def run(self) -> None:
        """Bring the job to its end, or leave it when it is ended from outside or we stop.

        A worker that the machine fails is made anew, and its datum begins anew in whichever worker
        is free first.

        Raises:
            PachError: It can't be run, for the reason given.
            OSError: The disk is full, or the like.
            sqlite3.Error: The same.
        """
        with suppress(LeftError):
            self._run()

    def _run(self) -> None:
        self._process()
        if self._leaving.is_stopped():
            if self._is_late():
                self._end(JobState.KILLED, "job timeout exceeded")
            return
        with self._files.snapshot() as connection:
            failed = next(datum_store.list_datums(connection, self._job, DatumState.FAILED), None)
        if failed is not None:
            self._end(JobState.FAILURE, f"datum {failed.id.hex()} failed: {failed.error}")
        else:
            self._finish()

    def _process(self) -> None:
        """Let the job run by its code, until its datums are done or it is left."""
        image = self._context.pipeline.spec.transform.image
        with ExitStack() as stack:
            begun = time.monotonic_ns()
            with self._context.health.preparing(self._tell) as show:
                begin = self._context.code.begin(self._job, image, self._is_over, show)
                self._code = stack.enter_context(begin)
            self._preparing_ns += time.monotonic_ns() - begun
            self._process_all()

    def _tell(self, message: str) -> None:
        """Write a line to the log of the pipeline's master."""
        pipeline = self._context.pipeline.key
        self._context.logs.write(LogLine(pipeline, message, self._job.key, master=True))

    def _process_all(self) -> None:
        workers = len(self._context.pool.slots)
        batching = self._context.pipeline.spec.transform.datum_batching
        with (
            closing(
                Recorder(
                    self._files.database,
                    workers,
                    batching=batching,
                    on_failure=self._context.changes.wake,
                )
            ) as recorder,
            ThreadPoolExecutor(workers + 1, thread_name_prefix=f"job {self._job.id}") as pool,
        ):
            planning = self._begin(pool, self._plan, partial(self._start_workers, pool, recorder))
            try:
                self._watch(planning, recorder, partial(self._start_workers, pool, recorder))
            finally:
                self._context.pool.suffices(self._job.key)
        for future in (planning, *self._workers):
            future.result()

    def _begin(
        self, pool: ThreadPoolExecutor, task: Callable[..., None], *arguments: object
    ) -> Future[None]:
        """Begin a task; `_watch` hears of its end."""
        future = pool.submit(task, *arguments)
        future.add_done_callback(lambda _: self._context.changes.wake())
        return future

    def _plan(self, start_workers: Callable[[], None]) -> None:
        """Plan the job, unless that is done, and let workers begin meanwhile."""

        def check() -> None:
            if self._leaving.is_stopped():
                raise LeftError

        def go_on() -> None:
            check()
            self._go_on()
            self._queue.look_again()
            start_workers()

        try:
            begun = time.monotonic_ns()
            if not self._job.planned:
                self._plan_datums(go_on, check)
            self._note_planning(time.monotonic_ns() - begun)
            start_workers()
        except LeftError:
            self._plan_broken_off()
        except PlanningError as error:
            self._context.health.report_planning(str(error))
            raise
        finally:
            self._queue.complete()

    def _plan_datums(self, go_on: Callable[[], None], check: Callable[[], None]) -> None:
        plan(self._files, self._job, self._context.pipeline, go_on, check)
        self._context.health.report_planning("")

    def _note_planning(self, planning_ns: int) -> None:
        """Note that the job is planned, and what came before the work.

        Work that has begun before didn't wait for it.
        """
        preparing_ns = self._preparing_ns if self._job.started is None else 0
        with self._files.database.write(progress=True) as connection:
            if self._plans_all:
                datum_store.set_planned(connection, self._job)
            job_times.add(connection, self._job.key, JobTimes(preparing_ns, planning_ns))

    def _plan_broken_off(self) -> None:
        self._leave()

    def _start_workers(self, pool: ThreadPoolExecutor, recorder: Recorder) -> None:
        """Let more workers begin, if there are datums for them."""
        slots, key = self._context.pool, self._job.key
        with self._starting:
            self._lacks_workers = False
            at_work = sum(not worker.done() for worker in self._workers)
            if at_work < len(slots.slots) and not self._queue.is_closed:
                with self._files.snapshot() as connection:
                    waiting = datum_store.count(connection, self._job, DatumState.UNKNOWN)
                for _ in range(min(waiting + self._pausing, len(slots.slots)) - at_work):
                    slot = slots.take(key)
                    if slot is None:
                        self._lacks_workers = True
                        return
                    self._workers.append(self._begin(pool, self._work, slot, recorder))
            slots.suffices(key)

    def _yields(self) -> bool:
        """Whether an older job is to have the workers."""
        return False

    def _watch(
        self, planning: Future[None], recorder: Recorder, start_workers: Callable[[], None]
    ) -> None:
        """Wait for planning and workers; stop them all when one breaks or the job is over."""
        notifier = self._context.changes

        def tasks() -> Iterator[Future[None]]:
            yield planning
            yield from self._workers  # when planning is done, it has all

        def is_done() -> bool:
            waits = self._lacks_workers and not self._queue.is_closed
            return not waits and all(future.done() for future in tasks())

        for seen in notifier.until(is_done):
            broken = any(future.done() and future.exception() for future in tasks())
            if broken or recorder.has_failed or self._leaving.is_stopped() or self._is_over():
                self._leave()
            elif self._lacks_workers:
                start_workers()
                if not self._lacks_workers:
                    continue  # all may be done
            elif planning.done():
                self._look_ahead()
            left = None
            if self._deadline is not None and not self._leaving.is_stopped():
                left = self._deadline - time.monotonic()
            notifier.wait(seen, left)

    def _look_ahead(self) -> None:
        self._context.look_ahead(self._job)

    def _leave(self) -> None:
        """Have nothing more processed, nor recorded; what runs is ended."""
        self._leaving.stop()
        self._queue.close()

    def _is_over(self) -> bool:
        return self._context.stopping.is_set() or self._is_late() or self._is_ended()

    def _go_on(self) -> None:
        """Break off what takes long with many datums, when nobody needs it any more.

        Raises:
            LeftError: That is so.
        """
        if self._context.stopping.is_set() or self._is_ended():
            raise LeftError

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _is_ended(self) -> bool:
        """Whether somebody stopped or deleted the job."""
        try:
            with self._files.snapshot() as connection:
                return jobs.is_ended(connection, self._job.key)
        except (OSError, sqlite3.Error):
            # The job is left, and taken up again when the store can be read.
            _log.exception("job %s@%s", self._job.repo, self._job.id)
            return True

    def _work(self, slot: WorkerSlot, recorder: Recorder) -> None:
        """Process datums in one worker until none is left, however often the machine fails it."""
        try:
            self._work_on(slot, recorder)
        finally:
            self._context.pool.give_back(slot)

    def _work_on(self, slot: WorkerSlot, recorder: Recorder) -> None:
        worker = _JobWorker(slot, self._context, self._job)
        while not self._leaving.is_stopped():
            try:
                self._work_in(worker, recorder)
            except Exception as error:
                reason = machine_fault(error)
                if not reason:
                    raise
                if self._leaving.is_stopped():
                    return
                pause_s = worker.recovery.failed(error, reason)
                if worker.datum is not None:
                    self._queue.give_back(worker.datum)
                    worker.datum = None
                slot.close()
                if not self._pause(pause_s):
                    return
            else:
                return

    def _pause(self, pause_s: float) -> bool:
        """Wait before trying again to work; another worker may take over meanwhile."""
        with self._starting:
            self._pausing += 1
            self._lacks_workers = True
        self._context.changes.wake()
        try:
            return self._queue.wait(pause_s)
        finally:
            with self._starting:
                self._pausing -= 1

    def _work_in(self, worker: _JobWorker, recorder: Recorder) -> None:
        pipeline, slot = self._context.pipeline, worker.slot
        with self._files.snapshot() as connection:
            hidden = secrets.variables(connection, pipeline.spec.transform.secrets)
        begun = time.monotonic_ns()
        opened = slot.open(self._leaving.is_stopped, self._code)
        worker.opening_ns = time.monotonic_ns() - begun
        processor = Processor(
            self._queue.contents,
            opened,
            pipeline,
            self._job,
            {**self._context.peer, "PPS_POD_NAME": slot.id},
            self._leaving,
            slot.was_restarted,
            hidden,
            self._context.datum_server,
        )
        with worker.recovery.proving():
            processor.drive(self._process_datums(worker, processor, recorder))

    def _process_datums(
        self, worker: _JobWorker, processor: Processor, recorder: Recorder
    ) -> Steps:
        leaves = list(pfs_inputs(self._context.pipeline.spec.input))
        while not self._yields() and (datum := self._queue.take()) is not None:
            worker.datum = datum
            files = load_files(datum.files, leaves, self._commit)
            with ExitStack() as ending:
                objects = ending.enter_context(ObjectWriter(self._files.objects))
                worker.slot.begin(self._job.id, datum.id)
                try:
                    journal = self._journal(worker.slot, datum)
                    result = yield from processor.process(files, datum.id, journal, objects)
                finally:
                    worker.slot.rest()
                if self._leaving.is_stopped():
                    return  # it was interrupted; it will run again
                ending.pop_all()  # the recorder ends it
                recorder.take(datum, result, objects, worker.opening_ns)
                worker.opening_ns = 0
            worker.datum = None
            self._queue.done()
            worker.recovery.succeeded()

    def _commit(self, key: int) -> CommitInfo:
        """Return an input commit; there are few, and all datums lie in them."""
        found = self._commits.get(key)
        if found is None:
            with self._files.snapshot() as connection:
                found = self._commits[key] = commits.itself(connection, key)
        return found

    def _journal(self, slot: WorkerSlot, datum: DatumInfo) -> Journal:
        logs, pipeline, job = self._context.logs, self._context.pipeline, self._job.key
        retention = Retention(pipeline.spec.log_limit or logs.limit)
        line = LogLine(pipeline.key, "", job, datum.id, slot.id)

        def by_user(lines: str) -> None:
            logs.write_output(line._replace(message=lines, user=True, retention=retention))

        def by_worker(message: str) -> None:
            logs.write(line._replace(message=message))

        return Journal(by_user, by_worker)

    def _finish(self) -> None:
        begun = time.monotonic_ns()
        with self._files.transaction() as tx:
            jobs.set_state(tx, self._job, JobState.FINISHING)
        with self._files.snapshot() as connection:
            base = jobs.base_of(connection, self._job)
        with ObjectWriter(self._files.objects) as objects:
            try:
                pipeline = self._context.pipeline
                output = merge_output(self._files, objects, self._job, pipeline, base, self._go_on)
            except DuplicateOutputError as error:
                self._end(JobState.FAILURE, str(error))
                return
            meta = self._merge_meta(objects, base)
            objects.prepare()
            with self._files.transaction() as tx:
                if not jobs.is_ended(tx.connection, self._job.key):
                    jobs.succeed(tx, objects, self._job, output, meta)
                job_times.add(tx.connection, self._job.key, _merging_since(begun))
                objects.write_into(tx.connection)

    def _merge_meta(self, objects: ObjectWriter, base: JobInfo | None) -> Root:
        return merge_meta(
            self._files, objects, self._job, self._context.pipeline, base, self._go_on
        )

    def _end(self, state: JobState, reason: str) -> None:
        """End the job without results; what its datums did stays on record."""
        begun = time.monotonic_ns()
        with self._files.snapshot() as connection:
            base = jobs.base_of(connection, self._job)
        with ObjectWriter(self._files.objects) as objects:
            meta = self._merge_meta(objects, base)
            objects.prepare()
            with self._files.transaction() as tx:
                if not jobs.is_ended(tx.connection, self._job.key):
                    jobs.end_without_output(tx, objects, self._job, state, reason, meta)
                job_times.add(tx.connection, self._job.key, _merging_since(begun))
                objects.write_into(tx.connection)


def _merging_since(begun: int) -> JobTimes:
    return JobTimes(merging=time.monotonic_ns() - begun)


class _JobWorker:
    """One of the workers of a job.

    Attributes:
        slot: Its place.
        recovery: How it stands with the machine.
        datum: What it has taken, and isn't done with.
        opening_ns: How long the worker took to be made, until that is on record.
    """

    def __init__(self, slot: WorkerSlot, context: JobContext, job: JobInfo) -> None:
        self.slot = slot
        self.recovery = Recovery(context.health, slot.id, self._tell)
        self.datum: DatumInfo | None = None
        self.opening_ns = 0
        self._context = context
        self._job = job

    def _tell(self, message: str) -> None:
        datum = None if self.datum is None else self.datum.id
        line = LogLine(self._context.pipeline.key, message, self._job.key, datum, self.slot.id)
        self._context.logs.write(line)
