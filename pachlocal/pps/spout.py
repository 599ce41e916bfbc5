"""Spouts: pipelines without input, whose program runs on and fills their output by itself."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping

from pachlocal.errors import ImageUnavailableError, PachError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps import pipelines, secrets
from pachlocal.pps.layout import Layout
from pachlocal.pps.logs import LogLine, LogWriter
from pachlocal.pps.pipelines import PipelineInfo
from pachlocal.pps.workers import Folders, WorkerSlot, WorkerStatus
from pachlocal.runtime.contract import Invocation, Outcome, Runtime

_log = logging.getLogger(__name__)

_KILL_AGAIN_S = 0.1  # a program that was about to start when it was killed
_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)  # before a program starts again
_LONG_S = 60.0  # a program that ran so long starts again after the first pause


class SpoutRunner:
    """Keeps the programs of one version of one spout running, in a thread for each worker."""

    def __init__(
        self,
        files: FileSystem,
        runtime: Runtime,
        logs: LogWriter,
        pipeline: PipelineInfo,
        peer: Mapping[str, str],
    ) -> None:
        self.pipeline = pipeline
        self._files = files
        self._runtime = runtime
        self._logs = logs
        self._peer = peer
        self._problem = pipeline.reason  # what the pipeline's state says
        self._reporting = threading.Lock()
        self._stopping = threading.Event()
        self._slots = [
            WorkerSlot(runtime, pipeline, number, self._secret_folders)
            for number in range(pipeline.spec.workers)
        ]
        self._tell("spout spawner started", master=True)
        self._threads = [
            threading.Thread(target=self._run, args=(slot,), name=slot.id) for slot in self._slots
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin to stop: what runs is ended."""
        self._stopping.set()
        for slot in self._slots:
            slot.kill()

    def join(self) -> None:
        """Wait until nothing of this runner runs any more."""
        for slot, thread in zip(self._slots, self._threads, strict=True):
            while thread.is_alive():
                slot.kill()
                thread.join(_KILL_AGAIN_S)

    def statuses(self) -> list[WorkerStatus]:
        """Return what each worker does."""
        return [slot.status for slot in self._slots]

    def restart(self, job: str, datum: bytes) -> bool:
        """Tell that there are no datums."""
        del job, datum
        return False

    def _run(self, slot: WorkerSlot) -> None:
        short_runs = 0
        try:
            while not self._stopping.is_set():
                begun = time.monotonic()
                ended = self._attempt(slot)
                short_runs = 0 if time.monotonic() - begun > _LONG_S else short_runs + 1
                pause_s = _PAUSES_S[min(max(short_runs, 1), len(_PAUSES_S)) - 1]
                if not self._stopping.is_set():
                    self._tell(f"{ended}; it starts again in {pause_s:g}s", worker=slot.id)
                    self._stopping.wait(pause_s)
        finally:
            slot.close()

    def _attempt(self, slot: WorkerSlot) -> str:
        """Run the program once; return how it ended, in words."""
        try:
            return self._prepare_and_run(slot)
        except (PachError, OSError, sqlite3.Error) as error:
            _log.exception("spout %s", self.pipeline.spec.repo)
            return str(error)
        except Exception as error:  # a mistake of ours must not end the spout
            _log.exception("spout %s", self.pipeline.spec.repo)
            return f"internal error: {error!r}"

    def _prepare_and_run(self, slot: WorkerSlot) -> str:
        try:
            self._runtime.prepare(self.pipeline.spec.transform.image, self._stopping.is_set)
            outcome = self._run_program(slot)
        except ImageUnavailableError as error:
            self._report(str(error))
            return str(error)
        return outcome.error or f"the spout's program ended with exit code {outcome.exit_code}"

    def _run_program(self, slot: WorkerSlot) -> Outcome:
        spec = self.pipeline.spec
        worker = slot.open()
        self._report("")
        with self._files.snapshot() as connection:
            hidden = secrets.variables(connection, spec.transform.secrets)
        env = {
            **spec.transform.env,
            **self._peer,
            "PACH_IN_WORKER": "true",
            "PPS_PROJECT_NAME": spec.project,
            "PPS_PIPELINE_NAME": spec.name,
            "PPS_SPEC_COMMIT": self.pipeline.spec_commit,
            "PPS_POD_NAME": slot.id,
        }
        Layout(self._files.objects, worker.pfs).lay_out((), env)
        invocation = Invocation(
            cmd=spec.transform.cmd,
            stdin="".join(f"{line}\n" for line in spec.transform.stdin).encode(),
            env={**hidden, **env},
            working_dir=spec.transform.working_dir,
        )
        if self._stopping.is_set():
            return Outcome(0)
        return worker.run(invocation, self._line_of(slot.id))

    def _line_of(self, worker: str) -> Callable[[str], None]:
        return lambda message: self._tell(message, worker=worker, user=True)

    def _secret_folders(self) -> Folders:
        with self._files.snapshot() as connection:
            return secrets.folders(connection, self.pipeline.spec.transform.secrets)

    def _report(self, problem: str) -> None:
        """Have the pipeline's state say whether its image can be run."""
        with self._reporting:
            if problem != self._problem:
                with self._files.transaction() as tx:
                    pipelines.report_image(tx, self.pipeline, problem)
                self._problem = problem

    def _tell(
        self, message: str, *, worker: str = "", user: bool = False, master: bool = False
    ) -> None:
        self._logs.write(
            LogLine(self.pipeline.key, message, worker=worker, user=user, master=master)
        )
