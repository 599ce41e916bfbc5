"""The docker runtime: one long-lived container a worker, commands run in it.

A command costs what `docker exec` costs, a seventh of what `docker run` does. Containers use the
machine's network, so that the daemon's address is the same inside as outside; only a program that
listens has a network of its own, where it may do without the daemon. The image's entrypoint is not
used, as on the real server.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from pachlocal.errors import (
    EngineError,
    ImageUnavailableError,
    NoAnswerError,
    RuntimeUnavailableError,
)

from .. import leftovers
from ..contract import CodeSource, Resources, WorkerSpec, untold
from ..folders import WorkerFolder, prepare_scratch
from ..leftovers import STORE_LABEL
from ..ports import Ports
from ..secret_folders import lay_out
from . import client
from .access import Access, access_to
from .client import ContainerClient
from .container import Container
from .engine import Engine
from .images import Images
from .records import ContainerSetup
from .shell import HOLDER
from .start_failures import explained
from .worker import Commands, DockerWorker

_CLIENT_FOLDER = "/pachctl"  # where a cluster puts it, too
# Elsewhere Docker runs in a machine of its own, whose kernel doesn't share pipes with this one's.
_PIPES_ARE_SHARED = sys.platform == "linux"
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
            OSError: It can't be made, or what is in it can't be set aside.
        """
        self._scratch = scratch.absolute()
        try:
            self._engine = Engine()
            for container in self._engine.labelled(STORE_LABEL, str(self._scratch)):
                self._engine.remove(container)
        except NoAnswerError as error:
            raise RuntimeUnavailableError(f"{error}; start it, or use --runtime process") from error
        except EngineError as error:
            raise RuntimeUnavailableError(
                f"Docker can't be used: {error}; use --runtime process"
            ) from error
        self._images = Images(self._engine)
        self._ports = Ports()
        prepare_scratch(self._scratch)
        self._scratch.chmod(0o700)  # what is in it may be writable for all
        leftovers.expect(self._scratch)

    def describe(self) -> str:
        """Say in one line how commands run."""
        return f"docker: {self._engine.version}, one container a worker"

    def prepare(
        self,
        image: str,
        given_up: Callable[[], bool],
        tell: Callable[[str], None] = untold,
        code: Path | None = None,
    ) -> bool:
        """Pull an image that isn't here; see `Runtime.prepare`.

        Raises:
            ImageUnavailableError: It is not here and can't be pulled.
            NoAnswerError: Docker does not answer.
        """
        del code
        return self._images.get(image, given_up, tell)

    def code_of(self, image: str) -> CodeSource:
        """Return the ID of an image; see `Runtime.code_of`.

        Raises:
            ImageUnavailableError: The image isn't here.
            NoAnswerError: Docker does not answer.
        """
        return CodeSource(image_id=self._images.find(image).id)

    def remark(self, image: str, words: Iterable[str], limits: Resources) -> str:
        """Say when a limit can't be kept; see `Runtime.remark`. An image holds its code."""
        del image, words
        cores = self._engine.cores
        if limits.cpu is None or limits.cpu <= cores:
            return ""
        return (
            f"resource_limits.cpu is {limits.cpu:g}, more than this machine has: a worker gets "
            f"all its {cores} CPUs"
        )

    def open_worker(self, spec: WorkerSpec) -> DockerWorker:
        """Make a worker and start its container; see `Runtime.open_worker`.

        Raises:
            ImageUnavailableError: The image isn't here, or no container of it starts.
            PortUnavailableError: Its port is another program's.
            InvalidArgumentError: The name is not fit for a file name.
            FileExistsError: There is a worker of this name.
            NoAnswerError: Docker does not answer.
            OSError: The disk is full, or the like.
        """
        image = self._images.find(spec.image)
        access = access_to(image, spec.user, rootless=self._engine.rootless)
        folder = WorkerFolder(self._scratch, spec.name)
        with ExitStack() as undo:
            undo.callback(folder.remove)
            pachctl = ContainerClient(folder.client) if _PIPES_ARE_SHARED else None
            if pachctl:
                undo.callback(pachctl.close)
            setup = self._setup(spec, folder, access)
            port = undo.enter_context(self._open_port(spec))
            try:
                container = Container(self._engine, setup)
            except NoAnswerError:
                raise
            except EngineError as error:
                why = explained(str(error), self._engine.platform)
                raise ImageUnavailableError(f"image {spec.image} does not start: {why}") from error
            undo.callback(container.remove)
            commands = Commands(access, spec.limits.memory, image.env.get("PATH", ""), pachctl)
            worker = DockerWorker(self._engine, folder, container, commands, port)
            undo.pop_all()
        return worker

    def _setup(self, spec: WorkerSpec, folder: WorkerFolder, access: Access) -> ContainerSetup:
        store = str(self._scratch)
        hidden = dict(spec.secrets)
        if spec.client_config:
            hidden[_CLIENT_FOLDER] = {"config.json": spec.client_config}
        return ContainerSetup(
            name=f"pachlocal-{hashlib.sha256(store.encode()).hexdigest()[:8]}-{spec.name}",
            image=spec.image,
            labels={STORE_LABEL: store, WORKER_LABEL: spec.name},
            holder=HOLDER,
            binds={
                "/pfs": folder.pfs,
                **({client.FOLDER: folder.client} if folder.client.exists() else {}),
                **lay_out(folder.secrets, hidden),
            },
            user=access.user,
            cpu=spec.limits.cpu,
            memory=spec.limits.memory,
            gpus=spec.limits.gpus,
            cpu_weight=spec.requests.cpu,
            memory_kept=_least(spec.requests.memory, spec.limits.memory),
            published=_published(spec),
        )

    def _open_port(self, spec: WorkerSpec) -> ExitStack:
        if spec.port is None:
            return ExitStack()
        if spec.port.apart:  # Docker itself listens
            return self._ports.reserve(spec.port.external, spec.name)
        return self._ports.open(spec.port, spec.name)

    def hurry(self) -> None:
        """Wait little for Docker from now on; see `Runtime.hurry`."""
        self._engine.hurry()

    def close(self) -> None:
        """Close the connection to Docker; all workers must have been closed."""
        with suppress(EngineError):  # then there may be containers left
            if not self._engine.labelled(STORE_LABEL, str(self._scratch)):
                leftovers.forget(self._scratch)
        self._engine.close()


def _least(request: int | None, limit: int | None) -> int | None:
    """Return what is kept of memory: Docker refuses more than the limit."""
    return min(request, limit) if request and limit else request


def _published(spec: WorkerSpec) -> tuple[int, int] | None:
    if spec.port is None or not spec.port.apart:
        return None
    return spec.port.external, spec.port.internal
