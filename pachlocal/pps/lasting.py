"""Programs that run on: spouts and services. One that ends is started again."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from pachlocal.errors import ImageUnavailableError, PachError, PortUnavailableError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps import secrets, variables
from pachlocal.pps.datums import Datum, datum_id
from pachlocal.pps.jobs import JobInfo
from pachlocal.pps.layout import Layout
from pachlocal.pps.logs import LogLine, LogWriter
from pachlocal.pps.pipelines import PipelineInfo
from pachlocal.pps.problem import Problem
from pachlocal.pps.workers import Folders, WorkerSlot
from pachlocal.runtime.contract import Invocation, Outcome, Runtime

_log = logging.getLogger(__name__)

_KILL_AGAIN_S = 0.1  # a program that was about to start when it was killed
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
        problem: What keeps them from running.
    """

    files: FileSystem
    runtime: Runtime
    logs: LogWriter
    pipeline: PipelineInfo
    peer: Mapping[str, str]
    problem: Problem

    def slot(self, number: int) -> WorkerSlot:
        """Return a place for the pipeline's worker of a number, from 0."""
        return WorkerSlot(self.runtime, self.pipeline, number, self._secret_folders)

    def tell(
        self, message: str, job: JobInfo | None = None, *, worker: str = "", user: bool = False
    ) -> None:
        """Write a line: of the pipeline's master, unless a worker is named."""
        key = job.key if job else None
        line = LogLine(self.pipeline.key, message, key, worker=worker, user=user, master=not worker)
        self.logs.write(line)

    def _secret_folders(self) -> Folders:
        with self.files.snapshot() as connection:
            return secrets.folders(connection, self.pipeline.spec.transform.secrets)


class LastingProgram:
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
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=slot.id)
        self._thread.start()

    def stop(self) -> None:
        """Begin to stop: what runs is ended."""
        self._stopping.set()
        self._slot.kill()

    def join(self) -> None:
        """Wait until nothing of it runs any more; it has been told to stop."""
        while self._thread.is_alive():
            self._slot.kill()
            self._thread.join(_KILL_AGAIN_S)

    def _run(self) -> None:
        short_runs = 0
        while not self._stopping.is_set():
            begun = time.monotonic()
            ended = self._attempt()
            short_runs = 0 if time.monotonic() - begun > _LONG_S else short_runs + 1
            pause_s = _PAUSES_S[min(max(short_runs, 1), len(_PAUSES_S)) - 1]
            if not self._stopping.is_set():
                self._tell(f"{ended}; it starts again in {pause_s:g}s")
                self._stopping.wait(pause_s)

    def _attempt(self) -> str:
        """Run the program once; return how it ended, in words."""
        try:
            return self._prepare_and_run()
        except (PachError, OSError, sqlite3.Error) as error:
            _log.exception("pipeline %s", self._setting.pipeline.spec.repo)
            return str(error)
        except Exception as error:  # a mistake of ours must not end the program for good
            _log.exception("pipeline %s", self._setting.pipeline.spec.repo)
            return f"internal error: {error!r}"

    def _prepare_and_run(self) -> str:
        setting = self._setting
        try:
            setting.runtime.prepare(setting.pipeline.spec.transform.image, self._stopping.is_set)
            outcome = self._run_program()
        except (ImageUnavailableError, PortUnavailableError) as error:
            setting.problem.report(str(error))
            return str(error)
        finally:
            self._slot.release()
        return outcome.error or f"the program ended with exit code {outcome.exit_code}"

    def _run_program(self) -> Outcome:
        setting, transform = self._setting, self._setting.pipeline.spec.transform
        if self._stopping.is_set():
            return Outcome(0)
        worker = self._slot.open()
        setting.problem.report("")
        with setting.files.snapshot() as connection:
            hidden = secrets.variables(connection, transform.secrets)
        env = self._environment()
        with closing(Layout(setting.files.objects, worker.pfs)) as layout:
            layout.lay_out(self._datum, env)
        invocation = Invocation(
            cmd=transform.cmd,
            stdin="".join(f"{line}\n" for line in transform.stdin).encode(),
            env={**hidden, **env},
            working_dir=transform.working_dir,
        )
        if self._stopping.is_set():
            return Outcome(0)
        return worker.run(invocation, lambda line: self._tell(line, user=True))

    def _environment(self) -> dict[str, str]:
        setting = self._setting
        peer = {**setting.peer, "PPS_POD_NAME": self._slot.id}
        if self._job is None:
            return variables.of_pipeline(setting.pipeline, peer)
        common = variables.of_job(setting.pipeline, peer, self._job)
        return {**common, **variables.of_datum(self._datum, datum_id(self._datum))}

    def _tell(self, message: str, *, user: bool = False) -> None:
        self._setting.tell(message, self._job, worker=self._slot.id, user=user)
