"""help: the same text as --help, for those who ask in words."""

from __future__ import annotations

import click

from pachlocal.cli.pachctl.options import command
from pachlocal.cli.pachctl.v14.table import PLACES

_OLD = ("1.4", "1.x")


@command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND…]")
def help_(words: tuple[str, ...]) -> None:
    """Explain a command; without one, list them all.

    `pachctl help 1.4` lists the commands of Pachyderm 1.4, which work as well.
    """
    context = click.get_current_context().find_root()
    if words and words[0] in _OLD:
        _print_old(context)
        return
    for word in words:
        group = context.command
        if not isinstance(group, click.Group):
            raise click.UsageError(f'"{context.command_path}" has no commands below it.')
        _, found, _ = group.resolve_command(context, [word])
        if found is None:
            raise click.UsageError(f'There is no command "{word}".')
        context = click.Context(
            found, parent=context, info_name=found.name, **found.context_settings
        )
    click.echo(context.get_help())


def _print_old(context: click.Context) -> None:
    formatter = context.make_formatter()
    formatter.write_text("The commands of Pachyderm 1.4, with the tables of their time.")
    root = context.command
    rows = []
    for name in PLACES:
        found = root.get_command(context, name) if isinstance(root, click.Group) else None
        if found is not None:
            rows.append((name, found.get_short_help_str(limit=80)))
    with formatter.section("Commands"):
        formatter.write_dl(rows)
    click.echo(formatter.getvalue().rstrip("\n"))
