"""The commands, as click knows them. What they need from gRPC is loaded when they run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pachlocal.cli.pachctl.session import Session

_address_option = click.option(
    "--address",
    metavar="ADDRESS",
    help="The server, as grpc://HOST:PORT.  [default: the one that pachctl asks]",
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
@click.option("--project", metavar="NAME", help="Of which project.  [default: pachctl's]")
@_address_option
def export_command(
    names: tuple[str, ...], output: Path, project: str | None, address: str | None
) -> None:
    """Write repos and pipelines, of pachlocal or of a cluster, to a tar file.

    It holds all finished commits of repos, and the specifications of pipelines, whose output is
    computed anew where they are imported. REPO may name a pipeline: then it comes with all that it
    reads. Without REPO it is all of the project. Secrets stay where they are.

    Example: pachlocal export -o iris.tar inference
    """
    with _asking(address) as session:
        from pachlocal.cli.transfer.exporting import export

        export(session, session.project(project), names, output)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option("--replace", is_flag=True, help="Delete repos and pipelines of the same names first.")
@click.option(
    "--project", metavar="NAME", help="Into which project.  [default: that of the export]"
)
@click.option(
    "--mapping",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write, as JSON, which commit has become which.",
)
@_address_option
def import_command(
    file: Path, replace: bool, project: str | None, mapping: Path | None, address: str | None
) -> None:
    """Make the repos and pipelines of an export, on pachlocal or on a cluster.

    FILE is what `pachlocal export` wrote, or a folder it was unpacked to. It is checked before
    anything is changed, and each commit is read back. Commits get other IDs, which are printed.

    Example: pachlocal import iris.tar
    """
    with _asking(address) as session:
        from pachlocal.cli.transfer.archive import Reader
        from pachlocal.cli.transfer.importing import import_

        reader = Reader(file)
        try:
            import_(session, reader, project, replace=replace, mapping=mapping)
        finally:
            reader.close()


@contextmanager
def _asking(address: str | None) -> Iterator[Session]:
    """Open a session with a server.

    Raises:
        Failure: It doesn't answer, or refuses.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # gRPC's core would write its own lines
    import grpc

    from pachlocal.cli.pachctl.config import Settings
    from pachlocal.cli.pachctl.connection import explain
    from pachlocal.cli.pachctl.errors import CliError
    from pachlocal.cli.pachctl.session import Session
    from pachlocal.cli.pachlocal import Failure

    session = Session()
    try:
        if address:  # whose the configured token is nobody knows: it isn't sent there
            session.settings = Settings(address=address, origin="--address")
        yield session
    except CliError as error:
        raise Failure(str(error)) from None
    except grpc.RpcError as error:
        raise Failure(explain(error, session)) from None
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        raise Failure(f"{name}{error.strerror or error}") from None
    finally:
        session.close()
