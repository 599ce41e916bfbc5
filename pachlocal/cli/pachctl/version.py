"""The version of client and server."""

from __future__ import annotations

import sys

import click

from pachlocal import __version__
from pachlocal.cli.pachctl.options import command, output_options, pass_session
from pachlocal.cli.pachctl.session import Session
from pachlocal.cli.pachctl.tables import align

_TIMEOUT_SECONDS = 5


@command("version")
@click.option("--client-only", is_flag=True, help="Only this program's; ask no server.")
@output_options
@pass_session
def version(session: Session, client_only: bool, raw: str | None) -> None:
    """Print this program's version, and the server's."""
    if raw:
        _print_raw(session, client_only, raw)
        return
    if client_only:
        print(__version__)
        return
    _print_lines("COMPONENT\tVERSION\t", f"pachctl\t{__version__}\t")
    sys.stdout.flush()  # this much is known, also without a server

    from google.protobuf import empty_pb2

    server = session.server.version.GetVersion(empty_pb2.Empty(), timeout=_TIMEOUT_SECONDS)
    _print_lines(f"pachd\t{server.major}.{server.minor}.{server.micro}{server.additional}\t")


def _print_raw(session: Session, client_only: bool, raw: str) -> None:
    from google.protobuf import empty_pb2

    from pachlocal.cli.pachctl.printing import print_raw
    from pachlocal.proto import version_pb2

    major, minor, micro = (int(part) for part in __version__.split(".")[:3])
    print_raw([version_pb2.Version(major=major, minor=minor, micro=micro)], raw)
    if not client_only:
        answer = session.server.version.GetVersion(empty_pb2.Empty(), timeout=_TIMEOUT_SECONDS)
        print_raw([answer], raw)


def _print_lines(*lines: str) -> None:
    for line in align(lines, minimum=20, padding=3):
        print(line)
