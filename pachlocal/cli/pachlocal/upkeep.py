"""Upkeep of a store, by the daemon that has it: `pachlocal fsck` and `pachlocal gc`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pachlocal.cli.pachctl.printing.words import size
from pachlocal.cli.pachlocal.calling import calling
from pachlocal.proto import local_pb2, local_pb2_grpc, pfs_pb2

if TYPE_CHECKING:
    from pachlocal.cli.pachlocal.daemon import Daemon


def check(daemon: Daemon) -> bool:
    """Print what is damaged; tell whether nothing is."""
    sound = True
    with calling(daemon) as server:
        for answer in server.pfs.Fsck(pfs_pb2.FsckRequest()):
            sound = sound and not answer.error
            click.echo(answer.error or answer.fix)
    if sound:
        click.echo("No errors found.")
    return sound


def collect(daemon: Daemon, *, dry_run: bool) -> None:
    """Free what no commit and no job needs, and say how much it is.

    Args:
        daemon: Which.
        dry_run: Only say it.

    Raises:
        click.ClickException: Writes under way kept it from looking at everything.
    """
    with calling(daemon) as server:
        request = local_pb2.CollectGarbageRequest(dry_run=dry_run)
        answer = local_pb2_grpc.LocalStub(server.channel).CollectGarbage(request)
    if not answer.complete:
        raise click.ClickException("writes are under way that take long; try again after them")
    objects = "1 object" if answer.objects == 1 else f"{answer.objects} objects"
    click.echo(f"{'would free' if dry_run else 'freed'} {objects}, {size(answer.size_bytes)}")
