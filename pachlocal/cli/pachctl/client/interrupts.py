"""Keeps interrupts out of the moment in which a stream begins."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import grpc


class UninterruptedStart(grpc.UnaryStreamClientInterceptor, grpc.StreamStreamClientInterceptor):
    """Begins each stream whole.

    gRPC's channel counts a stream before it starts the thread that ends it. If an interrupt came
    between the two, the channel could never be closed: `close` would wait for that stream forever.
    """

    def intercept_unary_stream(
        self, continuation: Callable[[Any, Any], Any], client_call_details: Any, request: Any
    ) -> Any:
        """Begin a stream of answers."""
        with _interrupts_later():
            return continuation(client_call_details, request)

    def intercept_stream_stream(
        self,
        continuation: Callable[[Any, Any], Any],
        client_call_details: Any,
        request_iterator: Any,
    ) -> Any:
        """Begin a stream of requests and answers."""
        with _interrupts_later():
            return continuation(client_call_details, request_iterator)


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Hold an interrupt back until the end of this block."""
    usual = signal.getsignal(signal.SIGINT)
    if not callable(usual) or threading.current_thread() is not threading.main_thread():
        yield  # nobody would be interrupted here
        return
    come: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: come.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if come:
        usual(*come[-1])
