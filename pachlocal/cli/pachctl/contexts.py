"""Commands that show pachctl's configuration. They never write it."""

from __future__ import annotations

import json

import click

from pachlocal.cli.pachctl.config import read_config
from pachlocal.cli.pachctl.errors import CliError
from pachlocal.cli.pachctl.options import command
from pachlocal.cli.pachctl.tables import Table

_SECRET = ("session_token",)


@command("active-context")
def get_active_context() -> None:
    """Print the name of the context in force."""
    config = read_config()
    if not config.active:
        raise CliError(f"{config.path}: no context is active")
    print(config.active)


@command("context")
def list_context() -> None:
    """List the contexts; a star marks the one in force."""
    config = read_config()
    table = Table("ACTIVE\tNAME")
    for name in sorted(config.contexts):
        table.row("*" if name == config.active else " ", name, closed=False)
    table.flush()


@command("context")
@click.argument("name", required=False)
def get_context(name: str | None) -> None:
    """Print what a context says, except for what is secret; the active one if none is named."""
    config = read_config()
    name = name or config.active
    if name not in config.contexts:
        raise CliError(f'{config.path}: there is no context "{name}"')
    context = {key: value for key, value in config.contexts[name].items() if key not in _SECRET}
    print(json.dumps(context, indent=2))
