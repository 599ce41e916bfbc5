"""delete all: an empty server."""

from __future__ import annotations

import click
from google.protobuf import empty_pb2

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import command, pass_session
from pachlocal.cli.pachctl.printing.words import confirm, paint
from pachlocal.proto import pfs_pb2, pps_pb2, transaction_pb2


@command("all")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@pass_session
def delete_all(session: Session, yes: bool) -> None:
    """Delete everything on the server: repos, pipelines, jobs, projects."""
    if not yes:
        server = session.server
        repos = server.pfs.ListRepo(pfs_pb2.ListRepoRequest(type="user"))
        pipelines = server.pps.ListPipeline(pps_pb2.ListPipelineRequest(details=True))
        _print_names("Repos", [f"{it.repo.project.name}/{it.repo.name}" for it in repos])
        _print_names(
            "Pipelines", [f"{it.pipeline.project.name}/{it.pipeline.name}" for it in pipelines]
        )
        print(f"All data on {server.address} will be deleted.")
        if not confirm("Go on?"):
            print("Nothing was deleted.")
            return
    delete_everything(session)


def delete_everything(session: Session) -> None:
    """Delete everything, unasked."""
    session.server.pps.DeleteAll(empty_pb2.Empty())
    session.server.pfs.DeleteAll(empty_pb2.Empty())
    session.server.transactions.DeleteAll(transaction_pb2.DeleteAllRequest())
    session.active_transaction = ""


def _print_names(title: str, names: list[str]) -> None:
    if names:
        print(f"{title}: " + ", ".join(paint(name, "red") for name in names))
