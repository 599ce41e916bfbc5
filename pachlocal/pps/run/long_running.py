"""Programs that run indefinitely, of spouts and services. One that ends is restarted."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from pachlocal.errors import LeftError, PachError
from pachlocal.faults import machine_fault
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.run.pipeline_health import PipelineHealth, Recovery
from pachlocal.pps.spec.datums import Datum, datum_id
from pachlocal.pps.tables import secrets
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.log_sizes import Retention
from pachlocal.pps.tables.logs import LogLine, LogWriter
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.pps.worker import variables
from pachlocal.pps.worker.layout import layout_of
from pachlocal.pps.worker.workers import Folders, WorkerSlot
from pachlocal.runtime.contract import Invocation, Outcome, Runtime, StopToken, Worker

_log = logging.getLogger(__name__)

_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)  # before a program starts again
_LONG_S = 60.0  # a program that ran so long starts again after the first pause


@dataclass(frozen=True, slots=True)
class Setting:
    """What the programs of one version of a pipeline are run with.

    Attributes:
        files: The store.
        runtime: What runs them.
        logs: Where lines go.
        pipeline: The pipeline, in its version.
        peer: Variables that tell a program where the server is.
        health: What the pipeline's state is told by when they can't run.
    """

    files: FileSystem
    runtime: Runtime
    logs: LogWriter
    pipeline: PipelineInfo
    peer: Mapping[str, str]
    health: PipelineHealth

    def slot(self, number: int) -> WorkerSlot:
        """Return a place for the pipeline's worker of a number, from 0."""
        config = variables.client_config(self.peer) if self.pipeline.spec.spout else b""
        return WorkerSlot(self.runtime, self.pipeline, number, self._secret_folders, config)

    def tell(self, message: str, job: JobInfo | None = None, *, worker: str = "") -> None:
        """Write a line: of the pipeline's master, unless a worker is named."""
        line = self._line(message, job)
        if worker:
            line = line._replace(worker=worker, retention=self._retention)
        self.logs.write(line._replace(master=not worker))

    def tell_output(self, lines: str, job: JobInfo | None, worker: str) -> None:
        """Write what the program has written in a worker."""
        line = self._line(lines, job)
        self.logs.write_output(line._replace(worker=worker, user=True, retention=self._retention))

    def _line(self, message: str, job: JobInfo | None) -> LogLine:
        return LogLine(self.pipeline.key, message, job.key if job else None)

    @property
    def _retention(self) -> Retention:
        return Retention(self.pipeline.spec.log_limit or self.logs.limit, ring=True)

    def _secret_folders(self) -> Folders:
        with self.files.snapshot() as connection:
            return secrets.folders(connection, self.pipeline.spec.transform.secrets)


class LongRunningProgram:
    """Keeps a program running in a worker, in a thread of its own, from its making to `join`.

    Each start has a new worker: its port is open only while the program runs.
    """

    def __init__(
        self, setting: Setting, slot: WorkerSlot, datum: Datum = (), job: JobInfo | None = None
    ) -> None:
        """Start it.

        Args:
            setting: What it is run with.
            slot: Where it runs; nothing else does.
            datum: What lies below its `/pfs`.
            job: Whom it works for, if for any.
        """
        self._setting = setting
        self._slot = slot
        self._datum = datum
        self._job = job
        self._stop = StopToken()
        self._thread = threading.Thread(target=self._run, name=slot.id)
        self._thread.start()

    def stop(self) -> None:
        """Begin to stop: what runs is ended."""
        self._stop.stop()

    def join(self) -> None:
        """Wait until nothing of it runs any more; it has been told to stop."""
        self._thread.join()

    def _run(self) -> None:
        recovery = Recovery(self._setting.health, self._slot.id, self._tell)
        short_runs = 0
        while not self._stop.is_stopped():
            begun = time.monotonic()
            try:
                ended = self._attempt(recovery)
            except LeftError:
                return
            except Exception as error:
                reason = machine_fault(error)
                if reason:  # which doesn't count as a run
                    if not self._stop.is_stopped():
                        self._stop.wait(recovery.failed(error, reason))
                    continue
                ended = self._failure(error)
            short_runs = 0 if time.monotonic() - begun > _LONG_S else short_runs + 1
            pause_s = _PAUSES_S[min(max(short_runs, 1), len(_PAUSES_S)) - 1]
            if not self._stop.is_stopped():
                self._tell(f"{ended}; it starts again in {pause_s:g}s")
                self._stop.wait(pause_s)

    def _failure(self, error: Exception) -> str:
        """Say why a program could not be run; a mistake of ours must not end it for good."""
        _log.error("pipeline %s", self._setting.pipeline.spec.repo, exc_info=error)
        known = isinstance(error, (PachError, OSError, sqlite3.Error))
        return str(error) if known else f"internal error: {error!r}"

    def _attempt(self, recovery: Recovery) -> str:
        """Run the program once; return how it ended, in words."""
        try:
            with self._setting.health.preparing(self._tell) as show:
                worker = self._slot.open(self._stop.is_stopped, tell=show)
            with recovery.proving():
                outcome = self._run_program(worker)
            recovery.succeeded()
        finally:
            self._slot.close()
        return outcome.error or f"the program ended with exit code {outcome.exit_code}"

    def _run_program(self, worker: Worker) -> Outcome:
        setting, transform = self._setting, self._setting.pipeline.spec.transform
        with setting.files.snapshot() as connection:
            hidden = secrets.variables(connection, transform.secrets)
        env = self._environment()
        with closing(layout_of(setting.files.objects, worker.pfs)) as layout:
            layout.lay_out(self._datum, env)
        invocation = Invocation(
            cmd=transform.cmd,
            stdin="".join(f"{line}\n" for line in transform.stdin).encode(),
            env={**hidden, **env},
            working_dir=transform.working_dir,
        )
        return worker.run(invocation, self._tell_output, self._stop)

    def _environment(self) -> dict[str, str]:
        setting = self._setting
        peer = {**setting.peer, "PPS_POD_NAME": self._slot.id}
        if self._job is None:
            return variables.of_pipeline(setting.pipeline, peer)
        common = variables.of_job(setting.pipeline, peer, self._job)
        return {**common, **variables.of_datum(self._datum, datum_id(self._datum))}

    def _tell(self, message: str) -> None:
        self._setting.tell(message, self._job, worker=self._slot.id)

    def _tell_output(self, lines: str) -> None:
        self._setting.tell_output(lines, self._job, self._slot.id)
