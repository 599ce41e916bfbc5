"""A worker's container: held open by a shell, started again after a kill."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from pathlib import Path

from pachlocal.errors import EngineError, GoneError

from .engine import Engine
from .records import ContainerSetup
from .shell import HELLO, READY
from .streams import Frames

_START_LIMIT_S = 30.0
_LINGER_S = 0.05  # helpers that end with their parent (Python's resource tracker) need a moment
_LINGER_STEP_S = 0.002


class Container:
    """A container that is made and started at once. Belongs to one thread.

    Attributes:
        id: Docker's name for it.
    """

    def __init__(self, engine: Engine, setup: ContainerSetup) -> None:
        """Make and start it.

        Raises:
            EngineError: That is not possible.
        """
        self._engine = engine
        self._setup = setup
        self._held: socket.socket | None = None
        self._pid = 0  # its first process, when that can be watched
        self._started = ""  # when; another time is another run, begun by somebody else
        self._has_setsid = False
        self._held_by = 0  # processes; counted where the first can't be watched
        self.id = engine.create(setup)
        try:
            self._start()
        except BaseException:
            self.remove()
            raise

    @property
    def uid(self) -> int | None:
        """Its user, as this machine numbers users; None if its processes aren't shown here."""
        with contextlib.suppress(FileNotFoundError):  # it has ended
            return Path(f"/proc/{self._pid}").stat().st_uid if self._pid else None
        return None

    @property
    def is_started(self) -> bool:
        """Whether `start` was called after the last `kill`."""
        return self._held is not None

    @property
    def shell(self) -> socket.socket | None:
        """The connection to the shell that runs commands; None if there is none that can."""
        return self._held if self._has_setsid else None

    def start(self) -> None:
        """Start it unless it runs; make it anew when somebody removed it.

        Raises:
            EngineError: That is not possible.
        """
        if self._held is not None and self.is_running():
            return
        self._let_go()
        try:
            self._engine.kill(self.id)  # somebody may have started it: what runs then isn't ours
            self._start()
        except GoneError:
            self.id = self._engine.create(self._setup)
            self._start()

    def _start(self) -> None:
        self._held = self._engine.hold(self.id)
        try:
            self._engine.start(self.id)
            self._has_setsid = self._await_holder(self._held.fileno()) != READY
            state = self._engine.state(self.id)
            self._pid, self._started = self._watchable(state.pid), state.started
            self._held_by = 0 if self._pid else self._engine.count_processes(self.id)
        except BaseException:
            self._let_go()
            raise

    def is_running(self) -> bool:
        """Ask whether it runs as we started it: somebody may have ended it, or started it anew.

        Raises:
            EngineError: Docker does not answer.
        """
        try:
            state = self._engine.state(self.id)
        except GoneError:
            return False
        return state.running and state.started == self._started

    def is_idle(self) -> bool:
        """Whether nothing runs in it any more; helpers that are about to end get a moment to."""
        deadline = time.monotonic() + _LINGER_S
        while not self._is_quiet():
            if not self._pid or time.monotonic() > deadline:
                return False
            time.sleep(_LINGER_STEP_S)
        return True

    def kill(self) -> None:
        """End all that runs in it; it is started again by `start`.

        Raises:
            EngineError: Docker does not answer.
        """
        self._let_go()  # before the kill: Docker waits (10 s, and more) for a reader of the output
        self._engine.kill(self.id)

    def remove(self) -> None:
        """Remove it, and all that runs in it.

        Raises:
            EngineError: Docker does not answer.
        """
        try:
            self._engine.remove(self.id)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _await_holder(self, fd: int) -> bytes:
        """Ask the holder something, and return its answer: it runs."""
        os.write(fd, HELLO)  # an empty pipe takes it
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        frames = Frames()
        said = {1: b"", 2: b""}
        deadline = time.monotonic() + _START_LIMIT_S
        while not said[1].endswith(READY):
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not poller.poll(left_s * 1000):
                raise EngineError(f"its container was not ready after {_START_LIMIT_S:g}s")
            chunk = os.read(fd, 1 << 16)
            for stream, payload in frames.of(chunk):
                said[stream] += payload
            if not chunk:
                words = said[2].decode(errors="replace").strip()
                raise EngineError(
                    "it lacks the programs `sh` and `cat`, which hold a worker's container open"
                    + (f" ({words})" if words else "")
                )
        return said[1].strip(b" ")

    def _watchable(self, pid: int) -> int:
        """Return the container's first process if this machine's list of processes shows it."""
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/task/{pid}/children").read_bytes()
            if self.id in Path(f"/proc/{pid}/cgroup").read_text():
                return pid
        return 0

    def _is_quiet(self) -> bool:
        """Whether init has no child but the holder: orphans of commands become its children."""
        if not self._pid:
            return self._engine.count_processes(self.id) <= self._held_by  # takes 10 ms
        try:
            # Read twice: the list may lack one while another ends, see proc(5).
            counts = {len(self._children()) for _ in range(2)}
        except OSError:
            return False
        return counts == {1}

    def _children(self) -> list[bytes]:
        return Path(f"/proc/{self._pid}/task/{self._pid}/children").read_bytes().split()
