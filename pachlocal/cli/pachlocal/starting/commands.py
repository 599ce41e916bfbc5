"""The command `pachlocal init`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from pachlocal.cli.pachlocal.daemon import Failure
from pachlocal.cli.pachlocal.starting.files import LANGUAGES, files


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    default=LANGUAGES[0],
    show_default=True,
    help="The language of the stage.",
)
def init(folder: Path, lang: str) -> None:
    """Create a project in FOLDER that counts words: a stage, its specification, and a test.

    Existing files are never changed.

    Example: pachlocal init --lang r words
    """
    wanted = files(lang)
    there = [name for name in wanted if (folder / name).exists()]
    if there:
        raise Failure(f"{folder / there[0]} already exists; nothing was written")
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {path}")
    if folder != Path():
        click.echo(f"Change to its folder: cd {shlex.quote(str(folder))}")
    click.echo("Run it at every save: pachlocal dev")
    click.echo(
        "Give it data: pachctl create repo text; echo to be | "
        "pachctl put file text@master:/a.txt -f -"
    )
    click.echo("Test it: python3 -m pytest")
