"""The process runtime: a pipeline's command runs on this machine, without a container.

Where the kernel allows a mount namespace the command sees `/pfs` and `/code`; where it doesn't,
these prefixes are rewritten in its arguments, standard input and variables.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pachlocal.errors import BusyError, ImageUnavailableError, InfrastructureError, LauncherError

from .code_folder import CodeFolder
from .contract import CodeSource, Resources, WorkerSpec, untold
from .dockerfile import read_dockerfile, usable_env
from .environment import container_environment, interpreter_environment
from .environments.keeper import Environments
from .environments.shelf import Shelf
from .folders import WorkerFolder, prepare_scratch
from .image_files import lay_out
from .launch import Isolation, Launcher, LauncherSetup
from .ports import Ports
from .remarks import image_remark
from .secret_folders import lay_out_for_root
from .stages import dockerfile_of, folder_of
from .worker import ProcessWorker

_LAYOUTS = "code"  # in the scratch folder; workers' names are longer


class ProcessRuntime:
    """Runs commands on this machine, Python with what its stage asks for, or that of pachlocal.

    An image is a name for a stage's folder, shown as `/code`; an image without one has no `/code`,
    and its commands are the machine's own programs.
    """

    def __init__(
        self,
        scratch: Path,
        stages: Mapping[str, Path],
        base_env: Mapping[str, str] | None = None,
        *,
        environments: Path | None = None,
        rewrite_paths: bool = False,
        warm: bool = True,
    ) -> None:
        """Take a folder for the workers, and remove what a crashed daemon left there.

        Args:
            scratch: The folder, of no other use; made if it isn't there.
            stages: The folder of each image, see `pachlocal.runtime.stages`.
            base_env: What commands inherit; by default what a container would have of the daemon's
                own environment.
            environments: Where to keep what the folders of images ask to have installed; None for
                commands that find what the interpreter of pachlocal finds.
            rewrite_paths: Rewrite paths even where the kernel allows a mount namespace.
            warm: Keep interpreters loaded for commands that allow it.

        Raises:
            InvalidArgumentError: The scratch folder is in other use.
            OSError: It can't be made, or what is in it can't be set aside.
        """
        self._scratch = scratch.absolute()
        self._stages = stages
        self._env = interpreter_environment(
            container_environment(os.environ) if base_env is None else base_env
        )
        self._environments = None
        if environments is not None:
            self._environments = Environments(Shelf(environments), self._env)
        self._forced = rewrite_paths
        self._warm = warm
        self._probing = threading.Lock()
        self._probed: _Isolated | None = None
        self._ports = Ports()
        prepare_scratch(self._scratch)

    def describe(self) -> str:
        """Say in one line how commands see their paths."""
        try:
            found = self._isolated()
        except (InfrastructureError, OSError) as error:
            return f"process: how paths are shown could not be found out yet ({error})"
        if found.isolation is Isolation.NONE:
            return f"process: paths rewritten ({found.reason})"
        return "process: true /pfs and /code paths (private mount namespace)"

    def prepare(
        self,
        image: str,
        given_up: Callable[[], bool],
        tell: Callable[[str], None] = untold,
        code: Path | None = None,
    ) -> bool:
        """Make what the folder of an image asks to have installed; see `Runtime.prepare`.

        Raises:
            ImageUnavailableError: The folder isn't there, or that can't be made.
        """
        stage = code or self._stage_of(image)
        if stage is None or self._environments is None:
            return True
        return self._environments.prepare(stage, image, given_up, tell)

    def missing(self, image: str, code: Path | None = None) -> list[str]:
        """Name what `prepare` would have to make.

        Raises:
            ImageUnavailableError: The folder isn't there, or asks for what can't be made.
        """
        stage = code or self._stage_of(image)
        if stage is None or self._environments is None:
            return []
        return [it.name for it in self._environments.asked(stage, image) if not it.is_there]

    def code_of(self, image: str) -> CodeSource | None:
        """Return the folder of an image; see `Runtime.code_of`.

        Raises:
            ImageUnavailableError: It isn't there.
        """
        stage = self._stage_of(image)
        if stage is None:
            return None
        folder = CodeFolder(image, stage, dockerfile_of(self._stages, image))
        return CodeSource(folder=folder, layouts=self._scratch / _LAYOUTS)

    def remark(self, image: str, words: Iterable[str], limits: Resources) -> str:
        """Say when an image has not what its command needs; see `Runtime.remark`.

        It seems to hold code and has no folder, or its Dockerfile can't be followed.
        """
        del limits  # they don't hold here
        return image_remark(self._stages, image, words)

    def open_worker(self, spec: WorkerSpec) -> ProcessWorker:
        """Make a worker for an image; see `Runtime.open_worker`.

        Commands run as the daemon's own user, without limits, in the machine's own network.

        Raises:
            ImageUnavailableError: The folder that the image is built from isn't there; or a secret
                can't be shown where it is asked for.
            PortUnavailableError: Its port is another program's.
            InvalidArgumentError: The name is not fit for a file name.
            FileExistsError: There is a worker of this name.
            InfrastructureError: The machine is too busy to find out how paths are to be shown.
            OSError: The disk is full, or the like.
        """
        stage = spec.code or self._stage_of(spec.image)
        isolation = self._isolated().isolation
        folder = WorkerFolder(self._scratch, spec.name)
        with ExitStack() as undo:
            undo.callback(folder.remove)
            secrets = lay_out_for_root(folder.secrets, spec.secrets)
            port = ExitStack()
            if spec.port is not None:
                port = undo.enter_context(self._ports.open(spec.port, spec.name))
            image, env = None, self._env
            if stage is not None:
                words = read_dockerfile(stage, dockerfile_of(self._stages, spec.image))
                image = lay_out(stage, words, folder.image)
                env = {**env, **usable_env(words, env)}
                if self._environments is not None:
                    env = self._environments.variables(stage, spec.image, env)
            worker = ProcessWorker(
                folder, image, isolation, env, secrets, warm=self._warm, port=port
            )
            undo.pop_all()
        return worker

    def hurry(self) -> None:
        """See `Runtime.hurry`: nothing here takes long."""

    def close(self) -> None:
        """See `Runtime.close`: workers share the environments of stages."""
        if self._environments is not None:
            self._environments.close()

    def _stage_of(self, image: str) -> Path | None:
        stage = folder_of(self._stages, image)
        if stage is None:
            return None
        stage = stage.absolute()
        if not stage.is_dir():
            raise ImageUnavailableError(
                f"image {image} is built from {stage}, which isn't a folder"
            )
        return stage

    def _isolated(self) -> _Isolated:
        with self._probing:
            if self._probed is None:
                forced = _Isolated(Isolation.NONE, "as asked for")
                self._probed = forced if self._forced else _probe(self._env)
            return self._probed


@dataclass(frozen=True, slots=True)
class _Isolated:
    """What this machine allows, and why it isn't more."""

    isolation: Isolation
    reason: str


def _probe(env: Mapping[str, str]) -> _Isolated:
    """Try what the kernel allows.

    Raises:
        BusyError: The machine could start nothing to try it with, which says nothing of that.
        OSError: The same.
    """
    if sys.platform != "linux":
        return _Isolated(Isolation.NONE, "mount namespaces are Linux's")
    for hidden in (Path("/pfs"), Path("/code")):
        if Path(sys.prefix).is_relative_to(hidden):
            return _Isolated(Isolation.NONE, f"this program itself lies below {hidden}")
    reason = ""
    for isolation in (Isolation.MOUNTS_AND_PIDS, Isolation.MOUNTS):
        with tempfile.TemporaryDirectory(prefix="pachlocal-") as folder:
            try:
                Launcher(LauncherSetup(isolation, Path(folder), {}, env)).end()
            except BusyError:
                raise
            except LauncherError as error:
                reason = reason or str(error)
            else:
                return _Isolated(isolation, reason)
    return _Isolated(Isolation.NONE, f"mount namespaces are refused here: {reason}")
