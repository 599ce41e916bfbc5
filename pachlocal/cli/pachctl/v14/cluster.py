"""Commands on the server as a whole, as in 1.4."""

from __future__ import annotations

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import pass_session
from pachlocal.cli.pachctl.printing.words import confirm
from pachlocal.cli.pachctl.server.delete_all import delete_everything
from pachlocal.cli.pachctl.v14.options import old_command
from pachlocal.cli.pachctl.v14.printing import size
from pachlocal.errors import CliError


@old_command("delete-all")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@pass_session
def delete_all(session: Session, yes: bool) -> None:
    """Delete everything: repos, commits, files, pipelines, jobs."""
    question = f"All repos, pipelines and jobs on {session.server.address} go. Go on?"
    if yes or confirm(question):
        delete_everything(session)
    else:
        print("Nothing was deleted.")


@old_command("garbage-collect")
@pass_session
def garbage_collect(session: Session) -> None:
    """Free the space of files that no commit refers to any more."""
    local = session.server.local
    if local is None:
        raise CliError("this server frees space by itself")
    from pachlocal.proto import local_pb2

    answer = local.CollectGarbage(local_pb2.CollectGarbageRequest())
    if not answer.complete:
        raise CliError("writes are under way that take long; try again after them")
    print(f"Freed {answer.objects} objects, {size(answer.size_bytes)}")


@old_command("port-forward")
@pass_session
def port_forward(session: Session) -> None:
    """Print the server's address; no forwarding is needed."""
    print(f"There is nothing to forward: the server answers at {session.server.address}")
