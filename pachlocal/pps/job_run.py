"""A job from its inputs to its end: planned, datums processed side by side, results merged."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice

from pachlocal.errors import NotFoundError
from pachlocal.pfs import commits
from pachlocal.pfs.entries import Kind, Root
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.records import CommitInfo
from pachlocal.pps import datum_store, jobs, secrets
from pachlocal.pps.batching import Door
from pachlocal.pps.datum_store import DatumInfo, load_files
from pachlocal.pps.inputs import pfs_inputs
from pachlocal.pps.jobs import JobInfo, LeftError
from pachlocal.pps.logs import LogLine, LogWriter
from pachlocal.pps.merge import DuplicateOutputError, merge_meta, merge_output
from pachlocal.pps.pipelines import PipelineInfo
from pachlocal.pps.plan import plan
from pachlocal.pps.prefetched import Prefetched
from pachlocal.pps.processing import Journal, Processor
from pachlocal.pps.recording import Recorder
from pachlocal.pps.states import DatumState, JobState
from pachlocal.pps.turns import Steps
from pachlocal.pps.workers import WorkerSlot
from pachlocal.storage.objects import ObjectWriter

_log = logging.getLogger(__name__)

_READ_AHEAD = 200  # datums
_READ_AHEAD_FILES = 500
_READ_AHEAD_SIZE = 4096  # bytes of a file
_KILL_AGAIN_S = 0.1  # a command that was about to start when the others were killed


@dataclass(frozen=True, slots=True)
class Crew:
    """What jobs are run with.

    Attributes:
        files: The store.
        logs: Where lines go.
        pipeline: The pipeline, in the jobs' version.
        slots: Its workers.
        peer: Variables that tell a program in a worker where the server is.
        stopping: Set when the daemon or the pipeline stops: a job is left as it is.
        door: How programs ask for datums; without one there is no datum batching.
    """

    files: FileSystem
    logs: LogWriter
    pipeline: PipelineInfo
    slots: Sequence[WorkerSlot]
    peer: Mapping[str, str]
    stopping: threading.Event
    door: Door | None = None


class JobRun:
    """Runs one job. The thread that calls `run` watches over those that plan it and work.

    Workers begin with the datums that are planned while others are still being found.
    """

    def __init__(self, crew: Crew, job: JobInfo) -> None:
        self._crew = crew
        self._files = crew.files
        self._job = job
        self._leaving = threading.Event()  # nothing more is to be recorded
        timeout_s = crew.pipeline.spec.job_timeout_s
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._commits: dict[int, CommitInfo] = {}
        self._workers: list[Future[None]] = []  # those that have begun
        self._planning = threading.Condition()  # guards what follows
        self._has_planned = False  # no more datums are going to be found
        self._ahead: list[DatumInfo] = []
        self._contents = Prefetched(crew.files.objects)
        self._taken = -1  # the ordinal of the last datum given to a worker

    def run(self) -> None:
        """Bring the job to its end, or leave it when it is ended from outside or we stop.

        Raises:
            PachError: It can't be run, for the reason given.
            OSError: The disk is full, or the like.
        """
        with suppress(LeftError):
            self._run()

    def _run(self) -> None:
        with self._files.transaction() as tx:
            jobs.set_state(tx, self._job, JobState.RUNNING)
        self._process()
        if self._leaving.is_set():
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
        hands = len(self._crew.slots)
        batching = self._crew.pipeline.spec.transform.datum_batching
        with (
            closing(Recorder(self._files.database, hands, batching=batching)) as recorder,
            ThreadPoolExecutor(hands + 1, thread_name_prefix=f"job {self._job.id}") as pool,
        ):
            planning = self._begin(pool, self._plan, partial(self._hire, pool, recorder))
            self._watch(planning, recorder)
        for future in (planning, *self._workers):
            future.result()

    def _begin(
        self, pool: ThreadPoolExecutor, task: Callable[..., None], *arguments: object
    ) -> Future[None]:
        """Begin a task; `_watch` hears of its end."""
        future = pool.submit(task, *arguments)
        future.add_done_callback(lambda _: self._files.database.news.wake())
        return future

    def _plan(self, hire: Callable[[], None]) -> None:
        """Plan the job, unless that is done, and let workers begin meanwhile."""

        def go_on() -> None:
            if self._leaving.is_set():
                raise LeftError
            self._go_on()
            with self._planning:
                self._planning.notify_all()
            hire()

        try:
            if not self._job.planned:
                plan(self._files, self._job, self._crew.pipeline, go_on)
            hire()
        except LeftError:
            self._leaving.set()
        finally:
            with self._planning:
                self._has_planned = True
                self._planning.notify_all()

    def _hire(self, pool: ThreadPoolExecutor, recorder: Recorder) -> None:
        """Let more workers begin, if there are datums for them."""
        idle = self._crew.slots[len(self._workers) :]
        if not idle:
            return
        with self._files.snapshot() as connection:
            waiting = datum_store.count(connection, self._job, DatumState.UNKNOWN)
        for slot in idle[: max(0, waiting - len(self._workers))]:
            self._workers.append(self._begin(pool, self._work, slot, recorder))

    def _watch(self, planning: Future[None], recorder: Recorder) -> None:
        """Wait for planning and workers; stop them all when one breaks or the job is over."""
        news = self._files.database.news

        def tasks() -> Iterator[Future[None]]:
            yield planning
            yield from self._workers  # when planning is done, it has all

        for seen in news.until(lambda: all(future.done() for future in tasks())):
            broken = any(future.done() and future.exception() for future in tasks())
            if broken or recorder.has_failed or self._leaving.is_set() or self._is_over():
                self._leaving.set()
                for slot in self._crew.slots:
                    slot.kill()
            if self._leaving.is_set():
                news.wait(seen, _KILL_AGAIN_S)
            else:
                left = None if self._deadline is None else self._deadline - time.monotonic()
                news.wait(seen, left)

    def _is_over(self) -> bool:
        return self._crew.stopping.is_set() or self._is_late() or self._is_ended()

    def _go_on(self) -> None:
        """Break off what takes long with many datums, when nobody needs it any more.

        Raises:
            LeftError: That is so.
        """
        if self._crew.stopping.is_set() or self._is_ended():
            raise LeftError

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _is_ended(self) -> bool:
        """Whether somebody stopped or deleted the job."""
        try:
            with self._files.snapshot() as connection:
                return jobs.by_key(connection, self._job.key).state.is_terminal
        except NotFoundError:
            return True
        except sqlite3.Error:  # the job is left, and taken up again when the store can be read
            _log.exception("job %s@%s", self._job.repo, self._job.id)
            return True

    def _work(self, slot: WorkerSlot, recorder: Recorder) -> None:
        """Process datums in one worker until none is left."""
        pipeline = self._crew.pipeline
        with self._files.snapshot() as connection:
            hidden = secrets.variables(connection, pipeline.spec.transform.secrets)
        processor = Processor(
            self._contents,
            slot.open(),
            pipeline,
            self._job,
            {**self._crew.peer, "PPS_POD_NAME": slot.id},
            self._leaving.is_set,
            slot.was_restarted,
            hidden,
            self._crew.door,
        )
        processor.drive(self._process_datums(slot, processor, recorder))

    def _process_datums(self, slot: WorkerSlot, processor: Processor, recorder: Recorder) -> Steps:
        leaves = list(pfs_inputs(self._crew.pipeline.spec.input))
        while (datum := self._take()) is not None:
            files = load_files(datum.files, leaves, self._commit)
            with ExitStack() as ending:
                objects = ending.enter_context(ObjectWriter(self._files.objects))
                slot.begin(self._job.id, datum.id)
                try:
                    journal = self._journal(slot, datum)
                    result = yield from processor.process(files, datum.id, journal, objects)
                finally:
                    slot.rest()
                if self._leaving.is_set():
                    return  # it was interrupted; it will run again
                ending.pop_all()  # the recorder ends it
                recorder.take(datum, result, objects)

    def _commit(self, key: int) -> CommitInfo:
        """Return an input commit; there are few, and all datums lie in them."""
        found = self._commits.get(key)
        if found is None:
            with self._files.snapshot() as connection:
                found = self._commits[key] = commits.by_key(connection, key)
        return found

    def _take(self) -> DatumInfo | None:
        """Return the next datum, once it is planned; None when there is none, or we leave."""
        with self._planning:
            while not self._leaving.is_set():
                if self._ahead:
                    datum = self._ahead.pop()
                    self._taken = datum.ordinal
                    return datum
                has_planned = self._has_planned  # before it is looked for datums
                self._read_ahead()
                if not self._ahead:
                    if has_planned:
                        break
                    self._planning.wait()
            return None

    def _read_ahead(self) -> None:
        with self._files.snapshot() as connection:
            self._ahead = datum_store.pending(connection, self._job, self._taken, _READ_AHEAD)
        self._contents.fetch(_small_files(self._ahead))
        self._ahead.reverse()

    def _journal(self, slot: WorkerSlot, datum: DatumInfo) -> Journal:
        write, pipeline, job = self._crew.logs.write, self._crew.pipeline.key, self._job.key

        def by_user(message: str) -> None:
            write(LogLine(pipeline, message, job, datum.id, slot.id, user=True))

        def by_worker(message: str) -> None:
            write(LogLine(pipeline, message, job, datum.id, slot.id))

        return Journal(by_user, by_worker)

    def _finish(self) -> None:
        with self._files.transaction() as tx:
            jobs.set_state(tx, self._job, JobState.FINISHING)
        with self._files.snapshot() as connection:
            base = jobs.base_of(connection, self._job)
        with ObjectWriter(self._files.objects) as objects:
            try:
                output = merge_output(self._files, objects, self._job, base, self._go_on)
            except DuplicateOutputError as error:
                self._end(JobState.FAILURE, str(error))
                return
            meta = self._merge_meta(objects, base)
            objects.prepare()
            with self._files.transaction() as tx:
                if not jobs.by_key(tx.connection, self._job.key).state.is_terminal:
                    jobs.succeed(tx, objects, self._job, output, meta)
                objects.write_into(tx.connection)

    def _merge_meta(self, objects: ObjectWriter, base: JobInfo | None) -> Root:
        return merge_meta(self._files, objects, self._job, self._crew.pipeline, base, self._go_on)

    def _end(self, state: JobState, reason: str) -> None:
        """End the job without results; what its datums did stays on record."""
        with self._files.snapshot() as connection:
            base = jobs.base_of(connection, self._job)
        with ObjectWriter(self._files.objects) as objects:
            meta = self._merge_meta(objects, base)
            objects.prepare()
            with self._files.transaction() as tx:
                if not jobs.by_key(tx.connection, self._job.key).state.is_terminal:
                    jobs.end_without_output(tx, objects, self._job, state, reason, meta)
                objects.write_into(tx.connection)


def _small_files(datums: Iterable[DatumInfo]) -> Iterator[bytes]:
    """Yield the hashes of some files that are worth to be read ahead."""
    small = (
        file.entry.hash
        for datum in datums
        for file in datum.files
        if file.entry.kind is Kind.FILE and file.entry.size <= _READ_AHEAD_SIZE
    )
    return islice(small, _READ_AHEAD_FILES)
