"""fsck: is everything that the server stores sound?"""

from __future__ import annotations

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import command, pass_session, project_option
from pachlocal.cli.pachctl.references import COMMIT, Reference
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2


@command("fsck")
@click.option("-f", "--fix", is_flag=True, help="Repair damage where possible.")
@click.option("--zombie", type=COMMIT, help="Look in this commit for output of deleted inputs.")
@click.option("--zombie-all", is_flag=True, help="Do the same in the output of all pipelines.")
@project_option
@pass_session
def fsck(
    session: Session, fix: bool, zombie: Reference | None, zombie_all: bool, project: str | None
) -> None:
    """Read the whole store and print what is damaged; ends with exit code 1 if anything is."""
    if zombie and zombie_all:
        raise click.UsageError("--zombie and --zombie-all exclude each other.")
    request = pfs_pb2.FsckRequest(fix=fix)
    if zombie:
        request.zombie_target.CopyFrom(zombie.to_commit(session.project(project)))
    elif zombie_all:
        request.zombie_all = True
    errors = fixes = 0
    for answer in session.server.pfs.Fsck(request):
        if answer.error:
            errors += 1
            print(f"Error: {answer.error}")
        if answer.fix:
            fixes += 1
            print(f"Fixed: {answer.fix}")
    if errors:
        raise CliError("1 error found" if errors == 1 else f"{errors} errors found")
    if not fixes:
        print("No errors found.")
