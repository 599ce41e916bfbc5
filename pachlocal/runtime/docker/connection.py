"""The connection to what runs in a container, waited for together with a call to stop it."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from typing import Protocol

_CHUNK = 1 << 16
_POLL_LIMIT_S = 3600.0  # poll(2) counts milliseconds in an int: 24 days
_DRAIN_LIMIT = 1 << 20  # bytes: of a command that is ended while it writes all the time


class Reader(Protocol):
    """What takes the bytes that come."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the connection."""


class Connection:
    """A connection and the wake pipe.

    Attributes:
        is_open: Whether more may come.
    """

    def __init__(
        self, connection: socket.socket, said: bytes, wake: int, *, ends: bool = True
    ) -> None:
        """Begin.

        Args:
            connection: The connection, which doesn't block.
            said: What is written to it.
            wake: A pipe that gets a byte when there is something else to do.
            ends: Whether nothing is written after that: its end is told.
        """
        self.is_open = True
        self._connection = connection
        self._fd = fd = connection.fileno()
        self._wake = wake
        self._ends = ends
        self._left = memoryview(said)
        self._poller = select.poll()
        self._poller.register(wake, select.POLLIN)
        self._poller.register(fd, select.POLLIN | (select.POLLOUT if said else 0))

    def wait(self, reader: Reader, deadline: float | None) -> bool:
        """Wait for something to happen and deal with it; return whether we were woken."""
        left_s = min(seconds_to(deadline), _POLL_LIMIT_S)
        ready = dict(self._poller.poll(left_s * 1000))
        events = ready.get(self._fd, 0)
        if events & select.POLLOUT:
            self._write()
        if events & ~select.POLLOUT:
            self._read(reader)
        return self._wake in ready

    def pause(self, seconds: float) -> bool:
        """Wait; return whether we were woken."""
        return bool(self._poller.poll(seconds * 1000))

    def drain(self, reader: Reader) -> None:
        """Take what has come, without waiting for more."""
        left = _DRAIN_LIMIT
        while self.is_open and left > 0 and (size := self._read(reader)):
            left -= size

    def _read(self, reader: Reader) -> int:
        """Read once, and return how much."""
        try:
            chunk = self._connection.recv(_CHUNK)
        except BlockingIOError:
            return 0
        except ConnectionResetError:  # it left some of its input unread
            chunk = b""
        if chunk:
            reader.feed(chunk)
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
            if self._ends:
                with contextlib.suppress(OSError):  # the command has ended
                    self._connection.shutdown(socket.SHUT_WR)


def seconds_to(deadline: float | None) -> float:
    """Return how long it is to a moment of the monotonic clock (s); None is never."""
    return float("inf") if deadline is None else max(0.0, deadline - time.monotonic())
