"""Upkeep of a store, by the daemon that has it: `pachlocal fsck` and `pachlocal gc`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import click
import grpc

from pachlocal.cli.pachctl.printing import size
from pachlocal.proto import local_pb2, local_pb2_grpc, pfs_pb2, pfs_pb2_grpc


def check(address: str) -> bool:
    """Print what is damaged; tell whether nothing is."""
    sound = True
    with _calling(address) as channel:
        for answer in pfs_pb2_grpc.APIStub(channel).Fsck(pfs_pb2.FsckRequest()):
            sound = sound and not answer.error
            click.echo(answer.error or answer.fix)
    if sound:
        click.echo("No errors found.")
    return sound


def collect(address: str, *, dry_run: bool) -> None:
    """Free what no commit and no job needs, and say how much it is.

    Args:
        address: The daemon's.
        dry_run: Only say it.

    Raises:
        click.ClickException: Writes under way kept it from looking at everything.
    """
    with _calling(address) as channel:
        request = local_pb2.CollectGarbageRequest(dry_run=dry_run)
        answer = local_pb2_grpc.LocalStub(channel).CollectGarbage(request)
    if not answer.complete:
        raise click.ClickException("writes are under way that take long; try again after them")
    objects = "1 object" if answer.objects == 1 else f"{answer.objects} objects"
    click.echo(f"{'would free' if dry_run else 'freed'} {objects}, {size(answer.size_bytes)}")


@contextmanager
def _calling(address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(address.removeprefix("grpc://")) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            details = cast("grpc.Call", error).details()  # what a stub raises is also the call
            raise click.ClickException(f"{address}: {details}") from None
