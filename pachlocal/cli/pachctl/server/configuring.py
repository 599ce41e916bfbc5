"""Commands that write pachctl's configuration: which servers there are, and which is meant."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pachlocal import contexts
from pachlocal.cli.pachctl.client.address import parse_address
from pachlocal.cli.pachctl.client.config import find_file
from pachlocal.cli.pachctl.client.local_files import STDIN, read_bytes, read_text
from pachlocal.cli.pachctl.options import command
from pachlocal.errors import CliError, ConfigError
from pachlocal.untrusted import parse_json

_overwrite_option = click.option("--overwrite", is_flag=True, help="In the place of one of before.")


@command("connect")
@click.argument("address")
@click.option("--alias", metavar="NAME", help="The context's name, instead of the address.")
def connect(address: str, alias: str | None) -> None:
    """Create a context for a server's address, unless there is one, and make it active."""
    name = alias or address
    where = str(parse_address(address, "the command line"))

    def change(section: dict[str, Any], found: dict[str, Any]) -> None:
        if name not in found:
            found[name] = {"pachd_address": where}
            print(f"New context '{name}' created, will connect to Pachyderm at {where}")
        section["active_context"] = name

    _change(change)
    print(f"Context '{name}' set as active")


@command("active-context")
@click.argument("name", metavar="CONTEXT")
def set_active_context(name: str) -> None:
    """Make a context the active one."""

    def change(section: dict[str, Any], found: dict[str, Any]) -> None:
        _named(found, name)
        section["active_context"] = name

    _change(change)


@command("active-enterprise-context")
@click.argument("name", metavar="CONTEXT")
def set_active_enterprise_context(name: str) -> None:
    """Set the enterprise server's context, for Pachyderm's own pachctl."""

    def change(section: dict[str, Any], found: dict[str, Any]) -> None:
        _named(found, name)
        section["active_enterprise_context"] = name

    _change(change)


@command("metrics")
@click.argument("metrics", type=click.BOOL, metavar="true|false")
def set_metrics(metrics: bool) -> None:
    """Set whether Pachyderm's own pachctl reports its usage; this one never does."""

    def change(section: dict[str, Any], _: dict[str, Any]) -> None:
        section["metrics"] = metrics

    _change(change)


@command("context")
@click.argument("name", metavar="CONTEXT")
@_overwrite_option
def set_context(name: str, overwrite: bool) -> None:
    """Create a context from JSON on standard input, as `config get context` prints it."""
    try:
        fields = parse_json(read_text(STDIN))
    except ValueError as error:
        raise CliError(f"malformed context: {error}") from None
    if not isinstance(fields, dict):
        raise CliError("malformed context: expected an object")
    if fields.get("pachd_address"):
        fields["pachd_address"] = str(parse_address(fields["pachd_address"], "pachd_address"))

    def change(_: dict[str, Any], found: dict[str, Any]) -> None:
        if name in found and not overwrite:
            raise CliError(
                f"context '{name}' already exists, use `--overwrite` if you wish to replace it"
            )
        found[name] = fields

    _change(change)


@command("context")
@click.argument("name", metavar="[CONTEXT]", required=False)
@click.option("--pachd-address", metavar="ADDRESS", help="The server's address.")
@click.option("--project", metavar="NAME", help="The project that commands use by default.")
@click.option("--server-cas", metavar="FILE", help="Certificate authorities to trust (PEM).")
@click.option("--cluster-name", metavar="NAME", help="For Kubernetes.")
@click.option("--auth-info", metavar="NAME", help="For Kubernetes.")
@click.option("--namespace", metavar="NAME", help="For Kubernetes.")
@click.option("--remove-cluster-deployment-id", is_flag=True, help="Forget the server's ID.")
def update_context(
    name: str | None,
    pachd_address: str | None,
    server_cas: str | None,
    remove_cluster_deployment_id: bool,
    **fields: str | None,
) -> None:
    """Change a context, by default the active one."""
    new: dict[str, Any] = {key: value for key, value in fields.items() if value is not None}
    if pachd_address is not None:
        new["pachd_address"] = str(parse_address(pachd_address, "--pachd-address"))
    if server_cas is not None:
        new["server_cas"] = base64.b64encode(read_bytes(server_cas)).decode()

    def change(section: dict[str, Any], found: dict[str, Any]) -> None:
        context = _named(found, name or section.get("active_context") or "")
        context.update(new)
        if remove_cluster_deployment_id:
            context.pop("cluster_deployment_id", None)

    _change(change)


@command("context")
@click.argument("name", metavar="CONTEXT")
def delete_context(name: str) -> None:
    """Delete a context, which must not be the active one."""

    def change(section: dict[str, Any], found: dict[str, Any]) -> None:
        _named(found, name)
        if section.get("active_context") == name:
            raise CliError("cannot delete an active context")
        del found[name]

    _change(change)


def _named(found: dict[str, Any], name: str) -> dict[str, Any]:
    context = found.get(name)
    if not isinstance(context, dict):
        raise CliError(f"context does not exist: {name}")
    return context


def _change(change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Change the configuration file's section of 2.x, and its contexts.

    Raises:
        CliError: It can't be read or written, or isn't pachctl's.
    """
    path: Path = find_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        contexts.edit(path, change)
    except ConfigError as error:
        raise CliError(str(error)) from None
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}") from None
