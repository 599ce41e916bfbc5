"""What a runtime promises to the scheduler: one worker runs one datum's command at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

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
        timeout_s: Seconds until the command is killed; None is no limit.
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
    """

    exit_code: int
    error: str | None = None
    note: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of what a machine has.

    Attributes:
        cpu: Processor cores; None when nothing is said of them.
        memory: Bytes; None when nothing is said of them.
    """

    cpu: float | None = None
    memory: int | None = None


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
    """

    name: str
    image: str
    user: str | None = None
    limits: Resources = Resources()
    requests: Resources = Resources()
    secrets: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict, repr=False)
    port: Port | None = None


class Worker(Protocol):
    """A place where commands run one after the other, with its own `/pfs`."""

    @property
    def pfs(self) -> Path:
        """The folder that the command sees as `/pfs`. The caller fills and empties it."""

    def run(self, invocation: Invocation, on_line: Callable[[str], None]) -> Outcome:
        """Run a command to its end; whatever it started is dead when this returns.

        Args:
            invocation: What to run.
            on_line: Called for each line of standard output and error, without its newline, while
                the command runs.
        """

    def kill(self) -> None:
        """End the running command, from another thread: its `run` returns with an error."""

    def close(self) -> None:
        """End the worker and remove its folders."""


class Runtime(Protocol):
    """A way of running images on this machine."""

    def describe(self) -> str:
        """Say in one line how commands run here, for `pachlocal status`."""

    def prepare(self, image: str, given_up: Callable[[], bool]) -> None:
        """Make an image ready to be run, which may take a download.

        Args:
            image: The image as the pipeline spec names it.
            given_up: Asked while it takes time: when it says yes, this returns early.

        Raises:
            ImageUnavailableError: The image can't be run here; the message says why.
        """

    def open_worker(self, spec: WorkerSpec) -> Worker:
        """Make a worker for an image that is ready.

        Raises:
            ImageUnavailableError: The image can't be run here; the message says why.
            PortUnavailableError: Its port is another program's.
        """
