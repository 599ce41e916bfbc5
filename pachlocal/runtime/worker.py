"""A worker of the process runtime: runs commands one after the other, by its launcher."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from .contract import Invocation, Outcome
from .folders import WorkerFolder
from .launch import END_GRACE_S, Isolation, Launcher, LauncherError, LauncherSetup
from .launcher import frames
from .lines import LineSplitter
from .refusal import KILLED, STOPPED, refuse, timeout_reason
from .rewrite import PathRewriter
from .terminal import run_on_terminal
from .turns import Turns

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
        stage: Path | None,
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
            stage: What commands see as `/code`, if anything.
            isolation: The namespaces that its commands run in; without any, paths are rewritten.
            env: What commands inherit.
            secrets: Further folders that they see, by their path.
            warm: Whether to keep interpreters loaded for commands that allow it.
            port: What has opened the port that users reach its commands at, to be closed with it.
        """
        self._warm = warm
        self._port = port or ExitStack()
        self._folder = folder
        self._default_dir = "/pfs" if stage is None else "/code"
        binds = {"/pfs": folder.pfs} | ({} if stage is None else {"/code": stage})
        binds |= secrets or {}
        self._setup = LauncherSetup(isolation, folder.root, binds, env)
        self._rewriter: PathRewriter | None = None
        if isolation is Isolation.NONE:
            targets = {path: folder.plain_path(source) for path, source in binds.items()}
            self._rewriter = PathRewriter(targets)
        self._launcher: Launcher | None = None
        self._turns = Turns()

    @property
    def pfs(self) -> Path:
        """The folder that commands see as `/pfs`; replace what is in it, not the folder."""
        return self._folder.pfs

    def run(self, invocation: Invocation, on_line: Callable[[str], None]) -> Outcome:
        """Run a command to its end; see `Worker.run`.

        Raises:
            RuntimeError: The worker is closed, or is running another command.
        """
        if refusal := refuse(invocation):
            return refusal
        with self._turns.take() as taken:
            return self._run(invocation, on_line) if taken else Outcome(KILLED, STOPPED)

    def interact(self, invocation: Invocation) -> int:
        """Run a command on this process's own terminal, where others would run: a shell.

        It reads the terminal, not the invocation's input, and may take as long as it likes.

        Returns:
            Its exit code.
        """
        given = self._rewritten(invocation)
        folder = given.working_dir or self._default_dir
        return run_on_terminal(self._setup, folder, given.cmd, given.env)

    def kill(self) -> None:
        """End the running command; nothing happens if there is none."""
        self._turns.tell()

    def close(self) -> None:
        """End a running command and the launcher, and remove the folders. Twice is once."""
        if self._turns.close():
            self._end_launcher()
            self._port.close()
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
            return Outcome(KILLED, str(error))
        except BaseException:
            self._end_launcher()  # on_line failed, or Ctrl-C: the command goes too
            raise
        splitter.finish()
        return outcome

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
        for fd in (launcher.output, launcher.replies, self._turns.wake):
            poller.register(fd, select.POLLIN)
        reason: str | None = None
        while True:
            ready = {fd for fd, _ in poller.poll(_milliseconds_to(deadline))}
            if launcher.output in ready:
                splitter.feed(_read(launcher.output))
            if launcher.replies in ready and (answer := launcher.receive()) is not None:
                _drain(launcher.output, splitter)
                code, error, note = answer
                return Outcome(code, reason or error or None, note)
            expired = deadline is not None and time.monotonic() >= deadline
            if expired and reason is not None:
                raise LauncherError(f"{reason}, and what it left could not be ended")
            if expired or self._turns.wake in ready:
                self._turns.was_told()
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
