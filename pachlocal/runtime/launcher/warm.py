"""Keeps an interpreter warm: one that has a script's imports loaded, and is forked for each run.

The first run of a command learns which modules of the library its script imports (`hook`); the next
one starts a server with these, and is forked from it, as are all that follow. A server is used for
what it was started for only: this interpreter, script and arguments, in this environment but for
the variables that differ from datum to datum. At any trouble a command starts cold. Where Python
and R differ, `interpreters.py` says how.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal

from . import frames, interpreters, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# To the server: RUN with its descriptors (standard input, word to start, report), then the fields
# b"" or whether the fork is to die with the server, folder, NAME=VALUE ...; or SWEEP, without
# fields, but not before the fork has ended.
_RUN, _SWEEP = b"R", b"K"
# From the server: ready; refused, and why; the process of a fork, and later its wait status, or
# that this one has to start cold, and why (b"C"); everything else was killed.
_READY, _REFUSED, _FORKED, _ENDED, _SWEPT = b"Y", b"N", b"P", b"X", b"K"

_LOAD_LIMIT_S = 60.0
_ANSWER_LIMIT_S = 10.0
_MAX_LOSSES = 3  # servers that ended for no reason that is known, or learned too little

_REQUESTS = 0


class InterruptedWaitError(Exception):
    """The worker asks for something while the command's server starts."""


class _LostError(Exception):
    """The server is of no use any more; the message says why."""


class WarmCommand:
    """What is to be run: a script.

    Attributes:
        program: The interpreter's path.
        argv: Its arguments.
        env: The whole environment.
        folder: Where it starts.
        varying: The names of variables that are another run's business, not the server's.
    """

    def __init__(
        self,
        program: bytes,
        argv: list[bytes],
        env: dict[bytes, bytes],
        folder: bytes,
        varying: set[bytes],
    ) -> None:
        self.program, self.argv, self.env, self.folder = program, argv, env, folder
        self.varying = varying
        self.interpreter, self._script = self._find()

    def _find(self) -> tuple[interpreters.Interpreter | None, bytes]:
        for interpreter in interpreters.INTERPRETERS:
            script = interpreter.script(self)
            if script is not None:
                return interpreter, script
        return None, b""

    def key(self) -> object | None:
        """What has to be the same for a server to be used again; None: start it cold."""
        if self.interpreter is None:
            return None
        script = os.path.join(self.folder, self._script)  # noqa: PTH118
        try:
            files = [os.stat(path) for path in (script, *self.interpreter.files(self))]  # noqa: PTH116
        except OSError:
            return None
        # A datum's variable that the machine has too (an input by the name of HOME) may be read
        # by anything.
        fixed = {
            name: value
            for name, value in self.env.items()
            if name not in self.varying or name in os.environb or self.interpreter.reads(name)
        }
        stamps = [(file.st_ino, file.st_mtime_ns, file.st_size) for file in files]
        return self.program, self.argv, self.folder, fixed, stamps


class Keeper:
    """The one server of a launcher, and what it has learned.

    Attributes:
        note: What is to be told of the last command's start.
    """

    def __init__(self) -> None:
        self.note = ""
        self._key: object = None
        self._learned = b""
        self._refused = False
        self._losses = 0
        self._report = -1
        self._running = 0
        self._server: _WarmInterpreter | None = None

    @property
    def fd(self) -> int | None:
        """What is readable when there is an end to be told by `status`."""
        return self._server.fileno() if self._server and self._running else None

    def status(self) -> int | None:
        """The wait status of the fork that runs; None if its server is gone.

        It is a child of this process then.
        """
        kind, text = self._server.receive(_ANSWER_LIMIT_S) if self._server else (b"", "")
        self._running = 0
        if kind == _ENDED:
            return int(text)
        self.end()
        return None

    @property
    def pid(self) -> int | None:
        """The server's process, which is to outlive commands."""
        return self._server.pid if self._server else None

    def start(self, command: WarmCommand, stdin: int) -> int:
        """Start a command; see `spawn.start`.

        Raises:
            OSError: The program can't be executed.
            InterruptedWaitError: There is a request from the worker; nothing was started.
        """
        key = command.key()
        if key is None or command.interpreter is None:
            return spawn.start(command.program, command.argv, command.env, stdin)
        if key != self._key:
            self.end()
            self._key, self._learned, self._refused, self._losses = key, b"", False, 0
        if self._learned:
            try:
                return self._fork(command, stdin)
            except _LostError as error:
                self._lose(str(error))
        if self._refused or self._learned:
            return spawn.start(command.program, command.argv, command.env, stdin)
        return self._start_and_learn(command, command.interpreter, stdin)

    def finish(self, code: int) -> None:
        """Take in what the command has reported: it has ended, with this exit code."""
        if self._report < 0:
            return
        os.lseek(self._report, 0, os.SEEK_SET)
        with os.fdopen(self._report, "rb") as file:
            text = file.read()
        self._report = -1
        if code != 0 or not text.endswith(b"\0end"):
            return
        if text.startswith(b"ok\0"):
            if text != self._learned:
                self.end()  # if there is one, it has loaded less
            self._learned = text
        elif text == b"more\0end":
            self._lose("the script imports more than it did")
        else:
            self._refuse(text.split(b"\0")[0].decode(errors="replace"))

    def sweep(self) -> bool:
        """Have all processes of the PID namespace killed but this one and the server.

        While the server waits for a fork, only that is killed.

        Returns:
            Whether it was done; if not, there is no server that would be hit.
        """
        if self._server is None:
            return False
        if self._running:  # the server waits for its end: there is to be a sweep after that
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._running, signal.SIGKILL)
            return True
        if self._server.ready and self._server.ask(_SWEEP):
            kind, _ = self._server.receive(_ANSWER_LIMIT_S)
            if kind == _SWEPT:
                return True
        self.end()
        return False

    def died(self, pid: int) -> None:
        """Take note that a child of this process is no more, reaped already."""
        if self._server and self._server.pid == pid:
            self._server.reaped = True

    def end(self) -> None:
        """End the server."""
        self._running = 0
        if self._server:
            self._server.end()
            self._server = None

    def _fork(self, command: WarmCommand, stdin: int) -> int:
        server = self._ready_server(command)

        ours, go = os.pipe()
        report = os.memfd_create("report")
        try:
            variables = [name + b"=" + value for name, value in command.env.items()]
            fields = [b"" if os.getpid() == 1 else b"1", command.folder, *variables]
            if not server.ask(_RUN, fields, (stdin, ours, report)):
                raise _LostError("it is gone")
            kind, text = server.receive(_ANSWER_LIMIT_S)
            if kind != _FORKED:
                raise _LostError(text or "it doesn't answer")
            self._report = os.dup(report)
            with contextlib.suppress(BrokenPipeError):  # killed already
                os.write(go, b"g")
        finally:
            for descriptor in (ours, go, report):
                os.close(descriptor)
        self.note = "in a warm interpreter"
        self._running = int(text)
        return self._running

    def _ready_server(self, command: WarmCommand) -> _WarmInterpreter:
        if self._server and not self._server.is_there():
            self.end()
        server = self._server or self._new_server(command)
        self._server = server
        if not server.ready:
            kind, text = server.receive(_LOAD_LIMIT_S, interrupt=_REQUESTS)
            if kind == _REFUSED:
                self._refuse(text)
                raise _LostError(text)
            if kind != _READY:
                raise _LostError("it did not start")
            server.ready = True
        return server

    def _new_server(self, command: WarmCommand) -> _WarmInterpreter:
        try:
            if command.interpreter is None:
                raise interpreters.UnfitError("no interpreter runs it")
            return _WarmInterpreter(*command.interpreter.server(command, self._learned))
        except interpreters.UnfitError as error:
            self._refuse(str(error))
            raise _LostError(str(error)) from error

    def _start_and_learn(
        self, command: WarmCommand, interpreter: interpreters.Interpreter, stdin: int
    ) -> int:
        report = os.memfd_create("report")
        try:
            env = interpreter.learner(command, report)
            pid = spawn.start(command.program, command.argv, env, stdin)
        except BaseException:
            os.close(report)
            raise
        os.set_inheritable(report, False)
        self._report = report
        return pid

    def _lose(self, reason: str) -> None:
        """Give up the server, and what it was started with."""
        self.end()
        self._learned = b""
        self._losses += 1
        if not self._refused:
            self._refused = self._losses > _MAX_LOSSES
            self.note = f"the warm interpreter was given up: {reason}"

    def _refuse(self, reason: str) -> None:
        self._refused = True
        self.note = f"always in a cold interpreter: {reason}"


class _WarmInterpreter:
    """A server as the launcher sees it.

    Attributes:
        pid: Its process, a child of this one.
        ready: Whether it has loaded what it was to load.
        reaped: Whether the process is no more.
    """

    def __init__(
        self, program: bytes, argv: list[bytes], env: dict[bytes, bytes], facts: bytes
    ) -> None:
        """Start it, in the current folder.

        Args:
            program: Its path.
            argv: The arguments, the program's name first.
            env: The whole environment. PACHLOCAL_WARM has places for the descriptors of its socket
                and of what it is to read.
            facts: What it is to read.

        Raises:
            OSError: The program can't be executed.
        """
        import socket  # many a launcher needs none

        self.ready = self.reaped = False
        self._socket, theirs = socket.socketpair()
        # What a command has there too; nothing is read before a fork has put its own in place.
        stdin, feed = os.pipe()
        os.close(feed)
        told = os.memfd_create("learned", 0)
        try:
            with os.fdopen(os.dup(told), "wb") as file:
                file.write(facts)
            os.lseek(told, 0, os.SEEK_SET)
            theirs.set_inheritable(True)
            descriptors = env[b"PACHLOCAL_WARM"] % (theirs.fileno(), told)
            self.pid = spawn.start(program, argv, {**env, b"PACHLOCAL_WARM": descriptors}, stdin)
        except BaseException:
            self._socket.close()
            raise
        finally:
            theirs.close()
            os.close(stdin)
            os.close(told)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def is_there(self) -> bool:
        """Whether the process runs."""
        if not self.reaped:
            self.reaped = os.waitpid(self.pid, os.WNOHANG)[0] != 0
        return not self.reaped

    def ask(
        self, kind: bytes, fields: Iterable[bytes] = (), descriptors: tuple[int, ...] = ()
    ) -> bool:
        """Send a request; False when it is gone."""
        import socket

        try:
            if descriptors:
                socket.send_fds(self._socket, [kind], descriptors)
                frames.write_fields(self._socket.fileno(), fields)
            else:
                self._socket.sendall(kind)
        except OSError:
            return False
        return True

    def receive(self, limit_s: float, interrupt: int | None = None) -> tuple[bytes, str]:
        """Wait for an answer.

        Args:
            limit_s: Seconds to wait.
            interrupt: A descriptor that ends the wait when it is readable.

        Returns:
            Its kind and text; nothing and nothing when none came in time, or the server is gone.

        Raises:
            InterruptedWaitError: There is something to read at `interrupt`.
        """
        watched = [self._socket.fileno(), *([] if interrupt is None else [interrupt])]
        readable, _, _ = select.select(watched, [], [], limit_s)
        if interrupt in readable:
            raise InterruptedWaitError
        try:
            frame = frames.read_frame(self._socket.fileno()) if readable else None
        except OSError:
            frame = None
        return (frame[0], frame[1][0].decode(errors="replace")) if frame else (b"", "")

    def end(self) -> None:
        """Kill it, and wait for that."""
        self._socket.close()
        if not self.reaped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.reaped = True
