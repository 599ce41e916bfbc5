"""What only pachlocal offers, for commands that need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from pachlocal.cli.pachctl.connection import status_of
from pachlocal.cli.pachctl.errors import CliError
from pachlocal.cli.pachctl.session import Session
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
        raise CliError(f"{session.server.address} is not a pachlocal, and doesn't tell")
    return local


def reasons(session: Session, job: pps_pb2.Job) -> Iterator[tuple[str, str]]:
    """Return the ID of each of a job's datums and why it ran or was skipped.

    Raises:
        CliError: The server doesn't keep reasons.
    """
    local = local_of(session)  # now, and not when the first is asked for
    batches = local.ListDatumReasons(local_pb2.ListDatumReasonsRequest(job=job))
    return ((reason.datum_id, reason.reason) for batch in batches for reason in batch.reasons)


def reason_of(session: Session, datum: pps_pb2.Datum) -> str:
    """Say why a datum ran or was skipped; nothing when the server doesn't keep it."""
    local = session.server.local
    if local is None:
        return ""
    request = local_pb2.ListDatumReasonsRequest(job=datum.job, datum_id=datum.id)
    try:
        found = [reason.reason for it in local.ListDatumReasons(request) for reason in it.reasons]
    except grpc.RpcError as error:
        if status_of(error) is grpc.StatusCode.UNIMPLEMENTED:
            return ""  # an older pachlocal
        raise
    return found[0] if found else ""
