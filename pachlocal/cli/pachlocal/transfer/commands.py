"""The commands, as click knows them. What they need from gRPC is loaded when they run."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pachlocal.cli.pachctl.client.session import Session

_address_option = click.option(
    "--address",
    metavar="ADDRESS",
    help="The server, as grpc://HOST:PORT.  [default: the one that pachctl uses]",
)


@click.command("export")
@click.argument("names", nargs=-1, metavar="[REPO]...")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("export.tar"),
    show_default=True,
    metavar="FILE",
    help="The file to write.",
)
@click.option("--project", metavar="NAME", help="The project to export.  [default: pachctl's]")
@_address_option
def export_command(
    names: tuple[str, ...], output: Path, project: str | None, address: str | None
) -> None:
    """Write repos and pipelines, of pachlocal or of a cluster, to a tar file.

    The file has all finished commits of repos, and the specifications of pipelines, whose output
    is recomputed after an import. REPO may name a pipeline, which is exported with everything
    that it reads. Without REPO, the whole project is exported. Secrets are not exported.

    Example: pachlocal export -o iris.tar inference
    """
    with _asking(address) as session:
        from pachlocal.cli.pachlocal.transfer.exporting import export

        export(session, session.project(project), names, output)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option("--replace", is_flag=True, help="Delete repos and pipelines of the same names first.")
@click.option(
    "--project", metavar="NAME", help="The project to import into.  [default: the exported one]"
)
@click.option(
    "--mapping",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the commits' old and new IDs to FILE, as JSON.",
)
@_address_option
def import_command(
    file: Path, replace: bool, project: str | None, mapping: Path | None, address: str | None
) -> None:
    """Create the repos and pipelines of an export, on pachlocal or on a cluster.

    FILE was written by `pachlocal export`, or is a folder into which it was unpacked. It is checked
    before anything is changed, and each commit is read back. Commits get new IDs, which are
    printed.

    Example: pachlocal import iris.tar
    """
    with _asking(address) as session:
        from pachlocal.cli.pachlocal.transfer.archive import ArchiveReader
        from pachlocal.cli.pachlocal.transfer.importing import import_

        reader = ArchiveReader(file)
        try:
            import_(session, reader, project, replace=replace, mapping=mapping)
        finally:
            reader.close()


def _asking(address: str | None) -> AbstractContextManager[Session]:
    """Open a session with a server; see `pachlocal.cli.pachlocal.calling.asking`."""
    from pachlocal.cli.pachctl.client.config import settings_at
    from pachlocal.cli.pachlocal.calling import asking

    return asking(partial(settings_at, address, "--address") if address else None)
