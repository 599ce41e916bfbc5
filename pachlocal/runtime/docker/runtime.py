"""The docker runtime: one long-lived container a worker, commands run in it.

A command costs what `docker exec` costs, a seventh of what `docker run` does. Containers use the
machine's network, so that the daemon's address is the same inside as outside; only a program that
listens has a network of its own, where it may do without the daemon. The image's entrypoint is not
used, as on the real server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from pachlocal.errors import ImageUnavailableError, RuntimeUnavailableError

from ..contract import WorkerSpec
from ..folders import WorkerFolder, prepare_scratch
from ..ports import Ports
from ..private import lay_out
from .access import access_to
from .container import HOLDER, Container
from .engine import ContainerSetup, Engine, EngineError
from .images import Images
from .worker import DockerWorker

STORE_LABEL = "io.pachlocal.store"
WORKER_LABEL = "io.pachlocal.worker"


class DockerRuntime:
    """Runs commands in containers of the images that specs name."""

    def __init__(self, scratch: Path) -> None:
        """Take a folder for the workers, and remove what a crashed daemon left there.

        Args:
            scratch: The folder, of no other use; made if it isn't there. Its path is the label of
                the containers: a copy of a store, at work beside it, keeps its own.

        Raises:
            RuntimeUnavailableError: Docker does not answer.
            InvalidArgumentError: The scratch folder is in other use.
            OSError: It can't be made, or what is in it can't be removed.
        """
        self._scratch = scratch.absolute()
        try:
            self._engine = Engine()
            for container in self._engine.labelled(STORE_LABEL, str(self._scratch)):
                self._engine.remove(container)
        except EngineError as error:
            raise RuntimeUnavailableError(
                f"Docker does not answer: {error}; start it, or use --runtime process"
            ) from error
        self._images = Images(self._engine)
        self._ports = Ports()
        prepare_scratch(self._scratch)
        self._scratch.chmod(0o700)  # what is in it may be writable for all

    def describe(self) -> str:
        """Say in one line how commands run."""
        return f"docker: {self._engine.version}, one container a worker"

    def prepare(self, image: str, given_up: Callable[[], bool]) -> None:
        """Pull an image that isn't here; see `Runtime.prepare`.

        Raises:
            ImageUnavailableError: It is not here and can't be pulled.
        """
        self._images.get(image, given_up)

    def open_worker(self, spec: WorkerSpec) -> DockerWorker:
        """Make a worker and start its container; see `Runtime.open_worker`.

        Raises:
            ImageUnavailableError: The image isn't here, or no container of it starts.
            PortUnavailableError: Its port is another program's.
            InvalidArgumentError: The name is not fit for a file name.
            FileExistsError: There is a worker of this name.
        """
        image = self._images.find(spec.image)
        access = access_to(image, spec.user, rootless=self._engine.rootless)
        folder = WorkerFolder(self._scratch, spec.name)
        store = str(self._scratch)
        setup = ContainerSetup(
            name=f"pachlocal-{hashlib.sha256(store.encode()).hexdigest()[:8]}-{spec.name}",
            image=spec.image,
            labels={STORE_LABEL: store, WORKER_LABEL: spec.name},
            holder=(HOLDER,),
            binds={"/pfs": folder.pfs, **lay_out(folder.secrets, spec.secrets)},
            user=access.user,
            cpu=spec.limits.cpu,
            memory=spec.limits.memory,
            cpu_weight=spec.requests.cpu,
            memory_kept=spec.requests.memory,
            published=_published(spec),
        )
        with ExitStack() as stack:
            stack.callback(folder.remove)
            port = stack.enter_context(self._open_port(spec))
            try:
                container = Container(self._engine, setup)
            except EngineError as error:
                raise ImageUnavailableError(
                    f"image {spec.image} does not start: {error}"
                ) from error
            stack.pop_all()
        return DockerWorker(self._engine, folder, container, access, spec.limits.memory, port)

    def _open_port(self, spec: WorkerSpec) -> ExitStack:
        if spec.port is None:
            return ExitStack()
        if spec.port.apart:  # Docker itself listens
            return self._ports.reserve(spec.port.external, spec.name)
        return self._ports.open(spec.port, spec.name)

    def close(self) -> None:
        """Close the connection to Docker; all workers must have been closed."""
        self._engine.close()


def _published(spec: WorkerSpec) -> tuple[int, int] | None:
    if spec.port is None or not spec.port.apart:
        return None
    return spec.port.external, spec.port.internal
