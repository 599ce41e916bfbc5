"""The workers of a pipeline: as many as its spec says, idle until there is a datum."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from pachlocal.errors import LeftError
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.pps.worker.code import JobCode
from pachlocal.runtime.contract import Runtime, Worker, WorkerSpec, untold

_log = logging.getLogger(__name__)


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
        client_config: bytes = b"",
    ) -> None:
        """Set it up, without a worker.

        Args:
            runtime: What makes workers.
            pipeline: Whose worker it is.
            number: Which of the pipeline's workers, from 0.
            secrets: Asked for the folders that the worker shows, when it is opened.
            client_config: What pachctl is told of the server there; see `WorkerSpec`.
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
            client_config=client_config,
        )
        self._secrets = secrets
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._code: JobCode | None = None  # of the worker that is, or was, open
        self._status = WorkerStatus(self.id)
        self._restarting = False

    def open(
        self,
        given_up: Callable[[], bool],
        code: JobCode | None = None,
        tell: Callable[[str], None] = untold,
    ) -> Worker:
        """Return the worker, made unless it is open. One thread at a time opens and ends it.

        Args:
            given_up: Asked while the image is made ready, which may take time: when it says yes,
                there may be no worker.
            code: What is to run there; a worker that has other code is ended, and made anew.
            tell: Is told how far the image is.

        Raises:
            LeftError: The caller has given up.
            ImageUnavailableError: The image can't run here.
            PortUnavailableError: The worker's port is another program's.
            InfrastructureError: The runtime lacks something else.
            SecretUnavailableError: A secret isn't there.
        """
        if code != self._code:
            self.close()
        worker = self._worker
        if worker is None:
            folder = code.folder if code else None
            if not self._runtime.prepare(self._spec.image, given_up, tell, folder):
                raise LeftError
            spec = replace(self._spec, secrets=self._secrets(), code=folder)
            worker = self._runtime.open_worker(spec)
            with self._lock:
                self._worker, self._code = worker, code
        return worker

    @property
    def is_open(self) -> bool:
        """Whether there is a worker."""
        return self._worker is not None

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
            if asked:
                self._status = self._status._replace(started=time.time_ns())
        return asked

    def close(self) -> None:
        """End the worker, until it is opened anew; nothing may run in it."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            try:
                worker.close()
            except OSError:  # what it leaves is in nobody's way
                _log.exception("worker %s", self.id)
