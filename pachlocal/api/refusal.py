"""How a call fails: errors of the domain become a status and one line, here and nowhere else."""

from __future__ import annotations

import logging
from typing import NoReturn

import grpc
from google.rpc import error_details_pb2, status_pb2

from pachlocal import errors
from pachlocal.errors import CallerGoneError, NotFinishedError
from pachlocal.storage import disk
from pachlocal.storage.database import damage
from pachlocal.untrusted import printable

DETAILS = "grpc-status-details-bin"
"""The metadata in which gRPC sends a whole google.rpc.Status."""

_log = logging.getLogger(__name__)

_CODES: dict[type[errors.PachError], grpc.StatusCode] = {
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    errors.InvalidArgumentError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.FailedPreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.DeadlineError: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.InfrastructureError: grpc.StatusCode.UNAVAILABLE,
    errors.UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    errors.TooManyCallsError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DamagedStoreError: grpc.StatusCode.DATA_LOSS,
}

# A status goes out in HTTP/2 trailers, of which gRPC takes 8 KiB, and up to 12 bytes are needed for
# a character (gRPC over HTTP2, Status-Message). What doesn't fit would reach nobody.
_LONGEST = 600  # characters


def abort(error: Exception, context: grpc.ServicerContext, method: str) -> NoReturn:
    """End a call for an error; see `status`."""
    code, line = status(error, context, method)
    if isinstance(error, NotFinishedError):
        context.set_trailing_metadata(((DETAILS, _details(error, code, line)),))
    context.abort(code, line)


def status(
    error: Exception, context: grpc.ServicerContext, method: str
) -> tuple[grpc.StatusCode, str]:
    """Return what to say of an error: a code, and a line.

    Args:
        error: What happened. What isn't of the domain is a fault of ours: it is logged whole, and
            the caller learns that it is.
        context: The call.
        method: Its full name.
    """
    codes = grpc.StatusCode
    for kind in type(error).__mro__:
        code = _CODES.get(kind)
        if code is not None:
            return code, _short(str(error))
    if problem := damage(error):
        return codes.DATA_LOSS, _short(f"{problem}; see: fsck")
    if isinstance(error, CallerGoneError) or not context.is_active():
        return codes.CANCELLED, "the call was cancelled"
    if trouble := disk.trouble(error):
        full = disk.is_full(error)
        return codes.RESOURCE_EXHAUSTED if full else codes.FAILED_PRECONDITION, trouble
    _log.error("%s failed", method, exc_info=error)
    return codes.INTERNAL, f"internal error in {method}: see the log of the daemon"


def _details(error: NotFinishedError, code: grpc.StatusCode, line: str) -> bytes:
    """Return the status with the resource that it is about, as clients in Go read it."""
    whole = status_pb2.Status(code=code.value[0], message=line)
    whole.details.add().Pack(
        error_details_pb2.ResourceInfo(
            resource_type=error.resource_type,
            resource_name=error.resource,
            description=error.description,
        )
    )
    content: bytes = whole.SerializeToString()
    return content


def _short(text: str) -> str:
    return printable(printable(text, _LONGEST), _LONGEST)  # escapes make it longer
