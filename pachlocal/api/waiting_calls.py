"""Calls that wait for changes of the store, and hold no thread while they do.

Thousands of clients may wait: for a commit to be finished, for a branch's next commit, for log
lines. So such a call is a generator. What it yields is sent, but for a `Watch`: then it waits for
the next change of what that watches, and goes on in any thread. Only those go on at a change who
wait for it, some at a time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar

import grpc

from pachlocal.api.call_threads import CallThreads
from pachlocal.api.refusal import status
from pachlocal.errors import UnavailableError
from pachlocal.storage.change_notifier import Watch

_M = TypeVar("_M")
Steps: TypeAlias = Generator[_M | Watch, None, None]
_B = TypeVar("_B", bound=Callable[..., Steps[Any]])

_MARK = "holds_no_thread"
_AT_ONCE = 8  # calls that look at the store; more would only wait for the interpreter


def waits(behaviour: _B) -> _B:
    """Mark a method that answers a call as a generator, of messages and of what it waits for."""
    setattr(behaviour, _MARK, True)
    return behaviour


def is_waiting(behaviour: object) -> bool:
    """Whether a method is so marked."""
    return getattr(behaviour, _MARK, False)


class WaitingCalls:
    """All calls that wait. Any thread may use it."""

    def __init__(self, threads: CallThreads) -> None:
        """Take the threads in which calls go on."""
        self._threads = threads
        self._lock = threading.Lock()  # guards what follows
        self._calls: set[_Call] = set()
        self._ready: deque[_Call] = deque()
        self._at_work = 0
        self.stopping = False

    def begin(
        self,
        steps: Steps[Any],
        context: grpc.ServicerContext,
        send: Callable[[Any], None],
        method: str,
    ) -> None:
        """Answer a call in this thread, until it has to wait; see gRPC's experimental_non_blocking.

        Args:
            steps: What it does.
            context: The call.
            send: Sends a message; None ends the call.
            method: Its full name.
        """
        call = _Call(self, steps, context, send, method)
        with self._lock:
            self._calls.add(call)
        context.add_callback(call.wake)
        call.run()

    def stop(self) -> None:
        """End all calls that wait, and those that will: the daemon stops."""
        with self._lock:
            self.stopping = True
            calls = list(self._calls)
        for call in calls:
            call.wake()

    def forget(self, call: _Call) -> None:
        """Take note that a call has ended."""
        with self._lock:
            self._calls.discard(call)

    def resume(self, call: _Call) -> None:
        """Let a call go on as soon as there is a place for it."""
        with self._lock:
            if self._at_work == _AT_ONCE:
                self._ready.append(call)
                return
            self._at_work += 1
        self._threads.submit(call.go_on)

    def leave(self) -> None:
        """Give one's place to the next call."""
        with self._lock:
            if not self._ready:
                self._at_work -= 1
                return
            call = self._ready.popleft()
        self._threads.submit(call.go_on)


class _Call:
    """One call; one thread at a time is at work on it."""

    def __init__(
        self,
        calls: WaitingCalls,
        steps: Steps[Any],
        context: grpc.ServicerContext,
        send: Callable[[Any], None],
        method: str,
    ) -> None:
        self._calls = calls
        self._steps = steps
        self._context = context
        self._send = send
        self._method = method
        self._watch: Watch | None = None  # what it waits for, or has waited for

    def wake(self) -> None:
        """Make it look up: its client has gone, or the daemon stops."""
        if self._watch is not None:
            self._watch.wake()

    def go_on(self) -> None:
        """Go on after a change, in a place that is given to the next call in time."""
        self.run(self._calls.leave)

    def run(self, leave: Callable[[], None] | None = None) -> None:
        """Go on until it has to wait, or ends.

        Args:
            leave: Gives our place to the next call.
        """
        try:
            while self._is_wanted():
                step = next(self._steps, None)
                if leave is not None:
                    leave()  # the client may take its time
                    leave = None
                if step is None:
                    self._send(None)
                    break
                if not isinstance(step, Watch):
                    self._send(step)
                elif self._waits_for(step):
                    return
        except Exception as error:
            code, details = status(error, self._context, self._method)
            self._context.set_code(code)
            self._context.set_details(details)
            self._send(None)
        finally:
            if leave is not None:
                leave()
        self._steps.close()
        self._calls.forget(self)

    def _is_wanted(self) -> bool:
        if self._calls.stopping:
            raise UnavailableError("the daemon stops")
        return bool(self._context.is_active())

    def _waits_for(self, watch: Watch) -> bool:
        """Wait for a change; False when there was one since the last look."""
        self._watch = watch
        if not watch.arm(lambda: self._calls.resume(self)):
            return False
        if self._calls.stopping or not self._context.is_active():
            watch.wake()  # whoever told us so may have come too early
        return True
