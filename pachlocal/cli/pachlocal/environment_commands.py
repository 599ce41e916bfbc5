"""The commands that manage the environments of stages."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click


@click.group()
def environment() -> None:
    """Manage the environments in which the dependencies of stages are installed.

    The packages in a stage's requirements.txt, uv.lock, pyproject.toml, renv.lock or Project.toml
    are installed once, when a pipeline needs them, and shared by all stages with equal ones.

    Example: pachlocal environment list
    """


@environment.command()
@click.argument("folders", type=click.Path(path_type=Path), nargs=-1, metavar="[FOLDER]...")
@click.option("-q", "--quiet", is_flag=True, help="Print only the folders of the environments.")
def make(folders: tuple[Path, ...], quiet: bool) -> None:
    """Make the environments of stages now, so that no pipeline has to wait for them.

    FOLDER is a stage's folder, or one whose compose.yaml names stages; by default the current one.

    Example: pachlocal environment make words
    """
    _run("make", *["--quiet"] * quiet, "--", *map(str, folders))


@environment.command("list")
def list_command() -> None:
    """List the environments of all of this user's stores.

    Example: pachlocal environment list
    """
    _run("list")


@environment.command()
@click.argument("environments", nargs=-1, metavar="ENVIRONMENT...")
@click.option("--all", "everything", is_flag=True, help="Remove all that no daemon uses.")
def remove(environments: tuple[str, ...], everything: bool) -> None:
    """Remove environments; the next pipeline that needs one makes it again.

    Those that haven't been used for 30 days are removed automatically when another one is made.

    Example: pachlocal environment remove --all
    """
    if everything == bool(environments):
        raise click.UsageError("name environments, or --all")
    _run("remove", *environments)


def _run(*words: str) -> NoReturn:
    command = [sys.executable, "-m", "pachlocal.environments", *words]
    os.execv(command[0], command)  # noqa: S606 - this very interpreter
