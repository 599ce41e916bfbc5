"""A worker of the docker runtime: one container, in which commands run one after the other."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ..contract import Invocation, Outcome
from ..folders import WorkerFolder
from ..refusal import KILLED, NOT_FOUND, NOT_RUN, STOPPED, refuse, timeout_reason
from ..turns import Turns
from .access import Access, open_to_all
from .container import Container
from .engine import Engine, EngineError, Execution, GoneError
from .streams import Output

_CHUNK = 1 << 16
_POLL_LIMIT_S = 3600.0  # poll(2) counts milliseconds in an int: 24 days
_EXIT_POLL_S = (0.001, 0.1)  # at first and at last
_EXIT_POLL_GROWTH = 1.5
_DRAIN_LIMIT = 1 << 20  # bytes: of a command that is ended while it writes all the time
_NEWS_S = 0.2  # Docker may know that a command was killed before it knows by what
_NEWS_STEP_S = 0.01

_UNITS = ("", "Ki", "Mi", "Gi", "Ti")

# What runc puts before and after the words that say why a command does not start.
_WRAPPING = re.compile(
    r"^OCI runtime exec failed: (exec failed: )?"
    r"((unable to start container process|container_linux\.go:\d+: [^:]*): )*(?P<words>.*?)"
    r"(: unknown)?$",
    re.DOTALL,
)
_NO_FOLDER = re.compile(r'^chdir to cwd \("(?P<folder>.*)"\) set in config\.json failed: ')


class DockerWorker:
    """Runs commands in a container, which starts when the worker is made."""

    def __init__(
        self,
        engine: Engine,
        folder: WorkerFolder,
        container: Container,
        access: Access,
        memory: int | None,
        port: ExitStack,
    ) -> None:
        """Set it up; the folder and the container are its own from here on.

        Args:
            engine: Docker.
            folder: Its folders.
            container: Where its commands run.
            access: How they get at `/pfs`.
            memory: The container's limit of memory in bytes, if it has one.
            port: What has opened the port that users reach its commands at, to be closed with it.
        """
        self._engine = engine
        self._folder = folder
        self._container = container
        self._access = access
        self._memory = memory
        self._port = port
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
            if not taken:
                return Outcome(KILLED, STOPPED)
            try:
                outcome = self._run(invocation, on_line)
                self._give_back()
            except EngineError as error:
                return Outcome(KILLED, f"Docker failed: {error}")
            return outcome

    def kill(self) -> None:
        """End the running command; nothing happens if there is none."""
        self._turns.tell()

    def close(self) -> None:
        """End a running command and the container, and remove the folders. Twice is once."""
        if self._turns.close():
            try:
                # What can't be removed now is by the next daemon of this store.
                with contextlib.suppress(EngineError):
                    self._container.remove()
            finally:
                self._port.close()
                self._folder.remove()

    def _run(self, invocation: Invocation, on_line: Callable[[str], None]) -> Outcome:
        deadline = None
        if invocation.timeout_s is not None:
            deadline = time.monotonic() + invocation.timeout_s
        if self._access.open:
            open_to_all(self.pfs)
        begun = time.time()
        output = Output(on_line)
        try:
            execution = self._execute(invocation)
            try:
                code, reason = self._follow(execution, invocation, output, deadline)
            finally:
                execution.socket.close()
            output.finish(started=code != NOT_RUN and code != NOT_FOUND)
        except BaseException:
            self._end_container()  # on_line failed, or Docker, or Ctrl-C: the command goes too
            raise
        if reason is None and output.failure:
            return not_started(output.failure)
        if reason is None and code != 0:
            reason = self._why(code, begun)
        if reason is not None or not self._container.is_idle():
            self._end_container()
        return Outcome(code, reason)

    def _execute(self, invocation: Invocation) -> Execution:
        env = {"HOME": self._access.home} if self._access.home else {}
        for again in (True, False):
            try:
                return self._engine.execute(
                    self._container.id,
                    invocation.cmd,
                    env=env | dict(invocation.env),
                    working_dir=invocation.working_dir,
                    stdin=bool(invocation.stdin),
                )
            except GoneError:
                if not again:
                    raise
                self._container.start()  # it was killed after the last command
        raise AssertionError

    def _follow(
        self,
        execution: Execution,
        invocation: Invocation,
        output: Output,
        deadline: float | None,
    ) -> tuple[int, str | None]:
        """Pass on the command's output until it ends, or is ended.

        Returns:
            Its exit code, and why it was ended by us.
        """
        stream = _Stream(execution.socket, invocation.stdin, self._turns.wake)
        pause = _EXIT_POLL_S[0]
        while True:
            if stream.is_open:
                woken = stream.wait(output, deadline)
            else:
                # It closed its output, or ended just now: Docker tells on asking.
                code = self._engine.exit_of(execution.id)
                if code is not None:
                    return code, None
                woken = stream.pause(min(pause, _seconds_to(deadline)))
                pause = min(pause * _EXIT_POLL_GROWTH, _EXIT_POLL_S[1])
            reason = None
            if deadline is not None and time.monotonic() >= deadline:
                reason = timeout_reason(invocation.timeout_s or 0)
            elif woken and self._turns.was_told():
                reason = STOPPED
            if reason is not None:
                stream.drain(output)
                # Before the kill: Docker waits (10 s, and more) for a reader of the output.
                execution.socket.close()
                self._end_container()
                return KILLED, reason

    def _why(self, code: int, begun: float) -> str | None:
        """Say what ended a command that failed, if it wasn't itself."""
        end = time.monotonic() + (_NEWS_S if code == KILLED else 0)
        while True:
            limit = self._memory
            if limit is not None and self._engine.was_out_of_memory(self._container.id, begun):
                return f"out of memory: limit {_amount(limit)}"
            if code != KILLED:
                return None
            if not self._container.is_running():
                return "the worker's container was ended from outside"
            if time.monotonic() >= end:
                return None
            time.sleep(_NEWS_STEP_S)

    def _end_container(self) -> None:
        """End all that runs; the next command starts the container again (a tenth of a second)."""
        self._container.kill()

    def _give_back(self) -> None:
        """Give what a command left to the daemon's user, who has to remove it."""
        if not self._access.owner:
            return
        self._container.start()
        chown = ("chown", "-R", self._access.owner, "/pfs")
        said: list[str] = []
        execution = self._engine.execute(self._container.id, chown, user="0")
        output = Output(said.append)
        try:
            code, _ = self._follow(execution, Invocation(chown), output, None)
        finally:
            execution.socket.close()
        output.finish(started=code not in (NOT_RUN, NOT_FOUND))
        if code != 0:
            words = output.failure or " ".join(said)
            raise EngineError(f"its user's files can't be given to the daemon's: {words}")


class _Stream:
    """A command's connection and the wake pipe, waited for together."""

    def __init__(self, connection: socket.socket, stdin: bytes, wake: int) -> None:
        self.is_open = True
        self._connection = connection
        self._fd = fd = connection.fileno()
        self._wake = wake
        self._left = memoryview(stdin)
        self._poller = select.poll()
        self._poller.register(wake, select.POLLIN)
        self._poller.register(fd, select.POLLIN | (select.POLLOUT if stdin else 0))

    def wait(self, output: Output, deadline: float | None) -> bool:
        """Wait for something to happen and deal with it; return whether we were woken."""
        left_s = min(_seconds_to(deadline), _POLL_LIMIT_S)
        ready = dict(self._poller.poll(left_s * 1000))
        events = ready.get(self._fd, 0)
        if events & select.POLLOUT:
            self._write()
        if events & ~select.POLLOUT:
            self._read(output)
        return self._wake in ready

    def pause(self, seconds: float) -> bool:
        """Wait; return whether we were woken."""
        return bool(self._poller.poll(seconds * 1000))

    def drain(self, output: Output) -> None:
        """Take what has come, without waiting for more."""
        left = _DRAIN_LIMIT
        while self.is_open and left > 0 and (size := self._read(output)):
            left -= size

    def _read(self, output: Output) -> int:
        """Read once, and return how much."""
        try:
            chunk = self._connection.recv(_CHUNK)
        except BlockingIOError:
            return 0
        except ConnectionResetError:  # it left some of its input unread
            chunk = b""
        if chunk:
            output.feed(chunk)
        else:
            self.is_open = False
            self._poller.unregister(self._fd)
        return len(chunk)

    def _write(self) -> None:
        try:
            self._left = self._left[self._connection.send(self._left[:_CHUNK]) :]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._left = self._left[:0]
        if not self._left:
            self._poller.modify(self._fd, select.POLLIN)
            with contextlib.suppress(OSError):  # the command has ended
                self._connection.shutdown(socket.SHUT_WR)


def not_started(failure: str) -> Outcome:
    """Say why a command did not start, as the process runtime says it."""
    match = _WRAPPING.match(failure)
    words = match["words"] if match else failure
    if folder := _NO_FOLDER.match(words):
        return Outcome(NOT_RUN, f"{folder['folder']}: {words[folder.end() :]}")
    missing = "not found" in words or "no such file" in words
    return Outcome(NOT_FOUND if missing else NOT_RUN, words)


def _seconds_to(deadline: float | None) -> float:
    return float("inf") if deadline is None else max(0.0, deadline - time.monotonic())


def _amount(size: int) -> str:
    """Write a number of bytes as a spec does."""
    power, number = 0, size
    while number % 1024 == 0 and power < len(_UNITS) - 1:
        power, number = power + 1, number // 1024
    return f"{number}{_UNITS[power]}"
