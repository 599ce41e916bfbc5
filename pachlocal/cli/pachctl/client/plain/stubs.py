"""Stubs for services whose calls are made without gRPC, as far as that is possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from pachlocal.cli.pachctl.client.plain.exchange import LONGEST, Exchange, Field
from pachlocal.cli.pachctl.client.plain.status import CallFailedError, Code


class PlainCalls:
    """Calls to one server. Any thread may use it."""

    def __init__(self, path: Path, metadata: Sequence[Field]) -> None:
        """Call nothing yet.

        Args:
            path: The server's socket.
            metadata: What goes with each call: printable ASCII.
        """
        self._path = path
        self._metadata = metadata
        self._open: set[Exchange] = set()

    def stub(self, service: ServiceDescriptor, others: Callable[[], Any]) -> Any:
        """Return what has a method for each call of a service, like gRPC's stubs.

        Args:
            service: The service.
            others: Makes gRPC's own stub, for calls that take more than a short message.
        """
        return _Stub(self, service, others)

    def make(
        self, method: MethodDescriptor, message: bytes, timeout_s: float | None
    ) -> Iterator[Any]:
        """Make a call; return its answers.

        Raises:
            grpc.RpcError: It failed; or is raised when the answers are asked for.
        """
        path = f"/{method.containing_service.full_name}/{method.name}"
        read = GetMessageClass(method.output_type).FromString
        try:
            exchange = Exchange(self._path, path, message, self._metadata, timeout_s)
        except CallFailedError as failure:
            raise _as_grpc(failure) from None
        self._open.add(exchange)
        return self._answers(exchange, read)

    def _answers(self, exchange: Exchange, read: Callable[[bytes], Any]) -> Iterator[Any]:
        try:
            yield from map(read, exchange.messages())
        except CallFailedError as failure:
            raise _as_grpc(failure) from None
        finally:
            exchange.close()
            self._open.discard(exchange)

    def close(self) -> None:
        """End all calls that are under way."""
        for exchange in list(self._open):
            exchange.close()


class _Stub:
    def __init__(
        self, calls: PlainCalls, service: ServiceDescriptor, others: Callable[[], Any]
    ) -> None:
        self._calls = calls
        self._service = service
        self._others = others

    def __getattr__(self, name: str) -> Any:
        method = self._service.methods_by_name.get(name)
        if method is None:
            raise AttributeError(name)
        if method.client_streaming:
            return getattr(self._others(), name)

        def call(request: Message, timeout: float | None = None) -> Any:
            message = request.SerializeToString()
            if len(message) > LONGEST:
                return getattr(self._others(), name)(request, timeout=timeout)
            answers = self._calls.make(method, message, timeout)
            return answers if method.server_streaming else _only(answers)

        return call


def _only(answers: Iterable[Any]) -> Any:
    found = list(answers)
    if len(found) != 1:
        raise _as_grpc(CallFailedError(Code.INTERNAL, f"{len(found)} messages instead of one"))
    return found[0]


def _as_grpc(failure: CallFailedError) -> Exception:
    """Return a failure as what gRPC would raise: it is loaded now, as there is somebody to tell."""
    from pachlocal.cli.pachctl.client.plain.failure import Failure

    return Failure(failure.code, failure.details)
