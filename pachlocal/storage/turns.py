"""Locks that are had in the order in which they are asked for.

One of `threading` goes to whichever of its waiters runs first: the same one may wait for as long as
others come.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

_W = TypeVar("_W")
_K = TypeVar("_K", bound=Hashable)


def closed_gate() -> threading.Lock:
    """Return a lock that one thread waits at until another one releases it."""
    gate = threading.Lock()
    gate.acquire()
    return gate


class FairLock(Generic[_W]):
    """A lock that goes to whoever has waited longest, and whose holder sees who that is."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_held = False
        self._waiting: deque[tuple[_W, threading.Lock]] = deque()

    def acquire(self, who: _W) -> None:
        """Take the lock, when all that asked before have had it.

        Args:
            who: What the holder before sees as `next`.
        """
        with self._guard:
            if not self._is_held:
                self._is_held = True
                return
            gate = closed_gate()
            self._waiting.append((who, gate))
        gate.acquire()

    @property
    def next(self) -> _W | None:
        """Who gets it when the caller, who has it, lets go; None when nobody waits yet."""
        with self._guard:
            return self._waiting[0][0] if self._waiting else None

    @property
    def waiting(self) -> int:
        """How many wait for it."""
        return len(self._waiting)

    def release(self) -> None:
        """Let go."""
        with self._guard:
            if not self._waiting:
                self._is_held = False
                return
            _, gate = self._waiting.popleft()
        gate.release()


class Turns(Generic[_K]):
    """Turns at many things, each of which one thread has at a time; the first comes first."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: dict[_K, deque[threading.Lock]] = {}  # for what is taken

    @contextmanager
    def taken(self, key: _K) -> Iterator[None]:
        """Have the turn at something while the block lasts."""
        gate = None
        with self._guard:
            if key in self._waiting:
                gate = closed_gate()
                self._waiting[key].append(gate)
            else:
                self._waiting[key] = deque()
        if gate is not None:
            gate.acquire()
        try:
            yield
        finally:
            self._give_back(key)

    def let_pass(self, key: _K) -> None:
        """Wait until those have had their turn at something who have it, or wait for it, now."""
        if key in self._waiting:
            with self.taken(key):
                pass

    def _give_back(self, key: _K) -> None:
        with self._guard:
            waiting = self._waiting[key]
            if not waiting:
                del self._waiting[key]
                return
            gate = waiting.popleft()
        gate.release()
