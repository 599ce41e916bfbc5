"""Streams of many small messages, which gRPC's own thread sends in runs.

gRPC sends one message at a time, and lets the thread that answers the call wait for each until its
own thread hears that it has gone. The two hand each other the interpreter twice for every message,
which takes longer than everything else. So the thread that answers prepares a run of messages, and
gRPC's thread begins the next one whenever one has gone; they meet once for the run, which gRPC may
write to the network as a whole.

That needs parts of gRPC that aren't public. With a gRPC that lacks them, messages go one by one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

try:
    from grpc._cython.cygrpc import (  # type: ignore[import-not-found]
        SendMessageOperation,
        WriteFlag,
    )
    from grpc._server import _is_rpc_state_active, _possibly_finish_call
except ImportError:  # pragma: no cover - a later gRPC
    IS_AVAILABLE = False
else:
    IS_AVAILABLE = True

_MARK = "sends_runs"
_LENGTH = 128  # messages
# Bytes, but for the last message. It is well below what gRPC keeps before it waits for a write
# (64 KiB): only the last message of a run asks for one.
_SIZE = 32 * 1024
_GATHERING_S = 0.01  # nobody waits longer for a message that is ready
_B = TypeVar("_B", bound=Callable[..., Iterator[Message]])


def sends_runs(behaviour: _B) -> _B:
    """Mark a method that yields many small messages, one as soon as it can after the other."""
    setattr(behaviour, _MARK, True)
    return behaviour


def is_sending_runs(behaviour: object) -> bool:
    """Whether a method is so marked, and gRPC can do it."""
    return IS_AVAILABLE and getattr(behaviour, _MARK, False)


def send_all(
    messages: Iterable[Message], context: grpc.ServicerContext, send: Callable[[Any], None]
) -> None:
    """Answer a call with messages, and end it; until its client has gone.

    Args:
        messages: What is sent.
        context: The call.
        send: Sends a message, and waits until it has gone; None ends the call. See gRPC's
            experimental_non_blocking.
    """
    rest = iter(messages)
    first = next(rest, None)
    if first is not None:
        send(first)  # with what comes before any message
        send_next = partial(_send_run, rest, context)
        if not (hasattr(context, "_state") and hasattr(context, "_rpc_event")):
            send_next = partial(_send_one, rest, send)
        while context.is_active() and send_next():
            pass
    send(None)


def _send_one(messages: Iterator[Message], send: Callable[[Any], None]) -> bool:
    message = next(messages, None)
    if message is None:
        return False
    send(message)
    return True


def _send_run(messages: Iterator[Message], context: grpc.ServicerContext) -> bool:
    """Send the next messages, also those before an error; False when there are no more."""
    run: deque[bytes] = deque()
    try:
        return _gather(messages, run)
    finally:
        if run:
            _Run(run, context).send()


def _gather(messages: Iterator[Message], run: deque[bytes]) -> bool:
    """Take messages for a run; False when there are no more."""
    size, end = 0, time.monotonic() + _GATHERING_S
    for message in messages:
        run.append(message.SerializeToString())
        size += len(run[-1])
        if len(run) == _LENGTH or size >= _SIZE or time.monotonic() > end:
            return True
    return False


class _Run:
    """Messages that gRPC's thread sends one after the other.

    To gRPC it is one thing that the call has to do: it is due until the last message has gone.
    """

    def __init__(self, messages: deque[bytes], context: grpc.ServicerContext) -> None:
        self._messages = messages
        self._state: Any = context._state  # type: ignore[attr-defined]
        self._call: Any = context._rpc_event.call  # type: ignore[attr-defined]
        self._error: Exception | None = None

    def send(self) -> None:
        """Send them all; return when they have gone, or the client has."""
        state = self._state
        with state.condition:
            if not _is_rpc_state_active(state):
                return
            self._begin_next()
            state.due.add(self)
            while self in state.due:
                state.condition.wait()
        if self._error is not None:
            raise self._error

    def _begin_next(self) -> None:
        message = self._messages.popleft()
        flags = WriteFlag.buffer_hint if self._messages else 0
        operation = SendMessageOperation(message, flags)
        self._call.start_server_batch((operation,), self._gone)

    def _gone(self, _: object) -> Any:
        """Go on when a message has gone, in gRPC's thread; return what it is to do."""
        state = self._state
        with state.condition:
            if self._messages and _is_rpc_state_active(state):
                try:
                    self._begin_next()
                except Exception as error:  # would end the thread that serves all calls
                    self._error = error
                else:
                    return None, ()
            state.condition.notify_all()
            return _possibly_finish_call(state, self)  # type: ignore[arg-type]  # any key will do
