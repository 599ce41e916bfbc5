"""The context `pachlocal` in the user's configuration of pachctl, for Pachyderm's own clients."""

from __future__ import annotations

from pathlib import Path

import click

from pachlocal import contexts
from pachlocal.cli.pachctl.client.config import find_file
from pachlocal.errors import ConfigError


def write(config: Path) -> Path:
    """Put a daemon's context into the user's file, and make it the active one; return the file.

    Args:
        config: The file that the daemon has written.

    Raises:
        click.ClickException: The user's file is not what it should be, or can't be written.
    """
    file = find_file()
    try:
        if not _is_same(file, config):
            file.parent.mkdir(mode=0o700, exist_ok=True)
            contexts.put(file, contexts.context_in(config), active=True)
    except (ConfigError, OSError) as error:
        raise click.ClickException(f"{file} is left unchanged: {error}") from None
    return file


def deployment(config: Path) -> str:
    """Return the ID of the store whose daemon has written a file; empty if none has."""
    try:
        return str(contexts.context_in(config).get("cluster_deployment_id", ""))
    except (ConfigError, OSError):
        return ""  # the daemon will say it


def renew(config: Path, before: str) -> None:
    """Bring the user's file up to date after a start, if it has this store's context.

    Args:
        config: The file that the daemon has written.
        before: The store's ID as it was before the start: a new store has a new one.
    """
    file = find_file()
    try:
        mine = contexts.context_in(file)
        if before and mine.get("cluster_deployment_id") == before and not _is_same(file, config):
            contexts.put(file, contexts.context_in(config), active=False)
    except (ConfigError, OSError) as error:
        click.echo(f"note: the context in {file} was not renewed: {error}", err=True)


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
