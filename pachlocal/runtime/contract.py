"""What a runtime promises to the scheduler: one worker runs one datum's command at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .code_folder import CodeFolder

LOOPBACK = "127.0.0.1"
"""Where ports are opened: no other machine reaches them."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a user's command.

    Attributes:
        cmd: The command and its arguments, with the paths as the user wrote them (`/pfs/...`).
        stdin: What the command reads on its standard input.
        env: Variables added to the runtime's own environment.
        working_dir: Where the command starts; None is the image's own folder.
        timeout_s: Seconds until the command is killed; None means no limit.
        varying: The names in `env` whose values differ from run to run of this command: that they
            are said allows a runtime to keep the command's interpreter loaded from one run to the
            next. None asks for a fresh one.
    """

    cmd: tuple[str, ...]
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str | None = None
    timeout_s: float | None = None
    varying: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    Attributes:
        exit_code: The exit status; a command ended by signal N has 128 + N, as in a shell.
        error: Why the command could not run or was ended by us, in words; None when it ended by
            itself, whatever its exit status.
        note: What is worth a line in the log about how it was run, or "".
        start_ns: How long it took until the program ran, in nanoseconds, as far as that is known.
    """

    exit_code: int
    error: str | None = None
    note: str = field(default="", compare=False, repr=False)
    start_ns: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of what a machine has.

    Attributes:
        cpu: Processor cores; None when nothing is said of them.
        memory: Bytes; None when nothing is said of them.
        gpus: Graphics processors.
    """

    cpu: float | None = None
    memory: int | None = None
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class Port:
    """How users reach a program that listens.

    Attributes:
        internal: The TCP port that the program listens on.
        external: The TCP port of 127.0.0.1 that leads there.
        apart: Whether the program may have a network of its own, in which it can listen on any
            port and doesn't reach the daemon.
    """

    internal: int
    external: int
    apart: bool


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What a worker is made for.

    Attributes:
        name: A name that is unique among the workers of this daemon, fit for a file name.
        image: The image as the pipeline spec names it.
        user: Whom commands run as, a name or number of the image; None is the runtime's choice.
        limits: The most that it may use. A runtime without a way to hold it to that ignores it.
        requests: What it gets when the machine is busy; as far as a runtime can see to that.
        secrets: Folders that it shows, by their path: files by name, which nobody else may read.
        port: How users reach its program, for as long as the worker is open; None if they don't.
        client_config: What `/pachctl/config.json` tells Pachyderm's clients; empty for nothing. A
            runtime whose commands the server knows by their user needn't show it.
        code: What is shown as `/code`, where the image doesn't hold it; None for what its folder
            holds at any time.
    """

    name: str
    image: str
    user: str | None = None
    limits: Resources = Resources()
    requests: Resources = Resources()
    secrets: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict, repr=False)
    port: Port | None = None
    client_config: bytes = field(default=b"", repr=False)
    code: Path | None = None


@dataclass(frozen=True, slots=True)
class CodeSource:
    """Where the code of an image's commands is.

    Attributes:
        image_id: What names it, where the image itself holds it; empty otherwise.
        folder: The folder that it is in otherwise.
        layouts: Below which folder a version of that can be laid out for workers.
    """

    image_id: str = ""
    folder: CodeFolder | None = None
    layouts: Path | None = None


class StopToken:
    """Tells what runs with it to stop: for good, so that whatever begins afterwards stops too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the next two, and is held while they are told
        self._stopped = threading.Event()
        self._listeners: list[Callable[[], None]] = []

    def stop(self) -> None:
        """Stop all that runs with this; again does nothing."""
        with self._lock:
            if self._stopped.is_set():
                return
            self._stopped.set()
            for tell in self._listeners:
                tell()

    def is_stopped(self) -> bool:
        """Whether it has been stopped."""
        return self._stopped.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the stop, so many seconds at most; return whether it has come."""
        return self._stopped.wait(timeout_s)

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """Have a function called once when the stop comes while the block lasts, or came before.

        Once the block is left it is not called any more. It must not wait for anything.
        """
        with self._lock:
            self._listeners.append(tell)
            if self._stopped.is_set():
                tell()
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(tell)


class Worker(Protocol):
    """A place where commands run one after the other, with its own `/pfs`."""

    @property
    def pfs(self) -> Path:
        """The folder that the command sees as `/pfs`. The caller fills and empties it."""

    @property
    def uid(self) -> int | None:
        """The user whose commands run, as this machine numbers users; None if it can't be known."""

    def run(
        self,
        invocation: Invocation,
        on_lines: Callable[[str], None],
        stop: StopToken | None = None,
    ) -> Outcome:
        """Run a command to its end; whatever it started is dead when this returns.

        Args:
            invocation: What to run.
            on_lines: Called for lines of standard output and error while the command runs: for all
                that came at once, joined by newlines, without the last one's.
            stop: What ends the command, as `kill` does; if it came before, nothing is run.

        Raises:
            InfrastructureError: The machine failed, not the command: it could not be started, or
                was ended by something else. Another worker, or this one, may run it again.
        """

    def hand_over(self) -> None:
        """Let the running command write to what was put into `/pfs` since it began."""

    def place_of(self, path: str) -> Path | None:
        """Return where on this machine that is which commands see at an absolute path.

        None if it is a container's own. For paths below `/pfs`, see `pfs`.
        """

    def kill(self) -> None:
        """End the running command, from another thread: its `run` returns with an error."""

    def close(self) -> None:
        """End the worker and remove its folders."""


def untold(_: str) -> None:
    """Take what nobody wants to be told."""


class Runtime(Protocol):
    """A way of running images on this machine."""

    def describe(self) -> str:
        """Say in one line how commands run here, for `pachlocal status`."""

    def prepare(
        self,
        image: str,
        given_up: Callable[[], bool],
        tell: Callable[[str], None] = untold,
        code: Path | None = None,
    ) -> bool:
        """Make an image ready to be run, which may take a download.

        Args:
            image: The image as the pipeline spec names it.
            given_up: Asked while it takes time: when it says yes, this returns early.
            tell: Is told what is being done, while it takes time.
            code: What is to be shown as `/code`, see `WorkerSpec`.

        Returns:
            Whether it is ready: if not, the caller has given up.

        Raises:
            ImageUnavailableError: The image can't be run here; the message says why.
            RuntimeUnavailableError: What runs images does not answer.
        """

    def code_of(self, image: str) -> CodeSource | None:
        """Return where the code of an image's commands is; None if it has none of its own.

        Raises:
            ImageUnavailableError: The image can't be run here; the message says why.
            RuntimeUnavailableError: What runs images does not answer.
        """

    def remark(self, image: str, words: Iterable[str], limits: Resources) -> str:
        """Say what the user of a pipeline should know before its image is run.

        Args:
            image: The image as the pipeline spec names it.
            words: What the pipeline's command consists of.
            limits: The most that a worker may use.

        Returns:
            One line; empty when there is nothing to be said.
        """

    def open_worker(self, spec: WorkerSpec) -> Worker:
        """Make a worker for an image that is ready.

        Raises:
            ImageUnavailableError: The image can't be run here; the message says why.
            PortUnavailableError: Its port is another program's.
            InfrastructureError: The machine lacks what it takes.
            OSError: The same.
        """

    def hurry(self) -> None:
        """Wait for nothing that may take long from now on: the daemon stops."""

    def close(self) -> None:
        """Let go of what all workers share; they have been closed."""
