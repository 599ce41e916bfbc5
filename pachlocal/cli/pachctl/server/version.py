"""The version of client and server."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

import click

from pachlocal import __version__
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import command, output_options, pass_session
from pachlocal.cli.pachctl.printing.tables import align
from pachlocal.durations import parse_nanoseconds

_TIMEOUT_SECONDS = 5
_LIBRARIES = ("click", "grpcio", "protobuf", "PyYAML")


def _read_timeout(_context: click.Context, _option: click.Parameter, value: str) -> float | None:
    """Return seconds; None for as long as it takes."""
    if value == "default":
        return _TIMEOUT_SECONDS
    try:
        return parse_nanoseconds(value) / 10**9 or None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@command("version")
@click.option(
    "--client-only", is_flag=True, help="Print only this program's; don't call the server."
)
@click.option("--compare", is_flag=True, help="Exit with 1 if they differ.")
@click.option("--enterprise", is_flag=True, hidden=True, expose_value=False)
@click.option("--print-architecture", is_flag=True, help="Print the machine's architecture, too.")
@click.option(
    "--timeout",
    callback=_read_timeout,
    default="default",
    metavar="TIME",
    help="How long to wait for the server, such as 30s; 0 means without limit.",
)
@output_options
@pass_session
def version(
    session: Session,
    client_only: bool,
    compare: bool,
    print_architecture: bool,
    timeout: float | None,
    raw: str | None,
) -> None:
    """Print this program's version, and the server's.

    The server's version is the Pachyderm release whose API it serves.
    """
    if print_architecture:
        print(platform.machine())
        print(platform.system().lower())
    if raw:
        _print_raw(session, client_only, raw, timeout)
        return
    if client_only:
        print(__version__)
        return
    _print_lines("COMPONENT\tVERSION\t", f"pachctl\t{__version__}\t")
    sys.stdout.flush()  # this much is known, also without a server

    from google.protobuf import empty_pb2

    server = session.server.version.GetVersion(empty_pb2.Empty(), timeout=timeout)
    of_server = f"{server.major}.{server.minor}.{server.micro}{server.additional}"
    _print_lines(f"pachd\t{of_server}\t")
    if compare and of_server != __version__:
        raise click.exceptions.Exit(1)


def _print_raw(session: Session, client_only: bool, raw: str, timeout: float | None) -> None:
    from google.protobuf import empty_pb2

    from pachlocal.cli.pachctl.printing.words import print_raw
    from pachlocal.proto import version_pb2

    major, minor, micro = (int(part) for part in __version__.split(".")[:3])
    print_raw([version_pb2.Version(major=major, minor=minor, micro=micro)], raw)
    if not client_only:
        answer = session.server.version.GetVersion(empty_pb2.Empty(), timeout=timeout)
        print_raw([answer], raw)


def _print_lines(*lines: str) -> None:
    for line in align(lines, minimum=20, padding=3):
        print(line)


@command("buildinfo")
def buildinfo() -> None:
    """Print the versions of Python and of libraries that this program uses."""
    print(f"python\t{platform.python_version()}")
    print(f"mod\tpachlocal\t{__version__}")
    for name in _LIBRARIES:
        print(f"dep\t{name}\t{metadata.version(name)}")
