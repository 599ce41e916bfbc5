"""What the commands of 1.4 have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import Command
from pachlocal.cli.pachctl.references import Reference, parse


class OldCommand(Command):
    """A command that looks for its server where 1.4 did, too, and takes the options of its time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # There are no metrics.
        no_metrics = click.Option(["--no-metrics"], is_flag=True, hidden=True, expose_value=False)
        self.params.append(no_metrics)

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; see click.Command."""
        ctx.ensure_object(Session).old_dialect = True
        return super().invoke(ctx)


def old_command(name: str) -> Callable[[Callable[..., Any]], OldCommand]:
    """Declare a function to be the command of this name."""
    return click.command(name, cls=OldCommand)


raw_option = click.option("--raw", is_flag=True, help="Print the server's unformatted answer.")


def point(repo: str, commit: str, path: str | None = None) -> Reference:
    """Put together what stands apart in 1.4: a repo, a commit or branch, and maybe a path.

    Raises:
        click.BadParameter: They name nothing.
    """
    try:
        return parse(f"{repo}@{commit}")._replace(path=path)
    except ValueError as error:
        raise click.BadParameter(f"{repo} {commit}: {error}") from None


def slashed(text: str) -> Reference:
    """Read REPO/COMMIT.

    Raises:
        click.BadParameter: It is something else.
    """
    repo, slash, commit = text.partition("/")
    if not slash or not repo or not commit:
        raise click.BadParameter(f'"{text}": expected REPO/COMMIT')
    return point(repo, commit)
