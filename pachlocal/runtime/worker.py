"""A worker of the process runtime: runs commands one after the other, by its launcher."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .contract import Invocation, Outcome
from .folders import WorkerFolder
from .launch import END_GRACE_S, Isolation, Launcher, LauncherError, LauncherSetup
from .launcher import frames
from .lines import LineSplitter
from .rewrite import PathRewriter

_CHUNK = 1 << 16
_PIPE_LIMIT = 1 << 20  # the most that a pipe holds: pipe(7), /proc/sys/fs/pipe-max-size

_POLL_LIMIT_S = 3600.0  # poll(2) counts milliseconds in an int: 24 days

_NOT_RUN = 126  # a shell's exit code for what it found and could not run
_KILLED = 137

_STOPPED = "the command was stopped"


class ProcessWorker:
    """Runs commands as processes of this machine.

    Its launcher is started by the first `run`: a worker that has nothing to do costs two folders.
    """

    def __init__(
        self,
        folder: WorkerFolder,
        stage: Path | None,
        isolation: Isolation,
        env: Mapping[str, str],
    ) -> None:
        """Set it up in a folder that it owns from here on.

        Args:
            folder: Its folders.
            stage: What commands see as `/code`, if anything.
            isolation: The namespaces that its commands run in; without any, paths are rewritten.
            env: What commands inherit.
        """
        self._folder = folder
        self._default_dir = "/pfs" if stage is None else "/code"
        binds = {"/pfs": folder.pfs} | ({} if stage is None else {"/code": stage})
        self._setup = LauncherSetup(isolation, folder.root, binds, env)
        self._rewriter: PathRewriter | None = None
        if isolation is Isolation.NONE:
            targets = {path: folder.plain_path(source) for path, source in binds.items()}
            self._rewriter = PathRewriter(targets)
        self._launcher: Launcher | None = None
        self._turn = threading.Lock()  # held while a command runs, and for good once closed
        self._state = threading.Lock()  # guards the next three
        self._running = False
        self._closed = False
        self._wake, self._wake_end = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._wake_end, False)

    @property
    def pfs(self) -> Path:
        """The folder that commands see as `/pfs`; replace what is in it, not the folder."""
        return self._folder.pfs

    def run(self, invocation: Invocation, on_line: Callable[[str], None]) -> Outcome:
        """Run a command to its end; see `Worker.run`.

        Raises:
            RuntimeError: The worker is closed, or is running another command.
        """
        if refusal := _refuse(invocation):
            return refusal
        if not self._turn.acquire(blocking=False):
            raise RuntimeError("a worker runs one command at a time, and none once closed")
        try:
            with self._state:
                if self._closed:
                    return Outcome(_KILLED, _STOPPED)
                self._drain_wake()
                self._running = True
            try:
                return self._run(invocation, on_line)
            finally:
                with self._state:
                    self._running = False
        finally:
            self._turn.release()

    def kill(self) -> None:
        """End the running command; nothing happens if there is none."""
        with self._state:
            if self._running:
                self._wake_run()

    def close(self) -> None:
        """End a running command and the launcher, and remove the folders. Twice is once."""
        with self._state:
            if self._closed:
                return
            self._closed = True
            if self._running:
                self._wake_run()
        self._turn.acquire()
        self._end_launcher()
        os.close(self._wake)
        os.close(self._wake_end)
        self._folder.remove()

    def _run(self, invocation: Invocation, on_line: Callable[[str], None]) -> Outcome:
        splitter = LineSplitter(on_line)
        deadline = None
        if invocation.timeout_s is not None:
            deadline = time.monotonic() + invocation.timeout_s
        try:
            launcher = self._ready_launcher()
            launcher.send(frames.RUN, self._request(invocation))
            outcome = self._follow(launcher, splitter, deadline, invocation.timeout_s)
        except LauncherError as error:
            if self._launcher is not None:
                _drain(self._launcher.output, splitter)
                self._end_launcher()
            splitter.finish()
            return Outcome(_KILLED, str(error))
        except BaseException:
            self._end_launcher()  # on_line failed, or Ctrl-C: the command goes too
            raise
        splitter.finish()
        return outcome

    def _ready_launcher(self) -> Launcher:
        if self._launcher is not None and not self._launcher.alive():
            self._end_launcher()  # killed while it had nothing to do: no harm done
        if self._launcher is None:
            self._launcher = Launcher(self._setup)
        return self._launcher

    def _end_launcher(self) -> None:
        if self._launcher is not None:
            self._launcher.end()
            self._launcher = None

    def _request(self, invocation: Invocation) -> list[bytes]:
        folder = invocation.working_dir or self._default_dir
        cmd, env, stdin = invocation.cmd, invocation.env, invocation.stdin
        if self._rewriter is not None:
            rewrite = self._rewriter.text
            folder = rewrite(folder)
            cmd = tuple(map(rewrite, cmd))
            env = {name: rewrite(value) for name, value in env.items()}
            stdin = self._rewriter.data(stdin)
        variables = (f"{name}={value}" for name, value in env.items())
        words = map(os.fsencode, (folder, str(len(cmd)), *cmd, *variables))
        return [*words, stdin]

    def _follow(
        self,
        launcher: Launcher,
        splitter: LineSplitter,
        deadline: float | None,
        timeout_s: float | None,
    ) -> Outcome:
        poller = select.poll()
        for fd in (launcher.output, launcher.replies, self._wake):
            poller.register(fd, select.POLLIN)
        reason: str | None = None
        while True:
            ready = {fd for fd, _ in poller.poll(_milliseconds_to(deadline))}
            if launcher.output in ready:
                splitter.feed(_read(launcher.output))
            if launcher.replies in ready and (answer := launcher.receive()) is not None:
                _drain(launcher.output, splitter)
                code, error = answer
                return Outcome(code, reason or error or None)
            expired = deadline is not None and time.monotonic() >= deadline
            if expired and reason is not None:
                raise LauncherError(f"{reason}, and what it left could not be ended")
            if expired or self._wake in ready:
                self._drain_wake()
                if reason is None:
                    reason = f"datum timeout of {timeout_s:g}s exceeded" if expired else _STOPPED
                    deadline = time.monotonic() + END_GRACE_S
                    launcher.send(frames.KILL)

    def _wake_run(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it has been told often enough
            os.write(self._wake_end, b"!")

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, _CHUNK)


def _refuse(invocation: Invocation) -> Outcome | None:
    """Why a command can't be run whatever the machine holds, if so."""
    if not invocation.cmd or not invocation.cmd[0]:
        return Outcome(_NOT_RUN, "invalid pipeline transform, no command specified")
    if invocation.working_dir is not None and not invocation.working_dir.startswith("/"):
        shown = invocation.working_dir
        return Outcome(_NOT_RUN, f"working directory {shown!r} is not an absolute path")
    for name, value in invocation.env.items():
        if not name or "=" in name or "\0" in name + value:
            return Outcome(_NOT_RUN, f"environment variable {name!r}: not a name and a value")
    for argument in invocation.cmd:
        if "\0" in argument:
            return Outcome(_NOT_RUN, f"argument {argument!r} holds a NUL character")
    return None


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
