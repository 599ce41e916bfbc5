"""next datum: how a script asks its worker for data, when its pipeline batches datums."""

from __future__ import annotations

import os

import click

from pachlocal.cli.pachctl.options import command
from pachlocal.errors import CliError

_PORT = "PPS_WORKER_GRPC_PORT"


@command("datum")
@click.option("--error", default="", help="Why the previous datum failed; empty if it succeeded.")
def next_datum(error: str) -> None:
    """Report that a datum is done, and wait for the next one in /pfs.

    For scripts of a pipeline with transform.datum_batching; the first call only reports that the
    script is ready.
    """
    port = os.environ.get(_PORT)
    if not port:
        raise CliError(f"{_PORT} is not set: this is for programs that a pipeline runs")
    import grpc

    from pachlocal.proto import worker_pb2, worker_pb2_grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        worker_pb2_grpc.WorkerStub(channel).NextDatum(worker_pb2.NextDatumRequest(error=error))
