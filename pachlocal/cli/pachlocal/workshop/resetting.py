"""`pachlocal workshop reset`: brings the store to the start of a step."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from pachlocal.cli.pachlocal.calling import asking
from pachlocal.workshop.edits import EDITS
from pachlocal.workshop.state import WorkshopState
from pachlocal.workshop.steps import STEPS, typed


def reset(number: int, language: str | None, folder: Path, *, yes: bool) -> None:
    """Delete what the workshop has made, and go through the steps before one again.

    Args:
        number: The step that is to be done next.
        language: The language; if None, that of the training pipeline.
        folder: That of the workshop's files.
        yes: Don't ask.

    Raises:
        click.ClickException: The server doesn't answer, or a command failed.
    """
    with asking() as session:
        state = WorkshopState(session)
        state.version()  # it must answer
        code = language or state.language()
        commands = [
            *_deletions(state),
            *(line for edit in EDITS for line in edit.back(folder, code)),
            *(line for step in STEPS[1 : number - 1] for line in step.acts),
        ]
        if not yes:
            click.echo(f"At {state.address} this would be run:")
            for line in commands:
                click.echo(f"  {typed(line, code)}")
            click.confirm("Go on?", abort=True)
        env = {**os.environ, "PATH": _path(), "PACHD_ADDRESS": state.address}
    for line in commands:
        click.echo(f"$ {typed(line, code)}")
        quiet = "wait commit" in line
        done = subprocess.run(
            ["/bin/sh", "-c", typed(line, code)],
            cwd=folder,
            env=env,
            stdout=subprocess.DEVNULL if quiet else None,
        )
        if done.returncode:
            raise click.ClickException("the store is as the last command has left it")
    click.echo(f"Next is step {number}, {STEPS[number - 1].title!r}.")


def _deletions(state: WorkshopState) -> list[str]:
    """Return what is needed to delete all that the steps make; results first."""
    names = [name for name in ("report", "inference", "model") if state.pipeline(name)]
    repos = [name for name in ("attributes", "training") if state.has_repo(name)]
    return [
        *(f"pachctl delete pipeline {name}" for name in names),
        *(f"pachctl delete repo {name}" for name in repos),
    ]


def _path() -> str:
    """Return a PATH where this installation's pachctl comes first."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
