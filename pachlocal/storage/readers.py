"""Connections for reading, kept open: to open one takes a millisecond.

Hundreds of threads may read at once, and each connection costs two descriptors and up to 2 MB. So
whoever finds a good number of them in use waits, but not for long: some may stay in use for as long
as their caller likes, or be waiting for us.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress

_MOST = 32  # connections, unless they are kept busy
_PATIENCE_S = 0.005  # as long as it takes to open some


class Readers:
    """A pool of connections. Any thread may use it; the one put back last is taken first."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._idle: list[sqlite3.Connection] = []
        self._open = 0
        self._waiting = 0
        self._changed = threading.Condition()

    def take(self) -> sqlite3.Connection:
        """Return a connection that nobody uses."""
        with suppress(IndexError):
            return self._idle.pop()  # needs no lock, and is what happens nearly always
        with self._changed:
            if not self._idle and self._open >= _MOST:
                self._waiting += 1
                self._changed.wait_for(lambda: self._idle, _PATIENCE_S)
                self._waiting -= 1
            with suppress(IndexError):
                return self._idle.pop()
            self._open += 1
        try:
            return self._connect()
        except BaseException:
            with self._changed:
                self._open -= 1
            raise

    def put_back(self, connection: sqlite3.Connection) -> None:
        """Give up a connection that was taken."""
        if self._open <= _MOST:
            self._idle.append(connection)
            if self._waiting:
                with self._changed:
                    self._changed.notify()
            return
        with self._changed:
            self._open -= 1
        connection.close()

    def close(self) -> None:
        """Close those that nobody uses."""
        with self._changed:
            while self._idle:
                self._idle.pop().close()
                self._open -= 1
