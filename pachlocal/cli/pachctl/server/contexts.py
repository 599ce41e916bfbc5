"""Commands that show pachctl's configuration; `configuring` writes it."""

from __future__ import annotations

import json

import click

from pachlocal.cli.pachctl.client.config import read_config
from pachlocal.cli.pachctl.options import command
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.errors import CliError

_SECRET = ("session_token",)


@command("active-context")
def get_active_context() -> None:
    """Print the active context's name."""
    config = read_config()
    if not config.active:
        raise CliError(f"{config.path}: no context is active")
    print(config.active)


@command("active-enterprise-context")
def get_active_enterprise_context() -> None:
    """Print the enterprise server's context, by default the active one."""
    config = read_config()
    print(config.enterprise or config.active)


@command("metrics")
def get_metrics() -> None:
    """Print whether Pachyderm's own pachctl reports its usage; this one never does."""
    print(str(read_config().metrics).lower())


@command("context")
def list_context() -> None:
    """List the contexts; a star marks the active one."""
    config = read_config()
    table = Table("ACTIVE\tNAME")
    for name in sorted(config.contexts):
        table.row("*" if name == config.active else " ", name, closed=False)
    table.flush()


@command("context")
@click.argument("name", required=False)
def get_context(name: str | None) -> None:
    """Print a context without its secrets, by default the active one."""
    config = read_config()
    name = name or config.active
    if name not in config.contexts:
        raise CliError(f'{config.path}: there is no context "{name}"')
    context = {key: value for key, value in config.contexts[name].items() if key not in _SECRET}
    print(json.dumps(context, indent=2))
