"""How a failed call looks in HTTP: the mapping and the form of grpc-gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2 as _known_details  # noqa: F401 - to know the types
from google.rpc import status_pb2
from starlette.responses import Response

from pachlocal.web.jsonpb import to_json

_DETAILS = "grpc-status-details-bin"

_HTTP = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
}


def http_status(code: grpc.StatusCode) -> int:
    """Return the HTTP status for a gRPC status."""
    return _HTTP[code]


def as_json(
    code: grpc.StatusCode, message: str, details: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Return a status in the JSON form of google.rpc.Status."""
    number: int = code.value[0]
    return {"code": number, "message": message, "details": list(details)}


def error_json(problem: grpc.aio.AioRpcError) -> dict[str, Any]:
    """Return the status of a failed call, with what the server says beside the message."""
    found = [
        detail
        for key, value in problem.trailing_metadata() or ()
        if key == _DETAILS and isinstance(value, bytes)
        for detail in _details(value)
    ]
    return as_json(problem.code(), problem.details() or "", found)


def _details(content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the details of a google.rpc.Status, but for those of types that we don't know."""
    try:
        status = status_pb2.Status.FromString(content)
    except DecodeError:
        return
    for detail in status.details:
        try:
            kind = descriptor_pool.Default().FindMessageTypeByName(detail.TypeName())
            message = GetMessageClass(kind).FromString(detail.value)
        except (KeyError, DecodeError):
            continue
        yield {"@type": detail.type_url, **json.loads(to_json(message))}


def answer(code: grpc.StatusCode, message: str) -> Response:
    """Return the answer to a call that is refused here."""
    return _answer(code, as_json(code, message))


def failure(problem: grpc.aio.AioRpcError) -> Response:
    """Return the answer to a call that failed."""
    return _answer(problem.code(), error_json(problem))


def _answer(code: grpc.StatusCode, content: dict[str, Any]) -> Response:
    return Response(json.dumps(content), http_status(code), media_type="application/json")


def plain(problem: grpc.aio.AioRpcError | grpc.Call) -> Response:
    """Return the answer, in words, to a request for a file that failed; a header has the code."""
    code = problem.code()
    headers = {"grpc-status": str(code.value[0])}
    return Response(f"{problem.details()}\n", http_status(code), headers, "text/plain")
