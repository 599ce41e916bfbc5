"""`pachlocal workshop` and `pachlocal workshop verify`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
import grpc

from pachlocal.cli.pachctl.connection import explain
from pachlocal.cli.pachctl.errors import CliError
from pachlocal.cli.pachctl.session import Session
from pachlocal.cli.workshop.checks import Progress
from pachlocal.cli.workshop.state import State
from pachlocal.cli.workshop.steps import STEPS

_COLOURS = {
    Progress.DONE: "green",
    Progress.RUNNING: "yellow",
    Progress.FAILED: "red",
    Progress.OPEN: None,
}


def show(code: str) -> None:
    """Print all steps.

    Args:
        code: The language.
    """
    for step in STEPS:
        click.echo(f"{step.number:>2}  {click.style(step.title, bold=True)}")
        for line in (*step.acts, *step.looks):
            click.echo(f"      {line.replace('${CODE}', code)}")


def verify(language: str | None, until: int) -> bool:
    """Print how far each step is; tell whether all are done.

    What is to be done is said for the first step that isn't done: later ones may need it.

    Args:
        language: The language; if None, that of the training pipeline.
        until: The last step to look at.
    """
    missing = False
    with asking() as session:
        state = State(session)
        state.version()  # if it doesn't answer, that is all there is to say
        code = language or state.language()
        for step in STEPS[:until]:
            progress, text, cure = step.check(state)
            mark = click.style(f"{progress.value:<7}", fg=_COLOURS[progress])
            click.echo(f"{step.number:>2}  {mark}  {step.title}: {text}")
            if progress is not Progress.DONE and not missing:
                missing = True
                for line in cure or step.acts or step.looks:
                    click.echo(f"                → {line.replace('${CODE}', code)}")
    return not missing


@contextmanager
def asking() -> Iterator[Session]:
    """Open a session with the server that pachctl would ask.

    Raises:
        click.ClickException: It doesn't answer, or refuses.
    """
    session = Session()
    try:
        yield session
    except CliError as error:
        raise click.ClickException(str(error)) from None
    except grpc.RpcError as error:
        raise click.ClickException(explain(error, session)) from None
    finally:
        session.close()
