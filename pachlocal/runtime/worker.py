"""A worker of the process runtime: runs commands one after the other, by its launcher."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pachlocal.errors import LauncherError

from .command_lock import CommandLock
from .contract import Invocation, Outcome, StopToken
from .folders import WorkerFolder
from .image_files import ImageFiles
from .invocation_check import KILLED, STOPPED, refuse, timeout_reason
from .launch import END_GRACE_S, Isolation, Launcher, LauncherSetup
from .launcher import frames
from .lines import LineSplitter
from .rewrite import PathRewriter
from .terminal import run_on_terminal

_CHUNK = 1 << 16
_PIPE_LIMIT = 1 << 20  # the most that a pipe holds: pipe(7), /proc/sys/fs/pipe-max-size

_POLL_LIMIT_S = 3600.0  # poll(2) counts milliseconds in an int: 24 days


class ProcessWorker:
    """Runs commands as processes of this machine.

    Its launcher is started by the first `run`: a worker that has nothing to do costs two folders.
    """

    def __init__(
        self,
        folder: WorkerFolder,
        image: ImageFiles | None,
        isolation: Isolation,
        env: Mapping[str, str],
        secrets: Mapping[str, Path] | None = None,
        *,
        warm: bool = True,
        port: ExitStack | None = None,
    ) -> None:
        """Set it up in a folder that it owns from here on.

        Args:
            folder: Its folders.
            image: What commands see of their image, if anything.
            isolation: The namespaces that its commands run in; without any, paths are rewritten.
            env: What commands inherit.
            secrets: Further folders that they see, by their path.
            warm: Whether to keep interpreters loaded for commands that allow it.
            port: What has opened the port that users reach its commands at, to be closed with it.
        """
        self._warm = warm
        self._port = port or ExitStack()
        self._folder = folder
        binds = {"/pfs": folder.pfs} | dict({} if image is None else image.binds)
        binds |= secrets or {}
        self._setup = LauncherSetup(isolation, folder.root, binds, env)
        self._rewriter: PathRewriter | None = None
        if isolation is Isolation.NONE:
            targets = {path: folder.plain_path(source) for path, source in binds.items()}
            self._rewriter = PathRewriter(targets)
            root = os.path.dirname(targets["/pfs"])  # noqa: PTH120 - a text for programs
        else:
            root = "/"  # the launcher's own, which goes with it: see `namespaces`
        self._default_dir = root if image is None else image.workdir
        self._launcher: Launcher | None = None
        self._command_lock = CommandLock()

    @property
    def pfs(self) -> Path:
        """The folder that commands see as `/pfs`; replace what is in it, not the folder."""
        return self._folder.pfs

    @property
    def uid(self) -> int:
        """See `Worker.uid`."""
        return os.geteuid()

    def run(
        self,
        invocation: Invocation,
        on_lines: Callable[[str], None],
        stop: StopToken | None = None,
    ) -> Outcome:
        """Run a command to its end; see `Worker.run`.

        Raises:
            InfrastructureError: There is no launcher to be had, it was ended, or it can't start a
                command for want of processes, memory or descriptors.
            RuntimeError: The worker is closed, or is running another command.
        """
        if refusal := refuse(invocation):
            return refusal
        with self._command_lock.take(stop) as taken:
            return self._run(invocation, on_lines) if taken else Outcome(KILLED, STOPPED)

    def interact(self, cmd: Sequence[str], folder: Path) -> int:
        """Run a command on this process's own terminal, where others would run: a shell.

        It has the variables that all commands inherit, reads the terminal, and may take as long as
        it likes.

        Args:
            cmd: It and its arguments.
            folder: Where it starts, a folder of this machine.

        Returns:
            Its exit code.
        """
        return run_on_terminal(self._setup, str(folder), cmd)

    def as_seen(self, invocation: Invocation) -> Invocation:
        """Return what `run` would run, with the paths that `interact` sees and its folder."""
        return self._rewritten(invocation)

    def hand_over(self) -> None:
        """Nothing has to be done: commands run as the daemon's user."""

    def place_of(self, path: str) -> Path:
        """See `Worker.place_of`: whatever isn't shown by a worker is the machine's."""
        for shown, source in self._setup.binds.items():
            if path == shown or path.startswith(f"{shown}/"):
                return Path(f"{source}{path[len(shown) :]}")
        return Path(path)

    def kill(self) -> None:
        """End the running command; nothing happens if there is none."""
        self._command_lock.tell()

    def close(self) -> None:
        """End a running command and the launcher, and remove the folders. Twice is once."""
        if self._command_lock.close():
            with ExitStack() as ending:
                ending.callback(self._folder.remove)
                ending.callback(self._port.close)
                self._end_launcher()

    def _run(self, invocation: Invocation, on_lines: Callable[[str], None]) -> Outcome:
        splitter = LineSplitter(on_lines)
        deadline = None
        if invocation.timeout_s is not None:
            deadline = time.monotonic() + invocation.timeout_s
        begun = time.monotonic_ns()
        try:
            launcher = self._ready_launcher()
            launcher_ns = time.monotonic_ns() - begun
            launcher.send(frames.RUN, self._request(invocation))
            outcome = self._follow(launcher, splitter, deadline, invocation.timeout_s)
        except LauncherError:
            if self._launcher is not None:
                _drain(self._launcher.output, splitter)
                self._end_launcher()
            splitter.finish()
            raise
        except BaseException:
            self._end_launcher()  # on_lines failed, or Ctrl-C: the command goes too
            raise
        splitter.finish()
        return replace(outcome, start_ns=launcher_ns + outcome.start_ns)

    def _ready_launcher(self) -> Launcher:
        launcher = self._launcher
        if launcher is not None and (launcher.spent or not launcher.alive()):
            self._end_launcher()  # if it was killed, it had nothing to do: no harm done
        if self._launcher is None:
            self._launcher = Launcher(self._setup)
        return self._launcher

    def _end_launcher(self) -> None:
        if self._launcher is not None:
            self._launcher.end()
            self._launcher = None

    def _request(self, invocation: Invocation) -> list[bytes]:
        given = self._rewritten(invocation)
        folder = given.working_dir or self._default_dir
        names = None if given.varying is None or not self._warm else map(os.fsencode, given.varying)
        variables = [f"{name}={value}" for name, value in given.env.items()]
        return [
            os.fsencode(folder),
            frames.pack_names(names),
            frames.pack_words(given.cmd),
            frames.pack_words(variables),
            given.stdin,
        ]

    def _rewritten(self, invocation: Invocation) -> Invocation:
        """Return an invocation with the paths that are true on this machine."""
        folder = invocation.working_dir or self._default_dir
        if self._rewriter is None:
            return replace(invocation, working_dir=folder)
        rewrite = self._rewriter.text
        return replace(
            invocation,
            cmd=tuple(map(rewrite, invocation.cmd)),
            stdin=self._rewriter.data(invocation.stdin),
            env={name: rewrite(value) for name, value in invocation.env.items()},
            working_dir=rewrite(folder),
        )

    def _follow(
        self,
        launcher: Launcher,
        splitter: LineSplitter,
        deadline: float | None,
        timeout_s: float | None,
    ) -> Outcome:
        poller = select.poll()
        for fd in (launcher.output, launcher.replies, self._command_lock.wake):
            poller.register(fd, select.POLLIN)
        reason: str | None = None
        while True:
            ready = {fd for fd, _ in poller.poll(_milliseconds_to(deadline))}
            if launcher.output in ready:
                splitter.feed(_read(launcher.output))
            if launcher.replies in ready and (answer := launcher.receive()) is not None:
                _drain(launcher.output, splitter)
                code, error, start_ns, note = answer
                return Outcome(code, reason or error or None, note, start_ns)
            expired = deadline is not None and time.monotonic() >= deadline
            if expired and reason is not None:
                _drain(launcher.output, splitter)
                self._end_launcher()
                return Outcome(KILLED, f"{reason}, and what it left could not be ended")
            if expired or self._command_lock.wake in ready:
                self._command_lock.was_told()
                if reason is None:
                    reason = (
                        STOPPED if timeout_s is None or not expired else timeout_reason(timeout_s)
                    )
                    deadline = time.monotonic() + END_GRACE_S
                    launcher.send(frames.KILL)


def _milliseconds_to(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left_s = max(0.0, deadline - time.monotonic())
    return min(left_s, _POLL_LIMIT_S) * 1000


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _CHUNK)
    except BlockingIOError:
        return b""


def _drain(output: int, splitter: LineSplitter) -> None:
    """Take what the pipe still holds: all writers are dead (bounded, in case one is not)."""
    left = _PIPE_LIMIT
    while left > 0 and (chunk := _read(output)):
        left -= len(chunk)
        splitter.feed(chunk)
