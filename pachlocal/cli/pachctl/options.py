"""What commands have in common: how they are declared, and the options that many of them take."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pachlocal.cli.pachctl.client.session import Session

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])
CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"]}

pass_session = click.make_pass_decorator(Session)


def _set_verbose(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).verbose = True


def _set_no_color(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        context.color = False


def global_options() -> list[click.Parameter]:
    """Make the options that may stand anywhere: before the verb, or behind the noun."""
    return [
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            expose_value=False,
            callback=_set_verbose,
            help="Print more details of errors.",
        ),
        click.Option(
            ["--no-color"],
            is_flag=True,
            expose_value=False,
            callback=_set_no_color,
            help="Print without colours.",
        ),
    ]


class _Name(click.types.StringParamType):
    """A text that a shell completes to a name on the server."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Propose names; see click.ParamType."""
        from pachlocal.cli.pachctl.client import completing

        return completing.items(getattr(completing, self._kind), ctx, incomplete)


# Plain texts that name something: parameter, and what completes it.
_NAMES = {"job": "jobs", "pipeline": "pipelines", "repo": "repos"}


class Command(click.Command):
    """A command that takes the global options, too, and whose names a shell completes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"context_settings": CONTEXT_SETTINGS, **kwargs})
        for param in self.params:
            if param.type is click.STRING and param.name in _NAMES:
                param.type = _Name(_NAMES[param.name])
        self.params.extend(global_options())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write an example below the help; see click.Command."""
        from pachlocal.cli.pachctl.examples import EXAMPLES

        super().format_epilog(ctx, formatter)
        if example := EXAMPLES.get(path_of(ctx)):
            with formatter.section("Example"):
                formatter.write(f"  {example}\n")


def path_of(ctx: click.Context) -> str:
    """Return a command's words as they are meant, however they were written."""
    words: list[str] = []
    here: click.Context | None = ctx
    while here is not None and here.parent is not None:
        words.insert(0, here.command.name or "")
        here = here.parent
    return " ".join(words)


def command(name: str) -> Callable[[Callable[..., Any]], Command]:
    """Declare a function to be the command of this name."""
    return click.command(name, cls=Command)


def transactional(function: F) -> F:
    """Let what a command writes be added to the active transaction, if there is one."""

    @functools.wraps(function)
    def wrapped(session: Session, *args: Any, **kwargs: Any) -> Any:
        session.join_transaction()
        result = function(session, *args, **kwargs)
        if session.joined:
            print(f"Added to transaction {session.joined}", file=sys.stderr)
        return result

    return wrapped  # type: ignore[return-value]  # the same function, but for what it adds


COUNT = click.IntRange(0, 2**63 - 1)
"""A number of things or bytes, as the API takes it."""

project_option = click.option("--project", metavar="NAME", help="The project to work in.")
all_projects_option = click.option(
    "-A", "--all-projects", is_flag=True, help="Include all projects."
)
full_timestamps_option = click.option(
    "--full-timestamps", is_flag=True, help="Print timestamps instead of ages."
)
description_option = click.option(
    "-d", "--description", default="", metavar="TEXT", help="A description."
)
progress_option = click.option(
    # Upstream's form is --progress=false.
    "--progress",
    type=bool,
    default=True,
    metavar="BOOL",
    help="Show progress on a terminal; --progress=false turns it off.",
)
# Scripts that give options of Pachyderm's own pachctl must not fail: output isn't paged here.
no_full_timestamps_option = click.option(  # where there are no points in time to print
    "--full-timestamps", is_flag=True, hidden=True, expose_value=False
)
no_pager_option = click.option("--no-pager", is_flag=True, hidden=True, expose_value=False)


def output_options(function: F) -> F:
    """Add --raw and --output; the function gets the format asked for, or None, as `raw`."""

    @click.option("--raw", is_flag=True, help="Print the server's unformatted answer.")
    @click.option(
        "-o",
        "--output",
        type=click.Choice(["json", "yaml"]),
        help="The format of raw output.  [default: json]",
    )
    @functools.wraps(function)
    def wrapped(*args: Any, raw: bool, output: str | None, **kwargs: Any) -> Any:
        return function(*args, raw=output or ("json" if raw else None), **kwargs)

    return wrapped  # type: ignore[return-value]  # the same function, but for two options
