"""Serving: from a service's descriptor and a plain object to handlers that gRPC calls.

A method that the object lacks answers UNIMPLEMENTED with a sentence, bytes that are not a message
INVALID_ARGUMENT.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from pachlocal.api.call_threads import CallThreads
from pachlocal.api.message_runs import is_sending_runs, send_all
from pachlocal.api.refusal import abort
from pachlocal.api.request_runs import taken_ahead
from pachlocal.api.validity import checker
from pachlocal.api.waiting_calls import Steps, WaitingCalls, is_waiting
from pachlocal.errors import (
    CallerGoneError,
    InvalidArgumentError,
    TooManyCallsError,
    UnsupportedError,
)

Context: TypeAlias = grpc.ServicerContext

_TOO_MANY = "too many streams are open at once: end some, and try again"

# What isn't served, and why; callers are told.
_UNSERVED = {
    "admin_v2.API.RestartPachyderm": "stop and start the daemon: pachlocal down, pachlocal up",
    "debug_v2.Debug.Dump": "use DumpV2",
    "pfs_v2.API.Egress": "there is no object store; take results out with: get file -r",
    "pfs_v2.API.ForgetCommit": "drop or squash the commit, then: pachlocal gc",
    "pps_v2.API.RunPipeline": "the real server refuses it since 2.0; RerunPipeline is served",
    "pps_v2.API.UpdateJobState": "only a cluster's own workers call it",
}

ABSENT = {
    "logs.API": "use GetLogs of pps_v2.API",
    "pjs.API": "it hands work to a cluster's own workers",
    "proxy.API": "only a cluster's own sidecars call it",
    "snapshot.API": "save and restore a store with pachlocal export and import",
    "storage.Fileset": "use the file sets of pfs_v2.API; a datum's files are below /pfs",
}
"""Services of a cluster that nothing here stands for, and why."""

_ELSEWHERE = "it needs a Pachyderm cluster"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What calls take that last for as long as their clients like.

    Attributes:
        streams: Threads for streams.
        waiting: Calls that wait for the store, without a thread.
    """

    streams: CallThreads
    waiting: WaitingCalls


def handlers(
    services: Iterable[tuple[ServiceDescriptor, object]], capacity: Capacity | None = None
) -> grpc.GenericRpcHandler:
    """Make the handlers of services.

    Args:
        services: Their descriptors, and what answers them: an object with a method
            `create_repo(request, context)` for the call `CreateRepo`.
        capacity: For streams and calls that wait, if they have any.
    """
    return _Handlers(
        {
            f"/{service.full_name}/{method.name}": _handler(method, implementation, capacity)
            for service, implementation in services
            for method in service.methods
        }
    )


class _Handlers(grpc.GenericRpcHandler):
    """Finds handlers of all services at once: gRPC's own would be asked one after the other."""

    def __init__(self, by_method: Mapping[str, grpc.RpcMethodHandler[Any, Any]]) -> None:
        self._by_method = by_method

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Find the handler of a call; see grpc.GenericRpcHandler."""
        return self._by_method.get(handler_call_details.method)


def is_served(method: MethodDescriptor, implementation: object) -> bool:
    """Whether an object has what a call needs."""
    return hasattr(implementation, snake_case(method.name))


def unserved_reason(method: MethodDescriptor) -> str:
    """Say why a call is not served, or what to do instead."""
    return _UNSERVED.get(method.full_name, _ELSEWHERE)


def snake_case(name: str) -> str:
    """Turn a call's name into a method's: `GetFileTAR` is `get_file_tar`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class UnknownHandler(grpc.GenericRpcHandler):
    """Answers what no other handler knows: calls of a cluster that mean nothing here."""

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Answer a call; see grpc.GenericRpcHandler."""
        service, _, name = handler_call_details.method.strip("/").rpartition("/")
        reason = ABSENT.get(service, _ELSEWHERE)

        def refuse(_: object, context: Context) -> NoReturn:
            context.abort(
                grpc.StatusCode.UNIMPLEMENTED,
                f"{name} of {service} is not served by pachlocal: {reason}",
            )

        return grpc.stream_stream_rpc_method_handler(refuse)


class PrefixHandler(grpc.GenericRpcHandler):
    """Gives one answer to every call of some services: what an unlicensed cluster says."""

    def __init__(self, services: tuple[str, ...], sentence: str) -> None:
        self._prefixes = tuple(f"/{service}/" for service in services)
        self._sentence = sentence

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """Answer a call of these services, leave others alone; see grpc.GenericRpcHandler."""
        if not handler_call_details.method.startswith(self._prefixes):
            return None

        def refuse(_: object, context: Context) -> NoReturn:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, self._sentence)

        return grpc.stream_stream_rpc_method_handler(refuse)


def _handler(
    method: MethodDescriptor, implementation: object, capacity: Capacity | None
) -> grpc.RpcMethodHandler[Any, Any]:
    behaviour = getattr(implementation, snake_case(method.name), None)
    if behaviour is None:
        behaviour = getattr(implementation, method.name, None)  # gRPC's own services
    waits, sends_runs = is_waiting(behaviour), is_sending_runs(behaviour)
    if behaviour is None:
        behaviour = _unserved(method)
    elif method.client_streaming:
        behaviour = _hearing_out(behaviour, ahead=not method.server_streaming)
    else:
        behaviour = _reading(behaviour)
    answer = _streaming if method.server_streaming else _answering
    answering: Callable[..., Any] = answer(behaviour, method.full_name)
    if sends_runs:
        answering = _sending_runs(behaviour, method.full_name)
    server_streaming = method.server_streaming
    if capacity is not None and waits:
        answering = _waiting(behaviour, method.full_name, capacity.waiting)
        server_streaming = True  # on the wire, one message is as good as the only one
    elif capacity is not None and (method.client_streaming or server_streaming):
        answering = _limited(answering, method.full_name, capacity.streams)
    kind = "_".join(
        "stream" if streaming else "unary"
        for streaming in (method.client_streaming, server_streaming)
    )
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    result: grpc.RpcMethodHandler[Any, Any] = make(
        answering,
        request_deserializer=_reader(method.input_type),
        response_serializer=GetMessageClass(method.output_type).SerializeToString,
    )
    return result


def _unserved(method: MethodDescriptor) -> Callable[[Any, Context], NoReturn]:
    def refuse(request: Any, context: Context) -> NoReturn:
        raise UnsupportedError(
            f"{method.name} is not served by pachlocal: {unserved_reason(method)}"
        )

    return refuse


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Stands for a request that can't be read; gRPC would answer INTERNAL by itself."""

    reason: str


def _reader(kind: Descriptor) -> Callable[[bytes], Any]:
    """Return what makes a message of bytes, or says why it can't."""
    parse = GetMessageClass(kind).FromString
    check = checker(kind)

    def read(data: bytes) -> Any:
        try:
            message = parse(data)
            if check is not None:
                check(message)
        except DecodeError as error:
            why = str(error).rpartition(": ")[2]
            return _Unreadable(f"the request is not a valid {kind.full_name}: {why}")
        except InvalidArgumentError as error:
            return _Unreadable(str(error))
        return message

    return read


def _reading(behaviour: Callable[[Any, Context], Any]) -> Callable[[Any, Context], Any]:
    return lambda request, context: behaviour(_readable(request), context)


def _readable(request: Any) -> Any:
    if isinstance(request, _Unreadable):
        raise InvalidArgumentError(request.reason)
    return request


def _hearing_out(
    behaviour: Callable[[Any, Context], Any], *, ahead: bool
) -> Callable[[Any, Context], Any]:
    """Have a stream of requests read; ahead, unless each is waited for by the client."""

    def answer(requests: Iterator[Any], context: Context) -> Any:
        return behaviour(_whole(taken_ahead(requests) if ahead else requests, context), context)

    return answer


def _whole(requests: Iterator[Any], context: Context) -> Iterator[Any]:
    """Yield the messages of a stream, which has to end and not to break off.

    gRPC's iterator ends in both cases: its thread tells first that no message comes, and then why.
    To ask for one more goes through the same queue, so that it has told both when that is answered.

    Raises:
        CallerGoneError: It broke off, so that nothing of it may count.
        InvalidArgumentError: A message can't be read.
    """
    yield from map(_readable, requests)
    next(requests, None)
    if not context.is_active():
        raise CallerGoneError


def _waiting(
    behaviour: Callable[[Any, Context], Any], name: str, calls: WaitingCalls
) -> Callable[..., None]:
    """Answer by a generator that holds no thread while it waits.

    gRPC's own health service makes use of this attribute, too.
    """

    def steps(request: Any, context: Context) -> Steps[Any]:
        yield from behaviour(request, context)

    def begin(request: Any, context: Context, send: Callable[[Any], None]) -> None:
        calls.begin(steps(request, context), context, send, name)

    begin.experimental_non_blocking = True  # type: ignore[attr-defined]
    return begin


def _sending_runs(
    behaviour: Callable[[Any, Context], Iterator[Any]], name: str
) -> Callable[..., None]:
    """Answer with a stream of small messages; see `pachlocal.api.message_runs`."""

    def answer(request: Any, context: Context, send: Callable[[Any], None]) -> None:
        try:
            send_all(behaviour(request, context), context, send)
        except Exception as error:
            abort(error, context, name)

    answer.experimental_non_blocking = True  # type: ignore[attr-defined]
    return answer


def _limited(answering: Callable[..., Any], name: str, threads: CallThreads) -> Callable[..., Any]:
    """Answer in one of the threads for streams, as long as there are some."""

    @wraps(answering)  # it may have attributes that gRPC looks for
    def answer(request: Any, context: Context, *others: Any) -> Any:
        if threads.is_full:
            abort(TooManyCallsError(_TOO_MANY), context, name)
        return answering(request, context, *others)

    answer.experimental_thread_pool = threads  # type: ignore[attr-defined]
    return answer


def _answering(
    behaviour: Callable[[Any, Context], Any], name: str
) -> Callable[[Any, Context], Any]:
    def answer(request: Any, context: Context) -> Any:
        try:
            return behaviour(request, context)
        except Exception as error:
            abort(error, context, name)

    return answer


def _streaming(
    behaviour: Callable[[Any, Context], Iterator[Any]], name: str
) -> Callable[[Any, Context], Iterator[Any]]:
    def answer(request: Any, context: Context) -> Iterator[Any]:
        try:
            yield from behaviour(request, context)
        except Exception as error:
            abort(error, context, name)

    return answer
