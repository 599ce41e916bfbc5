"""Commands on secrets."""

from __future__ import annotations

from collections.abc import Iterable

import click
from google.protobuf.empty_pb2 import Empty

from pachlocal.cli.pachctl.client.local_files import read_bytes
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import command, output_options, pass_session
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.words import moment, print_raw
from pachlocal.proto import pps_pb2

_HEADER = "NAME\tTYPE\tCREATED"


@command("secret")
@click.option(
    "-f", "--file", required=True, metavar="FILE", help="A Kubernetes Secret in JSON; - is stdin."
)
@pass_session
def create_secret(session: Session, file: str) -> None:
    """Store a secret that pipelines can ask for in transform.secrets."""
    session.server.pps.CreateSecret(pps_pb2.CreateSecretRequest(file=read_bytes(file)))


@command("secret")
@output_options
@pass_session
def list_secret(session: Session, raw: str | None) -> None:
    """List secrets, without their values."""
    infos = session.server.pps.ListSecret(Empty()).secret_info
    _print(infos, raw)


@command("secret")
@click.argument("name", metavar="SECRET")
@output_options
@pass_session
def inspect_secret(session: Session, name: str, raw: str | None) -> None:
    """Describe a secret, without its values."""
    request = pps_pb2.InspectSecretRequest(secret=pps_pb2.Secret(name=name))
    _print([session.server.pps.InspectSecret(request)], raw)


@command("secret")
@click.argument("name", metavar="SECRET")
@pass_session
def delete_secret(session: Session, name: str) -> None:
    """Delete a secret."""
    request = pps_pb2.DeleteSecretRequest(secret=pps_pb2.Secret(name=name))
    session.server.pps.DeleteSecret(request)


def _print(infos: Iterable[pps_pb2.SecretInfo], raw: str | None) -> None:
    if raw:
        print_raw(infos, raw)
        return
    table = Table(_HEADER)
    for info in infos:
        created = moment(info, "creation_timestamp", full=False)
        table.row(info.secret.name, info.type, created)
    table.flush()
