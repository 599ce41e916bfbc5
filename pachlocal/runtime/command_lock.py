"""One command at a time in a worker, ended from other threads: what all workers have in common."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

from .contract import StopToken

_CHUNK = 1 << 16


class CommandLock:
    """Lets one thread run a command, and others tell it to end.

    Attributes:
        wake: A descriptor that is readable when the running command is to be ended.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()  # held while a command runs, and for good once closed
        self._state = threading.Lock()  # guards the next two
        self._running = False
        self._closed = False
        self.wake, self._wake_end = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(self._wake_end, False)

    @contextlib.contextmanager
    def take(self, stop: StopToken | None = None) -> Iterator[bool]:
        """Take the turn for running a command; False when there is to be none any more.

        Args:
            stop: Tells the command to end, if it comes while the turn is held.

        Raises:
            RuntimeError: Another command runs, or the worker has been closed.
        """
        if not self._turn.acquire(blocking=False):
            raise RuntimeError("a worker runs one command at a time, and none once closed")
        try:
            with self._state:
                if not self._closed:
                    self.was_told()
                    self._running = True
            stop = stop or StopToken()
            with stop.telling(self.tell):
                yield self._running and not stop.is_stopped()
        finally:
            with self._state:
                self._running = False
            self._turn.release()

    def tell(self) -> None:
        """Tell the running command to end; nothing happens if there is none."""
        with self._state:
            if self._running:
                self._wake()

    def was_told(self) -> bool:
        """Say whether the command was told to end, and forget it."""
        with contextlib.suppress(BlockingIOError):
            return bool(os.read(self.wake, _CHUNK))
        return False

    def close(self) -> bool:
        """End the running command and wait for that; False when that was done before."""
        with self._state:
            if self._closed:
                return False
            self._closed = True
            if self._running:
                self._wake()
        self._turn.acquire()
        os.close(self.wake)
        os.close(self._wake_end)
        return True

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it has been told often enough
            os.write(self._wake_end, b"!")
