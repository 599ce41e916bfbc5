"""What only pachlocal offers, for commands that need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pachlocal.cli.pachctl.client.failures import call_error, status_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.errors import CliError
from pachlocal.proto import local_pb2, pps_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pachlocal.proto import local_pb2_grpc


def local_of(session: Session) -> local_pb2_grpc.LocalStub:
    """Return the server's service beyond Pachyderm's API.

    Raises:
        CliError: The server is another one.
    """
    local = session.server.local
    if local is None:
        raise CliError(f"{session.server.address} is not a pachlocal, and can't tell that")
    return local


def reasons(session: Session, job: pps_pb2.Job) -> Iterator[local_pb2.DatumReason]:
    """Return the ID of each of a job's datums, why it ran or was skipped, and by which code.

    Raises:
        CliError: The server doesn't keep reasons.
    """
    local = local_of(session)  # now, and not when the first is asked for
    batches = local.ListDatumReasons(local_pb2.ListDatumReasonsRequest(job=job))
    return (reason for batch in batches for reason in batch.reasons)


def code_of(session: Session, job: pps_pb2.Job) -> local_pb2.CodeInfo:
    """Return which code a job ran, and its outputs are by; nothing when the server doesn't know."""
    local = session.server.local
    if local is None:
        return local_pb2.CodeInfo()
    try:
        return local.InspectCode(local_pb2.InspectCodeRequest(job=job))
    except call_error() as error:
        if status_of(error).name == "UNIMPLEMENTED":
            return local_pb2.CodeInfo()  # an older pachlocal
        raise


def remarks_on(session: Session, request: local_pb2.PlannedPipeline) -> list[str]:
    """Return what is to be known before a pipeline is created or updated, a line each."""
    local = session.server.local
    if local is None:
        return []
    try:
        answer = local.ReviewPipeline(request)
        return [
            *(f"warning: {line}" for line in answer.warnings),
            *(f"note: {line}" for line in answer.notes),
        ]
    except call_error() as error:
        # An older pachlocal; or what is wrong with the spec, the call itself says better.
        if status_of(error).name in ("UNIMPLEMENTED", "INVALID_ARGUMENT"):
            return []
        raise


def reason_of(session: Session, datum: pps_pb2.Datum) -> local_pb2.DatumReason:
    """Say why a datum ran or was skipped, and by which code; nothing if that isn't kept."""
    local = session.server.local
    if local is None:
        return local_pb2.DatumReason()
    request = local_pb2.ListDatumReasonsRequest(job=datum.job, datum_ids=[datum.id])
    try:
        found = [reason for it in local.ListDatumReasons(request) for reason in it.reasons]
    except call_error() as error:
        if status_of(error).name == "UNIMPLEMENTED":
            return local_pb2.DatumReason()  # an older pachlocal
        raise
    return found[0] if found else local_pb2.DatumReason()
