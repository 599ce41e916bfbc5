"""The process runtime: a pipeline's command runs on this machine, without a container.

Where the kernel allows a mount namespace the command sees `/pfs` and `/code`; where it doesn't,
these prefixes are rewritten in its arguments, standard input and variables.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pachlocal.errors import ImageUnavailableError, PachError

from .contract import WorkerSpec
from .environment import interpreter_environment
from .folders import WorkerFolder, prepare_scratch
from .launch import Isolation, Launcher, LauncherError, LauncherSetup
from .ports import Ports
from .private import lay_out_for_root
from .stages import folder_of
from .worker import ProcessWorker


class ProcessRuntime:
    """Runs commands with the interpreter environment of pachlocal.

    An image is a name for a stage's folder, shown as `/code`; an image without one has no `/code`,
    and its commands are the machine's own programs.
    """

    def __init__(
        self,
        scratch: Path,
        stages: Mapping[str, Path],
        base_env: Mapping[str, str] | None = None,
        *,
        rewrite_paths: bool = False,
        warm: bool = True,
    ) -> None:
        """Take a folder for the workers, and remove what a crashed daemon left there.

        Args:
            scratch: The folder, of no other use; made if it isn't there.
            stages: The folder of each image, see `pachlocal.runtime.stages`.
            base_env: What commands inherit; by default the daemon's own environment.
            rewrite_paths: Rewrite paths even where the kernel allows a mount namespace.
            warm: Keep interpreters loaded for commands that allow it.

        Raises:
            InvalidArgumentError: The scratch folder is in other use.
            OSError: It can't be made, or what is in it can't be removed.
        """
        self._scratch = scratch.absolute()
        self._stages = {image: folder.absolute() for image, folder in stages.items()}
        self._env = interpreter_environment(os.environ if base_env is None else base_env)
        self._forced = rewrite_paths
        self._warm = warm
        self._probing = threading.Lock()
        self._probed: _Isolated | None = None
        self._ports = Ports()
        prepare_scratch(self._scratch)

    def describe(self) -> str:
        """Say in one line how commands see their paths."""
        found = self._isolated()
        if found.isolation is Isolation.NONE:
            return f"process: paths rewritten ({found.reason})"
        return "process: true /pfs and /code paths (private mount namespace)"

    def prepare(self, image: str, given_up: Callable[[], bool]) -> None:
        """Check that the folder of an image is there; see `Runtime.prepare`.

        Raises:
            ImageUnavailableError: It isn't.
        """
        del given_up  # it takes no time
        self._stage_of(image)

    def open_worker(self, spec: WorkerSpec) -> ProcessWorker:
        """Make a worker for an image; see `Runtime.open_worker`.

        Commands run as the daemon's own user, without limits, in the machine's own network.

        Raises:
            ImageUnavailableError: The folder that the image is built from isn't there; or a secret
                can't be shown where it is asked for.
            PortUnavailableError: Its port is another program's.
            InvalidArgumentError: The name is not fit for a file name.
            FileExistsError: There is a worker of this name.
        """
        stage = self._stage_of(spec.image)
        isolation = self._isolated().isolation
        folder = WorkerFolder(self._scratch, spec.name)
        try:
            secrets = lay_out_for_root(folder.secrets, spec.secrets)
            port = self._ports.open(spec.port, spec.name) if spec.port else None
        except PachError:
            folder.remove()
            raise
        return ProcessWorker(
            folder, stage, isolation, self._env, secrets, warm=self._warm, port=port
        )

    def _stage_of(self, image: str) -> Path | None:
        stage = folder_of(self._stages, image)
        if stage is not None and not stage.is_dir():
            raise ImageUnavailableError(f"image {image} is built from {stage}, which is no folder")
        return stage

    def _isolated(self) -> _Isolated:
        with self._probing:
            if self._probed is None:
                self._probed = _Isolated(Isolation.NONE, "as asked for")
                if not self._forced:
                    self._probed = _probe(self._env)
            return self._probed


@dataclass(frozen=True, slots=True)
class _Isolated:
    """What this machine allows, and why it isn't more."""

    isolation: Isolation
    reason: str


def _probe(env: Mapping[str, str]) -> _Isolated:
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
            except LauncherError as error:
                reason = reason or str(error)
            else:
                return _Isolated(isolation, reason)
    return _Isolated(Isolation.NONE, f"mount namespaces are refused here: {reason}")
