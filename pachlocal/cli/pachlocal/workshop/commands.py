"""The commands, as click knows them. What they need from gRPC is loaded when they run."""

from __future__ import annotations

from pathlib import Path

import click

_LAST = 13
_LANGUAGES = ("python", "rstats", "julia")

_step = click.IntRange(1, _LAST)
_language_option = click.option(
    "--language",
    type=click.Choice(_LANGUAGES),
    help=f"The language of the stages.  [default: the training pipeline's, or {_LANGUAGES[0]}]",
)


@click.group(invoke_without_command=True)
@_language_option
@click.pass_context
def workshop(context: click.Context, language: str | None) -> None:
    """Show the steps of the workshop.

    Example: pachlocal workshop --language rstats
    """
    context.obj = language
    if context.invoked_subcommand is None:
        from pachlocal.cli.pachlocal.workshop.showing import show

        show(language or _LANGUAGES[0])


@workshop.command()
@click.argument("step", type=_step, required=False)
@_language_option
@click.pass_obj
def verify(group_language: str | None, step: int | None, language: str | None) -> None:
    """Show which steps up to STEP are done, and how to do the next; exit code 1 if one isn't done.

    It checks the server that pachctl uses.  Without STEP, optional steps may be missing.

    Example: pachlocal workshop verify 4
    """
    from pachlocal.cli.pachlocal.workshop.showing import verify

    if not verify(language or group_language, step):
        raise click.exceptions.Exit(1)


@workshop.command()
def room() -> None:
    """Say who is at which step, when each learner has a project of one server.

    It asks the server that pachctl asks.

    Example: pachlocal workshop room
    """
    from pachlocal.cli.pachlocal.workshop.room import show_room

    show_room()


@workshop.command()
@click.argument("step", type=_step, default=1)
@_language_option
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder of the workshop's files.  [default: this one, or pachlocal's checkout]",
)
@click.pass_obj
def reset(
    group_language: str | None, step: int, language: str | None, yes: bool, folder: Path | None
) -> None:
    """Delete everything that the steps made, and redo those before STEP.

    The specs are edited back to their content at the start of STEP.

    Example: pachlocal workshop reset 8 --language rstats
    """
    from pachlocal.cli.pachlocal.workshop.resetting import reset

    reset(step, language or group_language, folder or _default_folder(), yes=yes)


def _default_folder() -> Path:
    """Return this folder if it has the workshop's files, or the one that pachlocal lies in.

    Raises:
        click.ClickException: Neither has.
    """
    checkout = Path(__file__).parents[3]
    for folder in (Path.cwd(), checkout):
        if (folder / "python_train.json").is_file():
            return folder
    raise click.ClickException("the workshop's files are not here; give their folder: --folder DIR")
