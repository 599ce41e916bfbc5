"""The workers of a pipeline: as many as its spec says, idle until there is a datum."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from pachlocal.errors import ImageUnavailableError
from pachlocal.pps.pipelines import PipelineInfo
from pachlocal.runtime.contract import Runtime, Worker, WorkerSpec


class WorkerStatus(NamedTuple):
    """What a worker does.

    Attributes:
        id: Its name.
        job: The ID of the job that it works for; empty when idle.
        datum: The datum that it processes, 32 bytes.
        started: Since when (ns since 1970).
    """

    id: str
    job: str = ""
    datum: bytes = b""
    started: int = 0


Folders: TypeAlias = Mapping[str, Mapping[str, bytes]]


class WorkerSlot:
    """A place for one worker of the runtime, opened when something is to run in it."""

    def __init__(
        self,
        runtime: Runtime,
        pipeline: PipelineInfo,
        number: int,
        secrets: Callable[[], Folders] = dict,
    ) -> None:
        """Set it up, without a worker.

        Args:
            runtime: What makes workers.
            pipeline: Whose worker it is.
            number: Which of the pipeline's workers, from 0.
            secrets: Asked for the folders that the worker shows, when it is opened.
        """
        spec = pipeline.spec
        self.id = f"{spec.project}-{spec.name}-v{pipeline.version}-{number}"
        self._runtime = runtime
        self._spec = WorkerSpec(
            self.id,
            spec.transform.image,
            user=spec.transform.user,
            limits=spec.limits,
            requests=spec.requests,
            port=spec.port,
        )
        self._secrets = secrets
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._closed = False
        self._status = WorkerStatus(self.id)
        self._restarting = False

    def open(self) -> Worker:
        """Return the worker, made unless it is open.

        Raises:
            ImageUnavailableError: The image can't run here; or the pipeline is being stopped.
            PortUnavailableError: The worker's port is another program's.
            FailedPreconditionError: A secret isn't there.
        """
        with self._lock:
            if self._closed:
                raise ImageUnavailableError(f"worker {self.id} is closed")
            if self._worker is None:
                spec = replace(self._spec, secrets=self._secrets())
                self._worker = self._runtime.open_worker(spec)
            return self._worker

    def begin(self, job: str, datum: bytes) -> None:
        """Note what the worker does from now on."""
        with self._lock:
            self._status = WorkerStatus(self.id, job, datum, time.time_ns())
            self._restarting = False

    def rest(self) -> None:
        """Note that the worker is idle."""
        self._status = WorkerStatus(self.id)

    @property
    def status(self) -> WorkerStatus:
        """What the worker does now."""
        return self._status

    def restart(self, job: str, datum: bytes) -> bool:
        """End what the worker runs, so that it begins anew; False when it has another datum."""
        with self._lock:
            if (self._status.job, self._status.datum) != (job, datum) or self._worker is None:
                return False
            self._restarting = True
            self._worker.kill()
        return True

    def was_restarted(self) -> bool:
        """Whether `restart` ended what ran, since the last time that this was asked."""
        with self._lock:
            asked, self._restarting = self._restarting, False
        return asked

    def kill(self) -> None:
        """End what the worker runs."""
        with self._lock:
            if self._worker is not None:
                self._worker.kill()

    def close(self) -> None:
        """End the worker for good; nothing may run in it."""
        with self._lock:
            self._closed = True
        self.release()

    def release(self) -> None:
        """End the worker until it is opened anew; nothing may run in it."""
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._worker = None
