"""A worker's container: held open by a program that does nothing, started again after a kill."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from pathlib import Path

from .engine import ContainerSetup, Engine, EngineError, GoneError

HOLDER = "cat"
"""The program that holds a container open: it waits for input that never comes, and ends with the
daemon, whose end closes its input. Every image with a shell has it."""

_START_LIMIT_S = 30.0
_LINGER_S = 0.05  # helpers that end with their parent (Python's resource tracker) need a moment
_LINGER_STEP_S = 0.002
_HEADER = 8  # see streams


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
        self.id = engine.create(setup)
        try:
            self.start()
        except BaseException:
            self.remove()
            raise

    def start(self) -> None:
        """Start it unless it runs; make it anew when somebody removed it.

        Raises:
            EngineError: That is not possible.
        """
        if self._held is not None and self.is_running():
            return
        self._let_go()
        try:
            self._start()
        except GoneError:
            self.id = self._engine.create(self._setup)
            self._start()

    def _start(self) -> None:
        self._held = self._engine.hold(self.id)
        try:
            self._engine.start(self.id)
            self._await_holder(self._held.fileno())
            self._pid = self._watchable(self._engine.state(self.id).pid)
        except BaseException:
            self._let_go()
            raise

    def is_running(self) -> bool:
        """Ask whether it runs: somebody may have ended it."""
        try:
            return self._engine.state(self.id).running
        except GoneError:
            return False

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
        self._engine.kill(self.id)
        self._let_go()

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

    def _await_holder(self, fd: int) -> None:
        """Send the holder a line, and wait until it comes back: it runs."""
        os.write(fd, b"\n")  # an empty pipe takes it
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        said = bytearray()
        deadline = time.monotonic() + _START_LIMIT_S
        while not said.endswith(b"\n"):
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not poller.poll(left_s * 1000):
                raise EngineError(f"its container was not ready after {_START_LIMIT_S:g}s")
            chunk = os.read(fd, 1 << 16)
            said += chunk
            if not chunk:
                break
        if said[_HEADER:] != b"\n":
            words = said[_HEADER:].decode(errors="replace").strip()
            raise EngineError(
                f"it has no program `{HOLDER}`, which holds a worker's container open"
                + (f" ({words})" if words else "")
            )

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
            return self._engine.count_processes(self.id) <= 2  # a tenth of a command's time
        try:
            # Read twice: the list may lack one while another ends, see proc(5).
            counts = {len(self._children()) for _ in range(2)}
        except OSError:
            return False
        return counts == {1}

    def _children(self) -> list[bytes]:
        return Path(f"/proc/{self._pid}/task/{self._pid}/children").read_bytes().split()
