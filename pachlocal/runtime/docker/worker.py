"""A worker of the docker runtime: one container, in which commands run one after the other."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pachlocal.errors import EngineError, GoneError, InfrastructureError, NoAnswerError

from ..command_lock import CommandLock
from ..contract import Invocation, Outcome, StopToken
from ..folders import WorkerFolder
from ..invocation_check import KILLED, NOT_FOUND, NOT_RUN, STOPPED, refuse, timeout_reason
from .access import Access, open_to_all
from .client import FOLDER, ContainerClient
from .connection import Connection, seconds_to
from .container import Container
from .engine import Engine
from .records import Execution
from .shell import ShellOutput, can_run, new_marker, script
from .start_failures import not_started
from .streams import Output

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # Docker's, without another
_LAST_WORDS = 10  # pieces of output that say why something failed
_EXIT_POLL_S = (0.001, 0.1)  # at first and at last
_EXIT_POLL_GROWTH = 1.5
_ANSWER_S = 10.0  # a shell begins at once, unless Docker hangs
_NEWS_S = 0.2  # Docker may know that a command was killed before it knows by what
_NEWS_STEP_S = 0.01

_ENDED = "the worker's container was ended from outside"

_UNITS = ("", "Ki", "Mi", "Gi", "Ti")


@dataclass(frozen=True, slots=True)
class Commands:
    """What the commands of a worker have.

    Attributes:
        access: How they get at `/pfs`.
        memory: The limit of memory in bytes, if there is one.
        path: The image's PATH; empty if it has none.
        client: What answers when they call pachctl, if something does.
    """

    access: Access
    memory: int | None
    path: str
    client: ContainerClient | None

    def environment(self, invocation: Invocation) -> dict[str, str]:
        """Return the variables of a command."""
        env = {"HOME": self.access.home} if self.access.home else {}
        env |= invocation.env
        if self.client:  # an image's own pachctl is found before
            env["PATH"] = f"{env.get('PATH') or self.path or _PATH}:{FOLDER}"
        return env


class DockerWorker:
    """Runs commands in a container, which starts when the worker is made."""

    def __init__(
        self,
        engine: Engine,
        folder: WorkerFolder,
        container: Container,
        commands: Commands,
        port: ExitStack,
    ) -> None:
        """Set it up; the folder and the container are its own from here on.

        Args:
            engine: Docker.
            folder: Its folders.
            container: Where its commands run.
            commands: What they have; its client is the worker's own from here on.
            port: What has opened the port that users reach its commands at, to be closed with it.
        """
        self._engine = engine
        self._folder = folder
        self._container = container
        self._commands = commands
        self._access = commands.access
        self._memory = commands.memory
        self._port = port
        self._command_lock = CommandLock()
        self._started = 0  # when the running command was, by the monotonic clock in nanoseconds
        self._known: set[str] = set()  # programs that Docker has started: a shell starts them too

    @property
    def pfs(self) -> Path:
        """The folder that commands see as `/pfs`; replace what is in it, not the folder."""
        return self._folder.pfs

    @property
    def uid(self) -> int | None:
        """See `Worker.uid`."""
        return self._container.uid

    def run(
        self,
        invocation: Invocation,
        on_lines: Callable[[str], None],
        stop: StopToken | None = None,
    ) -> Outcome:
        """Run a command to its end; see `Worker.run`.

        Raises:
            InfrastructureError: Docker does not answer, or something else has ended the container.
            RuntimeError: The worker is closed, or is running another command.
        """
        if refusal := refuse(invocation):
            return refusal
        with self._command_lock.take(stop) as taken:
            if not taken:
                return Outcome(KILLED, STOPPED)
            try:
                client = self._commands.client
                with client.serving(invocation.env) if client else nullcontext():
                    outcome = self._run(invocation, on_lines)
                self._give_back()
            except NoAnswerError:
                raise
            except EngineError as error:
                raise InfrastructureError(f"Docker failed: {error}") from error
            return outcome

    def hand_over(self) -> None:
        """See `Worker.hand_over`."""
        if self._access.open:
            open_to_all(self.pfs)

    def place_of(self, path: str) -> Path | None:
        """See `Worker.place_of`: only `/pfs` is this machine's."""
        return None

    def kill(self) -> None:
        """End the running command; nothing happens if there is none."""
        self._command_lock.tell()

    def close(self) -> None:
        """End a running command and the container, and remove the folders. Twice is once."""
        if self._command_lock.close():
            with ExitStack() as ending:
                ending.callback(self._folder.remove)
                ending.callback(self._port.close)
                if self._commands.client:
                    ending.callback(self._commands.client.close)
                # What can't be removed now is by the next worker of its name, or the next daemon.
                with contextlib.suppress(EngineError):
                    self._container.remove()

    def _run(self, invocation: Invocation, on_lines: Callable[[str], None]) -> Outcome:
        deadline = None
        if invocation.timeout_s is not None:
            deadline = time.monotonic() + invocation.timeout_s
        self.hand_over()
        begun, begun_ns = time.time(), time.monotonic_ns()
        self._started = begun_ns
        try:
            ended = self._in_shell(invocation, on_lines, deadline) or self._as_exec(
                invocation, on_lines, deadline
            )
        except BaseException:
            self._end_container()  # on_lines failed, or Docker, or Ctrl-C: the command goes too
            raise
        if isinstance(ended, Outcome):
            return ended
        code, reason = ended
        if reason is None and code != 0:
            reason = self._why(code, begun)
        if reason is not None or not self._container.is_idle():
            if reason is None:
                self._check_container()  # with it the command was ended, whatever its code
            self._end_container()
        return Outcome(code, reason, start_ns=self._started - begun_ns)

    def _in_shell(
        self, invocation: Invocation, on_lines: Callable[[str], None], deadline: float | None
    ) -> tuple[int, str | None] | None:
        """Have the container's shell run a command; return as `_follow`, or None if it doesn't."""
        env = self._commands.environment(invocation)
        if invocation.cmd[0] not in self._known or not can_run(invocation, env):
            return None
        if not self._container.is_started:
            self._container.start()
        if (connection := self._container.shell) is None:
            return None
        marker = new_marker()
        output = ShellOutput(on_lines, marker)
        stream = Connection(
            connection, script(invocation, env, marker), self._command_lock.wake, ends=False
        )
        answer_by = time.monotonic() + _ANSWER_S
        while not output.is_over:
            if not stream.is_open:
                if output.begun:
                    raise InfrastructureError(_ENDED)
                self._container.start()  # it was ended after the last command
                return None
            limit = deadline if output.begun else min(answer_by, deadline or answer_by)
            woken = stream.wait(output, limit)
            if reason := self._reason_to_end(invocation, deadline, woken=woken):
                stream.drain(output)
                self._end_container()
                output.finish()
                return KILLED, reason
            if not output.begun and time.monotonic() >= answer_by:
                self._check_container()  # which says so, if Docker does not answer
                answer_by += _ANSWER_S
        if output.code is None:
            return None
        self._started = output.begun_ns
        output.finish()
        return output.code, None

    def _as_exec(
        self, invocation: Invocation, on_lines: Callable[[str], None], deadline: float | None
    ) -> tuple[int, str | None] | Outcome:
        """Have Docker run a command; return as `_follow`, or how it did not start."""
        output = Output(on_lines)
        execution = self._execute(invocation)
        self._started = time.monotonic_ns()
        try:
            code, reason = self._follow(execution, invocation, output, deadline)
        finally:
            execution.socket.close()
        output.finish(started=code not in (NOT_RUN, NOT_FOUND))
        if reason is None and output.failure:
            self._check_container()
            return not_started(output.failure, self._engine.platform)
        self._known.add(invocation.cmd[0])
        return code, reason

    def _execute(self, invocation: Invocation) -> Execution:
        if not self._container.is_started:
            self._container.start()
        for again in (True, False):
            try:
                return self._engine.execute(
                    self._container.id,
                    invocation.cmd,
                    env=self._commands.environment(invocation),
                    working_dir=invocation.working_dir,
                    stdin=bool(invocation.stdin),
                )
            except GoneError:
                if not again:
                    raise InfrastructureError(_ENDED) from None
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
        output.feed(execution.said)
        stream = Connection(execution.socket, invocation.stdin, self._command_lock.wake)
        pause = _EXIT_POLL_S[0]
        while True:
            if stream.is_open:
                woken = stream.wait(output, deadline)
            else:
                # It closed its output, or ended just now: Docker tells on asking.
                try:
                    code = self._engine.exit_of(execution.id)
                except GoneError:
                    raise InfrastructureError(_ENDED) from None
                if code is not None:
                    return code, None
                woken = stream.pause(min(pause, seconds_to(deadline)))
                pause = min(pause * _EXIT_POLL_GROWTH, _EXIT_POLL_S[1])
            if reason := self._reason_to_end(invocation, deadline, woken=woken):
                stream.drain(output)
                # Before the kill: Docker waits (10 s, and more) for a reader of the output.
                execution.socket.close()
                self._end_container()
                return KILLED, reason

    def _reason_to_end(
        self, invocation: Invocation, deadline: float | None, *, woken: bool
    ) -> str | None:
        if deadline is not None and time.monotonic() >= deadline:
            return timeout_reason(invocation.timeout_s or 0)
        return STOPPED if woken and self._command_lock.was_told() else None

    def _why(self, code: int, begun: float) -> str | None:
        """Say what ended a command that failed, if it wasn't itself.

        Raises:
            InfrastructureError: It was neither itself nor its limit of memory.
        """
        end = time.monotonic() + (_NEWS_S if code == KILLED else 0)
        while True:
            limit = self._memory
            if limit is not None and self._engine.was_out_of_memory(self._container.id, begun):
                return f"out of memory: limit {_amount(limit)}"
            self._check_container()
            if code != KILLED:
                return None
            if time.monotonic() >= end:
                return None
            time.sleep(_NEWS_STEP_S)

    def _check_container(self) -> None:
        """See that the container runs as we started it.

        Raises:
            InfrastructureError: Somebody has ended it, or started it anew.
        """
        if not self._container.is_running():
            self._end_container()  # if it was started anew it isn't ours
            raise InfrastructureError(_ENDED)

    def _end_container(self) -> None:
        """End all that runs; the next command starts the container again (a tenth of a second)."""
        self._container.kill()

    def _give_back(self) -> None:
        """Give what a command left to the daemon's user, who has to remove it."""
        if not self._access.owner:
            return
        self._container.start()
        chown = ("chown", "-R", self._access.owner, "/pfs")
        said = deque[str](maxlen=_LAST_WORDS)
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


def _amount(size: int) -> str:
    """Write a number of bytes as a spec does."""
    power, number = 0, size
    while number % 1024 == 0 and power < len(_UNITS) - 1:
        power, number = power + 1, number // 1024
    return f"{number}{_UNITS[power]}"
