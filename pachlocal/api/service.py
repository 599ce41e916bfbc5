"""Serving: from a service's descriptor and a plain object to handlers that gRPC calls.

A method that the object lacks answers UNIMPLEMENTED with a sentence. Errors of the domain become
statuses here, and nowhere else.
"""

from __future__ import annotations

import errno
import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from pachlocal import errors

_log = logging.getLogger(__name__)

Context: TypeAlias = grpc.ServicerContext

_CODES: dict[type[errors.PachError], grpc.StatusCode] = {
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    errors.InvalidArgumentError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.FailedPreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ConflictError: grpc.StatusCode.UNKNOWN,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    errors.DamagedStoreError: grpc.StatusCode.DATA_LOSS,
}


# What isn't served, and why; callers are told.
_UNSERVED = {
    "admin_v2.API.RestartPachyderm": "stop and start the daemon: pachlocal down, pachlocal up",
    "debug_v2.Debug.Dump": "use DumpV2",
    "pfs_v2.API.Egress": "there is no object store; take results out with: get file -r",
    "pfs_v2.API.ForgetCommit": "drop or squash the commit, then: pachlocal gc",
    "pps_v2.API.PipelinesSummary": "list the pipelines",
    "pps_v2.API.RenderTemplate": "jsonnet is not part of pachlocal; render the spec with jsonnet",
    "pps_v2.API.SetClusterDefaults": "there are no defaults; write them into the specs",
    "pps_v2.API.SetProjectDefaults": "there are no defaults; write them into the specs",
    "pps_v2.API.UpdateJobState": "only a cluster's own workers call it",
}


class CallerGoneError(Exception):
    """The caller hung up, or the server stops, while a call was waiting."""


def handlers(service: ServiceDescriptor, implementation: object) -> grpc.GenericRpcHandler:
    """Make the handlers of a service.

    Args:
        service: Its descriptor.
        implementation: Has a method `create_repo(request, context)` for the call `CreateRepo`.
    """
    table = {method.name: _handler(method, implementation) for method in service.methods}
    return grpc.method_handlers_generic_handler(service.full_name, table)


def is_served(method: MethodDescriptor, implementation: object) -> bool:
    """Whether an object has what a call needs."""
    return hasattr(implementation, snake_case(method.name))


def unserved_reason(method: MethodDescriptor) -> str:
    """Say why a call is not served, or what to do instead."""
    return _UNSERVED.get(method.full_name, "it needs a Pachyderm cluster")


def snake_case(name: str) -> str:
    """Turn a call's name into a method's: `GetFileTAR` is `get_file_tar`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


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


def _handler(method: MethodDescriptor, implementation: object) -> grpc.RpcMethodHandler[Any, Any]:
    behaviour = getattr(implementation, snake_case(method.name), None)
    if behaviour is None:
        behaviour = _unserved(method)
    if method.client_streaming:
        behaviour = _hearing_out(behaviour)
    wrapped = _streaming(behaviour) if method.server_streaming else _answering(behaviour)
    kind = "_".join(
        "stream" if streaming else "unary"
        for streaming in (method.client_streaming, method.server_streaming)
    )
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    result: grpc.RpcMethodHandler[Any, Any] = make(
        wrapped,
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=GetMessageClass(method.output_type).SerializeToString,
    )
    return result


def _unserved(method: MethodDescriptor) -> Callable[[Any, Context], NoReturn]:
    def refuse(request: Any, context: Context) -> NoReturn:
        raise errors.UnsupportedError(
            f"{method.name} is not served by pachlocal: {unserved_reason(method)}"
        )

    return refuse


def _hearing_out(behaviour: Callable[[Any, Context], Any]) -> Callable[[Any, Context], Any]:
    return lambda requests, context: behaviour(_whole(requests, context), context)


def _whole(requests: Iterator[Any], context: Context) -> Iterator[Any]:
    """Yield the messages of a stream, which has to end and not to break off.

    gRPC's iterator ends in both cases: its thread tells first that no message comes, and then why.
    To ask for one more goes through the same queue, so that it has told both when that is answered.

    Raises:
        CallerGoneError: It broke off, so that nothing of it may count.
    """
    yield from requests
    next(requests, None)
    if not context.is_active():
        raise CallerGoneError


def _answering(behaviour: Callable[[Any, Context], Any]) -> Callable[[Any, Context], Any]:
    def answer(request: Any, context: Context) -> Any:
        try:
            return behaviour(request, context)
        except Exception as error:
            _abort(error, context)

    return answer


def _streaming(
    behaviour: Callable[[Any, Context], Iterator[Any]],
) -> Callable[[Any, Context], Iterator[Any]]:
    def answer(request: Any, context: Context) -> Iterator[Any]:
        try:
            yield from behaviour(request, context)
        except Exception as error:
            _abort(error, context)

    return answer


def _abort(error: Exception, context: Context) -> NoReturn:
    for kind in type(error).__mro__:
        code = _CODES.get(kind)
        if code is not None:
            context.abort(code, str(error))
    if isinstance(error, CallerGoneError) or not context.is_active():
        context.abort(grpc.StatusCode.CANCELLED, "the call was cancelled")
    if full := _full_disk(error):
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, full)
    _log.error("a call failed", exc_info=error)
    context.abort(grpc.StatusCode.INTERNAL, f"internal error: {error}; see the daemon's log")


def _full_disk(error: Exception) -> str:
    """Say that a call failed because the disk is full; empty when that isn't why."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error.strerror}: the disk of the store is full"
    # SQLITE_FULL; Python 3.10 gives no error code.
    if isinstance(error, sqlite3.OperationalError) and str(error) == "database or disk is full":
        return str(error)
    return ""
