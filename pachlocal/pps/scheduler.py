"""All pipelines at work: a runner for the current version of each that isn't stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import TypeAlias

from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps import jobs, pipelines
from pachlocal.pps.batching import Door
from pachlocal.pps.clock import Clock
from pachlocal.pps.lasting import Setting
from pachlocal.pps.logs import LogWriter
from pachlocal.pps.pipelines import PipelineInfo
from pachlocal.pps.problem import Problem
from pachlocal.pps.runner import PipelineRunner
from pachlocal.pps.service import ServiceRunner
from pachlocal.pps.spout import SpoutRunner
from pachlocal.pps.workers import WorkerStatus
from pachlocal.runtime.contract import Runtime

_log = logging.getLogger(__name__)

Runner: TypeAlias = PipelineRunner | SpoutRunner | ServiceRunner

_RETRY_S = 1.0  # when the store can't be read


class Scheduler:
    """Keeps the runners as the store says, from `start` to `close`.

    What is to be done is always read from the store, so a daemon that starts goes on where the last
    one ended. One thread starts and stops the runners.
    """

    def __init__(
        self, files: FileSystem, runtime: Runtime, logs: LogWriter, door: Door | None = None
    ) -> None:
        """Take what is needed; nothing runs before `start`.

        Args:
            files: The store.
            runtime: What runs commands.
            logs: Where lines go.
            door: How programs ask for datums; without one there is no datum batching.
        """
        self._files = files
        self._door = door
        self._runtime = runtime
        self._logs = logs
        self._peer: Mapping[str, str] = {}
        self._closing = threading.Event()
        self._runners: dict[tuple[int, int], Runner] = {}
        self._clock = Clock(files)
        self._thread = threading.Thread(target=self._run, name="scheduler")
        files.before_commit.append(jobs.create_for_new_commits)

    def start(self, peer: Mapping[str, str]) -> None:
        """Take up what is unfinished, and what comes.

        Args:
            peer: Variables that tell a program in a worker where the server is.
        """
        self._peer = peer
        with self._files.transaction() as tx:
            jobs.count_restarts(tx)
        self._thread.start()
        self._clock.start()

    def workers(self, pipeline: int) -> list[WorkerStatus]:
        """Return what the workers of a pipeline (by row) do."""
        return [
            status
            for (key, _), runner in list(self._runners.items())
            if key == pipeline
            for status in runner.statuses()
        ]

    def restart(self, pipeline: int, job: str, datum: bytes) -> bool:
        """Have a datum of a pipeline's (by row) job begin anew; False when no worker has it."""
        return any(
            runner.restart(job, datum)
            for (key, _), runner in list(self._runners.items())
            if key == pipeline
        )

    def flush_logs(self) -> None:
        """Wait until the log lines that were written so far can be read."""
        self._logs.flush()

    def close(self) -> None:
        """End all that runs, and wait for it; jobs stay as they are."""
        self._clock.close()
        self._closing.set()
        self._files.database.news.wake()
        self._thread.join()

    def _run(self) -> None:
        for seen in self._files.database.news.until(self._closing.is_set):
            try:
                self._reconcile()
            except Exception:  # the store can't be read for the moment, or a thread not be started
                _log.exception("pipelines could not be looked up")
                self._closing.wait(_RETRY_S)
                continue
            self._files.database.news.wait(seen)
        for runner in self._runners.values():
            runner.stop()
        for runner in self._runners.values():
            runner.join()

    def _reconcile(self) -> None:
        with self._files.snapshot() as connection:
            wanted = {
                (info.key, info.version): info
                for info in pipelines.list_pipelines(connection)
                if not info.stopped
            }
        gone = [key for key in self._runners if key not in wanted]
        for key in gone:
            self._runners[key].stop()
        for key in gone:
            self._runners.pop(key).join()
        for key, info in wanted.items():
            if key not in self._runners:
                self._runners[key] = self._start(info)

    def _start(self, info: PipelineInfo) -> Runner:
        if info.spec.keeps_records:
            return PipelineRunner(
                self._files, self._runtime, self._logs, info, self._peer, self._door
            )
        problem = Problem(self._files, info)
        setting = Setting(self._files, self._runtime, self._logs, info, self._peer, problem)
        return SpoutRunner(setting) if info.spec.spout else ServiceRunner(setting)
