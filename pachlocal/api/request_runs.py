"""Streams of requests, which gRPC's own thread takes in ahead of the thread that answers.

gRPC receives a message when the thread that answers asks for it, which then waits. As for what is
sent (`message_runs`), the two hand each other the interpreter twice for every message. So gRPC's
thread asks for the next message itself whenever a small one has come. It wakes the thread that
answers for a run of them, and when the stream has ended.

That needs parts of gRPC that aren't public. With a gRPC that lacks them, messages come one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

try:
    from grpc._cython.cygrpc import ReceiveMessageOperation  # type: ignore[import-not-found]
    from grpc._server import (
        _CANCELLED,
        _CLOSED,
        _OPEN,
        _is_rpc_state_active,
        _possibly_finish_call,
        _raise_rpc_error,
        _RequestIterator,
    )
except ImportError:  # pragma: no cover - a later gRPC
    IS_AVAILABLE = False
else:
    IS_AVAILABLE = True

_LENGTH = 128  # messages
_SIZE = 32 * 1024  # bytes: what comes behind a larger message is asked for when that one is done
_GATHERING_S = 0.01  # no message waits longer for others


def taken_ahead(requests: Iterator[Any]) -> Iterator[Any]:
    """Take in a stream of requests ahead, if gRPC can do that: what it returns is for one thread.

    Args:
        requests: As gRPC hands them over. One that has ended looks like one that broke off, until
            one more message has been asked for.
    """
    if IS_AVAILABLE and isinstance(requests, _RequestIterator):
        return _Requests(requests)
    return requests


class _Requests:
    """The messages of a stream.

    To gRPC it is one thing that the call has to do: it is due while a message is asked for.
    """

    def __init__(self, requests: Any) -> None:
        self._state = requests._state
        self._call = requests._call
        self._read = requests._request_deserializer
        self._taken: deque[bytes] = deque()  # by the thread that answers
        # The others are guarded by the condition of the call's state.
        self._come: deque[bytes] = deque()
        self._size = 0  # of what has come (bytes)
        self._ends = False  # no message came
        self._has_ended = False  # nor another one
        self._wants_any = False  # whether the thread that answers waits for a single message
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self._taken:
            with self._state.condition:
                self._await_run()
                self._taken, self._come, self._size = self._come, deque(), 0
        return self._read(self._taken.popleft())

    def _await_run(self) -> None:
        """Wait for messages.

        Raises:
            StopIteration: There are no more.
        """
        state = self._state
        if not self._has_ended and self not in state.due and _is_rpc_state_active(state):
            self._ask()
        if self in state.due:
            state.condition.wait_for(self._is_done, _GATHERING_S)
        if not self._come and self in state.due:
            self._wants_any = True
            state.condition.wait_for(lambda: self._come or self._is_done())
            self._wants_any = False
            state.condition.wait_for(self._is_done, _GATHERING_S)
        if self._error is not None:
            raise self._error
        if state.client is _CANCELLED:
            _raise_rpc_error(state)
        if not self._come:
            raise StopIteration

    def _is_done(self) -> bool:
        """Whether nothing comes for the moment, or at all."""
        return self not in self._state.due or self._state.client is _CANCELLED

    def _ask(self) -> None:
        self._call.start_server_batch((ReceiveMessageOperation(0),), self._has_come)
        self._state.due.add(self)

    def _has_come(self, event: Any) -> Any:
        """Take a message, or the end, in gRPC's thread; return what that is to do."""
        message = event.batch_operations[0].message()
        state = self._state
        with state.condition:
            is_run = False
            if message is not None:
                self._come.append(message)
                self._size += len(message)
                is_run = len(self._come) >= _LENGTH or self._size >= _SIZE
            elif state.client is _OPEN:
                state.client = _CLOSED
            # The end is told before what it means: to ask once more is to hear that as well.
            self._has_ended = self._ends
            self._ends = message is None
            if not (is_run or self._has_ended) and _is_rpc_state_active(state):
                try:
                    self._ask()
                except Exception as error:  # would end the thread that serves all calls
                    self._error = error
                else:
                    if self._wants_any and self._come:
                        state.condition.notify_all()
                    return None, ()
            state.condition.notify_all()
            return _possibly_finish_call(state, self)  # type: ignore[arg-type]  # any key will do
