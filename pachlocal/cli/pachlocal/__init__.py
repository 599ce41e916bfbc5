"""The command `pachlocal`: runs a Pachyderm on this machine, and looks after its store."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

import pachlocal
from pachlocal.cli import program
from pachlocal.cli.pachlocal.console.command import console
from pachlocal.cli.pachlocal.daemon_commands import context_command, dev, down, logs, status, up
from pachlocal.cli.pachlocal.environment_commands import environment
from pachlocal.cli.pachlocal.offline_commands import doctor, lint, replay
from pachlocal.cli.pachlocal.starting.commands import init
from pachlocal.cli.pachlocal.store_commands import fsck, gc, reset
from pachlocal.cli.pachlocal.transfer.commands import export_command, import_command
from pachlocal.cli.pachlocal.workshop.commands import workshop


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after the program's name; those of the process if not given.

    Returns:
        The exit code.
    """
    words = sys.argv[1:] if argv is None else argv
    return program.run("pachlocal", lambda: program.invoke(cli, "pachlocal", words))


_OTHER_NAMES = {"start": "up", "stop": "down"}


class _Group(click.Group):
    """Commands under the names that they have, and under those that people guess."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by either name."""
        return super().get_command(ctx, _OTHER_NAMES.get(cmd_name, cmd_name))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(pachlocal.__version__)
def cli() -> None:
    """Pachyderm for one machine."""


for command in (
    *(up, down, status, logs, context_command, dev, console),
    *(reset, fsck, gc),
    *(init, environment, doctor, replay, lint),
    *(export_command, import_command, workshop),
):
    cli.add_command(command)
