"""The worker's handle on its launcher: start it, send it requests, end it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pachlocal
from pachlocal.errors import BusyError, LauncherError

from .launcher import frames

START_LIMIT_S = 30.0
"""Seconds in which a launcher must be ready; it takes about 0.02."""

END_GRACE_S = 5.0
"""Seconds that a launcher has for killing what it runs before it is killed itself."""

# Isolated (-I) and without site-packages (-S) the interpreter starts in half the time.
_FLAGS = ("-I", "-S", "-c")
_BOOT = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from pachlocal.runtime.launcher.main import main; main()"
)


class Isolation(Enum):
    """What separates a command from the machine."""

    NONE = "none"
    MOUNTS = "mounts"
    """True paths, in a mount namespace."""
    MOUNTS_AND_PIDS = "mounts+pids"
    """True paths, and a PID namespace: nothing outlives the worker."""


@dataclass(frozen=True, slots=True)
class LauncherSetup:
    """What a launcher needs to know.

    Attributes:
        isolation: Which namespaces it makes.
        root: An empty folder for building the new root on; used with mount namespaces only.
        binds: The folders that the new root shows, by their path there (`/pfs`, `/code`).
        env: The environment that its commands inherit.
    """

    isolation: Isolation
    root: Path
    binds: Mapping[str, Path] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


class Launcher:
    """A running launcher. One thread at a time.

    Attributes:
        replies: A descriptor that is readable when there is an answer.
        output: A descriptor to read what commands write.
        spent: Whether the next command needs another launcher.
    """

    def __init__(self, setup: LauncherSetup) -> None:
        """Start it and wait until it is ready.

        Raises:
            LauncherError: It can't work here.
            OSError: There are too many open files.
        """
        self.replies, theirs = os.pipe()
        binds = (str(part) for pair in setup.binds.items() for part in pair)
        package = Path(pachlocal.__file__).parent.parent
        argv: Iterable[str] = (str(theirs), setup.isolation.value, str(setup.root), *binds)
        try:
            self._process = subprocess.Popen(
                [sys.executable, *_FLAGS, _BOOT, str(package), *argv],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs,),
                cwd="/",
                env=dict(setup.env),
                start_new_session=True,  # a Ctrl-C at the terminal is the daemon's to handle
            )
        except OSError as error:
            os.close(self.replies)
            raise BusyError(f"{sys.executable} does not start: {error.strerror}") from error
        finally:
            os.close(theirs)
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("Popen made no pipes")
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self.output = self._stdout.fileno()
        os.set_blocking(self.output, False)
        self._group: int | None = None
        self._first: int | None = None  # a pidfd of the PID namespace's first process
        self.spent = False
        try:
            self._await_ready(guarded=setup.isolation is Isolation.MOUNTS_AND_PIDS)
        except BaseException:
            self.end()
            raise

    def alive(self) -> bool:
        """Whether it is running, as far as is known."""
        return self._process.poll() is None

    def send(self, kind: bytes, fields: Iterable[bytes] = ()) -> None:
        """Send a request.

        Raises:
            LauncherError: It is gone.
        """
        try:
            frames.write_frame(self._stdin.fileno(), kind, fields)
        except BrokenPipeError as error:
            raise LauncherError(self._death()) from error

    def receive(self) -> tuple[int, str, int, str] | None:
        """Take the answer that `replies` holds ready.

        Returns:
            The command's exit code, why it could not be started or "", how many nanoseconds its
            start took, and what is to be noted of that or ""; None when the answer says something
            else.

        Raises:
            LauncherError: It is gone, or can't start a command now.
        """
        frame = frames.read_frame(self.replies)
        if frame is None:
            raise LauncherError(self._death())
        kind, fields = frame
        if kind == frames.STARTED:
            self._group = int(fields[0])
            return None
        self._group = None
        if kind == frames.UNABLE:
            raise LauncherError(b" ".join(fields).decode(errors="replace"))
        self.spent = kind == frames.SPENT
        code, error, start_ns, note = (field.decode(errors="replace") for field in fields)
        return int(code), error, int(start_ns), note

    def end(self) -> None:
        """End it and all that it runs, and wait for that."""
        self._stdin.close()
        self._stop_process()
        if self._group is not None:
            # It was killed before it could end its command, or while it did.
            leader = _watch(self._group)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, signal.SIGKILL)
            _await_end(leader)
            self._group = None
        self._stdout.close()
        if self.replies >= 0:
            os.close(self.replies)
            self.replies = -1

    def _stop_process(self) -> None:
        self._stop_guard()
        # Who kills a launcher kills the guard of a PID namespace; what it guards ends a moment
        # later, and must not meet the next command.
        _await_end(self._first)
        self._first = None

    def _stop_guard(self) -> None:
        # End of its requests, then SIGTERM (the guard of a PID namespace kills process 1 and
        # waits for it), then SIGKILL.
        for signal_more in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(END_GRACE_S)
            except subprocess.TimeoutExpired:
                signal_more()
            else:
                return
        self._process.wait()

    def _await_ready(self, *, guarded: bool) -> None:
        # poll: select can't take the high descriptor numbers of a busy daemon.
        poller = select.poll()
        poller.register(self.replies, select.POLLIN)
        deadline = time.monotonic() + START_LIMIT_S
        missing = {frames.READY, frames.GUARDED} if guarded else {frames.READY}
        while missing:  # in whatever order: two processes say them
            if not poller.poll(max(0, deadline - time.monotonic()) * 1000):
                raise BusyError(f"the launcher was not ready after {START_LIMIT_S:g}s")
            frame = frames.read_frame(self.replies)
            if frame is None:
                raise LauncherError(f"{self._death()}{self._last_words()}")
            kind, fields = frame
            if kind not in missing:
                raise LauncherError(b" ".join(fields).decode(errors="replace"))
            missing.remove(kind)
            if kind == frames.GUARDED:
                self._first = _watch(int(fields[0]))

    def _death(self) -> str:
        self._stdin.close()
        self._stop_process()
        code = self._process.returncode
        how = f"exit code {code}"
        if code < 0:
            how = signal.Signals(-code).name
        elif code > 128 and code - 128 in signal.valid_signals():
            how = signal.Signals(code - 128).name
        return f"the process that starts commands ended unexpectedly ({how})"

    def _last_words(self) -> str:
        try:
            said = os.read(self.output, 1 << 16).decode(errors="replace").strip()
        except BlockingIOError:
            return ""
        return f": {said.splitlines()[-1]}" if said else ""


def _watch(pid: int) -> int | None:
    """Open a descriptor that tells of the end of a process.

    Returns:
        None if it has ended; or where no descriptor is to be had (off Linux, in some sandboxes).
    """
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError):
        return os.pidfd_open(pid)
    return None


def _await_end(pidfd: int | None) -> None:
    """Wait for the end of a process that was killed (bounded: it may hang in the kernel)."""
    if pidfd is None:
        return
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    poller.poll(END_GRACE_S * 1000)
    os.close(pidfd)
