"""The commands that maintain a store: they empty it, check it, and free its space."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from pachlocal.cli.pachlocal.console import beside
from pachlocal.cli.pachlocal.daemon import (
    Failure,
    daemon_command,
    find_daemon,
    running_daemon,
    start,
    stop,
)
from pachlocal.cli.pachlocal.daemon_commands import start_console
from pachlocal.cli.pachlocal.options import root_option

# Everything that a daemon creates in its root; `reset` removes these and nothing else.
_STORE = (
    "pach.db",
    "pach.db-wal",
    "pach.db-shm",
    "chunks",
    "scratch",
    "reserve",
    "daemon.log",
    "daemon.json",
)


@click.command()
@root_option
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
def reset(root: Path, yes: bool) -> None:
    """Delete everything in the store, and restart the daemon if it is running.

    Example: pachlocal reset --yes
    """
    running = find_daemon(root)
    if running is None and not (root / "pach.db").exists():
        raise Failure(f"there is no store in {root}")
    if not yes:
        click.confirm(f"Delete all repos, commits and pipelines in {root}?", abort=True)
    console = beside.find(root)
    beside.tell_to_end(root)
    if running is not None:
        stop(root, running)
    left = _remove_containers(root / "scratch")
    for name in _STORE:
        path = root / name
        if path.is_dir() and not (left and name == "scratch"):  # it says where to look for them
            shutil.rmtree(path)
        elif not path.is_dir():
            path.unlink(missing_ok=True)
    click.echo(f"everything in {root} is deleted")
    if left:
        click.echo(f"pachlocal: {left}", err=True)
    if running is not None:
        found = start(root, daemon_command(root, running.options))
        click.echo(f"pachlocal is up at {found['address']}")
        start_console(root, wanted=bool(console), before=console)


@click.command()
@root_option
def fsck(root: Path) -> None:
    """Read the whole store and print what is damaged; ends with exit code 1 if anything is.

    It changes nothing. No daemon is needed, but one may run and be used meanwhile.

    Example: pachlocal fsck
    """
    running = find_daemon(root)
    if running is None:
        command = [sys.executable, "-m", "pachlocal.check", str(root.absolute())]
        os.execv(command[0], command)  # noqa: S606 - this very interpreter
    from pachlocal.cli.pachlocal.upkeep import check  # gRPC takes a while to load

    if not check(running):
        raise click.exceptions.Exit(1)


@click.command()
@root_option
@click.option("--dry-run", is_flag=True, help="Only print how much it would free.")
def gc(root: Path, dry_run: bool) -> None:
    """Free the space of files that no commit refers to any more.

    Example: pachlocal gc --dry-run
    """
    running = running_daemon(root)
    from pachlocal.cli.pachlocal.upkeep import collect  # gRPC takes a while to load

    collect(running, dry_run=dry_run)


def _remove_containers(scratch: Path) -> str:
    """Remove the containers that a killed daemon left; return why that failed, or nothing."""
    if not scratch.is_dir():
        return ""
    command = [sys.executable, "-m", "pachlocal.runtime.leftovers", str(scratch.absolute())]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()
