"""The commands that need no daemon: `doctor`, `replay` and `lint`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from pachlocal.cli.pachlocal.daemon import Failure, find_daemon
from pachlocal.cli.pachlocal.options import (
    address_option,
    compose_option,
    default_compose,
    root_option,
)
from pachlocal.cli.pachlocal.sizes import SIZE


@click.command()
@root_option
@address_option
@compose_option
def doctor(root: Path, address: str, compose: Path | None) -> None:
    """Show what this machine has and what it lacks, and how to install that.

    In a folder with a compose.yaml it checks the pipelines there: their images, commands and
    packages; elsewhere it checks the workshop. Ends with exit code 1 if these pipelines, or the
    Python workshop, can't run.

    Example: pachlocal doctor
    """
    from pachlocal.cli.pachlocal.doctor import examine

    try:
        running = find_daemon(root)
    except Failure:
        running = None  # what is wrong with the folder is said below
    holder = running.address if running else None
    if not examine(root, address.removeprefix("grpc://"), compose or default_compose(), holder):
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("capsule", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--shell", is_flag=True, help="Open a shell in its place instead of running it.")
@click.option("--keep", is_flag=True, help="Keep its inputs and outputs, and print where they are.")
@click.option(
    "--unpack-limit",
    type=SIZE,
    metavar="SIZE",
    help="The most disk space its inputs may take.  [default: 1GiB, more for a file over 10 MiB]",
)
@click.option(
    "--compose",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Run the current code in this compose.yaml's folders instead of the code in CAPSULE.",
)
def replay(
    capsule: Path, shell: bool, keep: bool, unpack_limit: int | None, compose: Path | None
) -> None:
    """Rerun a datum that `pachctl debug datum` has packed; no daemon is needed.

    This runs the command in CAPSULE: replay only what you trust. With --shell, the command runs
    only when you start it.

    Example: pachlocal replay inference-8d1f5a.tar.gz
    """
    options = ["--shell"] * shell + ["--keep"] * keep + ["--live"] * (compose is not None)
    if unpack_limit is not None:
        options += ["--unpack-limit", str(unpack_limit)]
    compose = compose or default_compose()
    if compose is not None:
        options += ["--compose", str(compose.absolute())]
    command = [sys.executable, "-m", "pachlocal.replay", str(capsule.absolute()), *options]
    os.execv(command[0], command)  # noqa: S606 - this very interpreter


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option("--modernize", is_flag=True, help="Print them in the form of 2.x instead.")
def lint(specs: tuple[str, ...], modernize: bool) -> None:
    """Check whether Pachyderm 2.12 would accept specifications, and what has no effect here.

    It also reports forms of 1.x, which this pachctl converts. No daemon is needed.

    Example: pachlocal lint python_train.json
    """
    options = ["--modernize"] * modernize
    command = [sys.executable, "-m", "pachlocal.lint", *options, "--", *specs]
    os.execv(command[0], command)  # noqa: S606 - this very interpreter
