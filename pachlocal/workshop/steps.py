"""The steps: what to type, and how to see that it is done. README.md has them in full."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pachlocal.workshop import checks
from pachlocal.workshop.checks import CheckResult
from pachlocal.workshop.edits import METHOD, WORKERS
from pachlocal.workshop.state import WorkshopState


class WorkshopStep(NamedTuple):
    """One step.

    Attributes:
        number: From 1 on.
        title: As the README has it.
        time: How long it takes somebody who reads and tries, as the README has it.
        acts: What changes something, as lines of shell; ${CODE} is the language, ${OTHER} another.
        looks: What only shows something.
        check: Tells whether it is done.
        optional: The workshop is done without it.
    """

    number: int
    title: str
    time: str
    acts: tuple[str, ...]
    looks: tuple[str, ...]
    check: Callable[[WorkshopState], CheckResult]
    optional: bool = False


_WAIT = "pachctl wait commit inference@master"

STEPS = (
    WorkshopStep(
        1,
        "Make sure it is running",
        "5 minutes",
        ("pachlocal up",),
        ("pachctl version",),
        checks.running,
    ),
    WorkshopStep(
        2,
        "Create the input repositories",
        "5 minutes",
        ("pachctl create repo training", "pachctl create repo attributes"),
        ("pachctl list repo",),
        checks.repositories,
    ),
    WorkshopStep(
        3,
        "Commit the training data",
        "5 minutes",
        ("pachctl put file training@master -f data/iris.csv",),
        ("pachctl list file training@master",),
        checks.training_data,
    ),
    WorkshopStep(
        4,
        "Create the training pipeline",
        "15 minutes, of which the job takes 3 seconds",
        ("pachctl create pipeline -f ${CODE}_train.json", "pachctl wait commit model@master"),
        ("pachctl list job --expand", "pachctl get file model@master:model.txt"),
        checks.model,
    ),
    WorkshopStep(
        5,
        "Commit attributes",
        "5 minutes",
        ("pachctl put file attributes@master -f data/test/1.csv -f data/test/2.csv",),
        ("pachctl list file attributes@master",),
        checks.attributes,
    ),
    WorkshopStep(
        6,
        "Create the inference pipeline",
        "10 minutes, of which the job takes 3 seconds",
        ("pachctl create pipeline -f ${CODE}_infer.json", _WAIT),
        ("pachctl list job --expand",),
        checks.inference,
    ),
    WorkshopStep(
        7,
        "Examine the results",
        "5 minutes",
        (),
        (
            "pachctl list file inference@master",
            "pachctl get file inference@master:1.csv",
            "pachctl get file inference@master:2.csv",
        ),
        checks.results,
    ),
    WorkshopStep(
        8,
        "Parallelize",
        "10 minutes; the job takes no time",
        (WORKERS.command, "pachctl update pipeline -f ${CODE}_infer.json", _WAIT),
        ("pachlocal status", "pachctl list job --pipeline inference"),
        checks.parallel,
    ),
    WorkshopStep(
        9,
        "Update the model training",
        "10 minutes, of which the jobs take 6 seconds",
        (METHOD.command, "pachctl update pipeline -f ${CODE}_train.json --reprocess", _WAIT),
        ("pachctl list job --expand",),
        checks.second_method,
    ),
    WorkshopStep(
        10,
        "Update the training data",
        "10 minutes, of which the jobs take 6 seconds",
        (
            "pachctl start commit training@master",
            "pachctl delete file training@master:iris.csv",
            "sed '149,150d' data/iris.csv | pachctl put file training@master:iris.csv -f -",
            "pachctl finish commit training@master",
            _WAIT,
        ),
        ("pachctl list file inference@master",),
        checks.second_data,
    ),
    WorkshopStep(
        11,
        "Examine provenance",
        "10 minutes",
        (),
        ("pachctl inspect commit inference@master", "pachctl list commit model@master"),
        checks.provenance,
    ),
    WorkshopStep(
        12,
        "Swap the language",
        "10 minutes, of which the jobs take 15 seconds",
        (
            "pachctl start transaction",
            "pachctl update pipeline -f ${OTHER}_train.json --reprocess",
            "pachctl update pipeline -f ${OTHER}_infer.json --reprocess",
            "pachctl finish transaction",
            _WAIT,
        ),
        ("pachctl list job --expand",),
        checks.second_language,
        optional=True,
    ),
    WorkshopStep(
        13,
        "Draw a report",
        "5 minutes, of which the jobs take 5 seconds",
        (
            "pachctl put file attributes@master -f data/grid.csv",
            "pachctl create pipeline -f report.json",
            "pachctl wait commit report@master",
        ),
        ("pachctl list file report@master",),
        checks.report,
        optional=True,
    ),
)


def by_need() -> list[WorkshopStep]:
    """Return the steps in the order in which somebody comes to them: optional ones last."""
    return sorted(STEPS, key=lambda step: step.optional)


def typed(line: str, code: str) -> str:
    """Return a line of shell with the language, and another where one is needed, in place.

    Args:
        line: Of a step's `acts` or `looks`.
        code: The language.
    """
    other = "python" if code != "python" else "rstats"
    return line.replace("${CODE}", code).replace("${OTHER}", other)
