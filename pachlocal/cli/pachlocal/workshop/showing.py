"""`pachlocal workshop` and `pachlocal workshop verify`."""

from __future__ import annotations

import click

from pachlocal.cli.pachlocal.calling import asking
from pachlocal.workshop.checks import StepProgress
from pachlocal.workshop.state import WorkshopState
from pachlocal.workshop.steps import STEPS, typed

_COLOURS = {
    StepProgress.DONE: "green",
    StepProgress.RUNNING: "yellow",
    StepProgress.FAILED: "red",
    StepProgress.OPEN: None,
}


def show(code: str) -> None:
    """Print all steps.

    Args:
        code: The language.
    """
    for step in STEPS:
        optional = "optional; " if step.optional else ""
        click.echo(
            f"{step.number:>2}  {click.style(step.title, bold=True)}  ({optional}{step.time})"
        )
        for line in (*step.acts, *step.looks):
            click.echo(f"      {typed(line, code)}")


def verify(language: str | None, until: int | None) -> bool:
    """Print how far each step is; tell whether those are done that should be.

    What is to be done is said for the first step that isn't done: later ones may need it.

    Args:
        language: The language; if None, that of the training pipeline.
        until: The last step to look at, which must be done; if None, optional ones needn't be.
    """
    missing = False
    with asking() as session:
        state = WorkshopState(session)
        state.version()  # if it doesn't answer, that is all there is to say
        code = language or state.language()
        for step in STEPS[:until]:
            progress, text, cure = step.check(state)
            mark = click.style(f"{progress.value:<7}", fg=_COLOURS[progress])
            click.echo(f"{step.number:>2}  {mark}  {step.title}: {text}")
            if progress is StepProgress.OPEN and step.optional and until is None:
                continue
            if progress is not StepProgress.DONE and not missing:
                missing = True
                for line in cure or step.acts or step.looks:
                    click.echo(f"                → {typed(line, code)}")
    return not missing
