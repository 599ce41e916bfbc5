"""Runs all pipelines: keeps a runner for the current version of each that isn't stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue
from typing import TypeAlias

from pachlocal.errors import NotFoundError, PachError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.run.clock import Clock
from pachlocal.pps.run.long_running import Setting
from pachlocal.pps.run.pipeline_health import PipelineHealth
from pachlocal.pps.run.runner import PipelineRunner
from pachlocal.pps.run.services import ServiceRunner
from pachlocal.pps.run.spouts import SpoutRunner
from pachlocal.pps.spec.spec import PipelineSpec
from pachlocal.pps.spec.states import PipelineState
from pachlocal.pps.tables import catalog, code_versions, jobs, pipelines, topics
from pachlocal.pps.tables.logs import LogWriter
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.pps.worker.batching import DatumServer
from pachlocal.pps.worker.code import CodeKeeper
from pachlocal.pps.worker.workers import WorkerStatus
from pachlocal.runtime.contract import Runtime
from pachlocal.storage.change_notifier import ChangeNotifier

_log = logging.getLogger(__name__)

Runner: TypeAlias = PipelineRunner | SpoutRunner | ServiceRunner

_RETRY_S = 1.0  # when the store can't be read


class _Ending:
    """A runner that has been told to stop, and is waited for aside.

    Attributes:
        repo: Its pipeline.
        is_over: Whether nothing of it runs any more; that is told.
    """

    def __init__(self, runner: Runner, tell: Callable[[], None]) -> None:
        self.repo = runner.pipeline.spec.repo
        self.is_over = False
        self._runner = runner
        self._tell = tell
        runner.stop()
        self._thread = threading.Thread(target=self._wait, name=f"end of {self.repo}")
        try:
            self._thread.start()
        except RuntimeError:  # no more threads
            self._wait()

    def join(self) -> None:
        self._runner.join()

    def _wait(self) -> None:
        self._runner.join()
        self.is_over = True
        self._tell()


class Scheduler:
    """Keeps the runners as the store says, from `start` to `close`.

    What is to be done is always read from the store, so a daemon that starts goes on where the last
    one ended. One thread starts and stops the runners. It waits for none that ends: a Docker that
    hangs would keep all other pipelines from starting.

    Attributes:
        code: The code of all jobs.
    """

    def __init__(
        self,
        files: FileSystem,
        runtime: Runtime,
        logs: LogWriter,
        datum_server: DatumServer | None = None,
    ) -> None:
        """Take what is needed; nothing runs before `start`.

        Args:
            files: The store.
            runtime: What runs commands.
            logs: Where lines go.
            datum_server: How programs ask for datums; without one there is no datum batching.
        """
        self._files = files
        self._datum_server = datum_server
        self._runtime = runtime
        self._logs = logs
        self.code = CodeKeeper(files, runtime)
        self._peer: Mapping[str, str] = {}
        self._closing = threading.Event()
        self._runners: dict[int, Runner] = {}  # by pipeline
        self._unreadable: set[tuple[int, int]] = set()  # pipelines and their versions
        self._ending: list[_Ending] = []
        self._waiting: set[int] = set()  # pipelines that start when one of these has ended
        self._clock = Clock(files)
        self._changes = ChangeNotifier()  # of pipelines, and of runners that end or go on
        self._changed = topics.changed_pipelines(self._changes.wake)
        self._resuming: SimpleQueue[PipelineRunner] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="scheduler")
        topics.publish(files.database)
        files.before_commit.append(lambda tx: pipelines.finish_spout_commits(tx, files.objects))
        files.before_commit.append(jobs.create_for_new_commits)
        files.before_commit.append(lambda tx: pipelines.kill_jobs_of_failed(tx, files.objects))
        files.before_collection.append(code_versions.delete_unused)
        files.tables.extend(catalog.TABLES)

    def start(self, peer: Mapping[str, str]) -> None:
        """Take up what is unfinished, and what comes.

        Args:
            peer: Variables that tell a program in a worker where the server is.
        """
        self._peer = peer
        with self._files.transaction() as tx:
            jobs.count_restarts(tx)
        self._files.database.notifier.add(self._changed, topics.of_pipelines())
        self._thread.start()
        self._clock.start()

    def workers(self, pipeline: int) -> list[WorkerStatus]:
        """Return what the workers of a pipeline (by row) do."""
        runner = self._runners.get(pipeline)
        return runner.statuses() if runner is not None else []

    def restart(self, pipeline: int, job: str, datum: bytes) -> bool:
        """Have a datum of a pipeline's (by row) job begin anew; False when no worker has it."""
        runner = self._runners.get(pipeline)
        return runner is not None and runner.restart(job, datum)

    def remark(self, spec: PipelineSpec) -> str:
        """Say what the user of a pipeline should know before it runs; see `Runtime.remark`."""
        transform = spec.transform
        words = (*transform.cmd, *transform.stdin, *transform.err_cmd, *transform.err_stdin)
        words = (*words, transform.working_dir or "")
        return self._runtime.remark(transform.image, words, spec.limits)

    def remarks(self) -> list[str]:
        """Say what users should know of the images of all pipelines at work, a line each."""
        found = []
        with self._files.snapshot() as connection:
            for key in pipelines.running(connection).items():
                with suppress(PachError, LookupError, TypeError, ValueError):  # said when it starts
                    spec = pipelines.by_key(connection, *key).spec
                    if remark := self.remark(spec):
                        found.append(f"pipeline {spec.repo}: {remark}")
        return found

    def flush_logs(self) -> None:
        """Wait until the log lines that were written so far can be read."""
        self._logs.flush()

    def close(self) -> None:
        """End all that runs, and wait for it; jobs stay as they are."""
        self._clock.close()
        self._closing.set()
        self._changes.wake()
        self._thread.join()
        self._files.database.notifier.remove(self._changed, topics.of_pipelines())

    def _run(self) -> None:
        for seen in self._changes.until(self._closing.is_set):
            try:
                self._go_on()
                self._reconcile()
            except Exception:  # the store can't be read for the moment, or a thread not be started
                self._changed.add_all()
                _log.exception("pipelines could not be looked up")
                self._closing.wait(_RETRY_S)
                continue
            self._changes.wait(seen)
        for runner in self._runners.values():
            runner.stop()
        self._go_on()  # those that were just to do so come to their ends
        for runner in self._runners.values():
            runner.join()
        for ending in self._ending:
            ending.join()

    def _resume(self, runner: PipelineRunner) -> None:
        """Have a runner that rests go on: by our thread, for whoever woke it must not wait."""
        self._resuming.put(runner)
        self._changes.wake()

    def _go_on(self) -> None:
        """Let those go on that have something to do again."""
        while not self._resuming.empty():
            runner = self._resuming.get()
            try:
                runner.go_on()
            except RuntimeError:  # no more threads
                self._resuming.put(runner)
                raise

    def _reconcile(self) -> None:
        """Compare the runners with the store, where it changed."""
        self._ending = [ending for ending in self._ending if not ending.is_over]
        rows = self._changed.take()
        if rows is not None:
            rows |= self._waiting
            if not rows:
                return
        with self._files.snapshot() as connection:
            wanted = pipelines.running(connection, rows)
        for row in [*self._runners] if rows is None else rows & self._runners.keys():
            if self._runners[row].pipeline.version != wanted.get(row):
                self._ending.append(_Ending(self._runners.pop(row), self._changes.wake))
        # Workers are named after the pipeline, and may have a port that the next ones want too.
        occupied = {ending.repo for ending in self._ending}
        self._waiting = set()
        for row, version in wanted.items():
            if row in self._runners or (row, version) in self._unreadable:
                continue
            info = self._read(row, version)
            if info is not None and info.spec.repo in occupied:
                self._waiting.add(row)
            elif info is not None:
                self._runners[row] = self._start(info)

    def _read(self, key: int, version: int) -> PipelineInfo | None:
        """Return a pipeline; None when its spec can't be worked with, which stops no other one."""
        try:
            with self._files.snapshot() as connection:
                info = pipelines.by_key(connection, key, version)
            # There may be a thousand, and nobody here needs what the spec was made of.
            return replace(info, user_json="", effective_spec={})
        except NotFoundError:  # deleted in this moment, which is a change: we look again at once
            return None
        except (PachError, LookupError, TypeError, ValueError) as error:
            _log.exception("the spec of pipeline %d can't be read", key)
            self._unreadable.add((key, version))
            with self._files.transaction() as tx:
                problem = f"its spec can't be worked with, update it: {error!r}"
                pipelines.report(tx, key, version, PipelineState.CRASHING, problem)
            return None

    def _start(self, info: PipelineInfo) -> Runner:
        if info.spec.keeps_records:
            runner = PipelineRunner(
                self._files,
                self._runtime,
                self._logs,
                info,
                self._peer,
                self._datum_server,
                self.code,
                self.remark(info.spec),
                resume=self._resume,
            )
            self._resume(runner)
            return runner
        problem = PipelineHealth(self._files, info)
        setting = Setting(self._files, self._runtime, self._logs, info, self._peer, problem)
        return SpoutRunner(setting) if info.spec.spout else ServiceRunner(setting)
