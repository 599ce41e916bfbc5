"""The eleven steps: what to type, and how to see that it is done. README.md has them in full."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pachlocal.cli.workshop import checks
from pachlocal.cli.workshop.checks import Result
from pachlocal.cli.workshop.state import State


class Step(NamedTuple):
    """One step.

    Attributes:
        number: From 1 on.
        title: As the README has it.
        acts: What changes something, as lines of shell; ${CODE} is the language.
        looks: What only shows something.
        check: Tells whether it is done.
    """

    number: int
    title: str
    acts: tuple[str, ...]
    looks: tuple[str, ...]
    check: Callable[[State], Result]


_IN_ORDER: tuple[tuple[str, tuple[str, ...], tuple[str, ...], Callable[[State], Result]], ...] = (
    ("Make sure it is running", ("pachlocal up",), ("pachctl version",), checks.running),
    (
        "Create the input repositories",
        ("pachctl create repo training", "pachctl create repo attributes"),
        ("pachctl list repo",),
        checks.repositories,
    ),
    (
        "Commit the training data",
        ("pachctl put file training@master -f data/iris.csv",),
        ("pachctl list file training@master",),
        checks.training_data,
    ),
    (
        "Create the training pipeline",
        ("pachctl create pipeline -f ${CODE}_train.json", "pachctl wait commit model@master"),
        ("pachctl list job --expand", "pachctl get file model@master:model.txt"),
        checks.model,
    ),
    (
        "Commit attributes",
        ("pachctl put file attributes@master -f data/test/1.csv -f data/test/2.csv",),
        ("pachctl list file attributes@master",),
        checks.attributes,
    ),
    (
        "Create the inference pipeline",
        ("pachctl create pipeline -f ${CODE}_infer.json", "pachctl wait commit inference@master"),
        ("pachctl list job --expand",),
        checks.inference,
    ),
    (
        "Examine the results",
        (),
        (
            "pachctl list file inference@master",
            "pachctl get file inference@master:1.csv",
            "pachctl get file inference@master:2.csv",
        ),
        checks.results,
    ),
    (
        "Parallelize",
        (
            """sed 's/"constant": "1"/"constant": "10"/' ${CODE}_infer.json """
            "| pachctl update pipeline -f -",
            "pachctl wait commit inference@master",
        ),
        ("pachctl list job --pipeline inference",),
        checks.parallel,
    ),
    (
        "Update the model training",
        (
            "sed 's/python-svm/python-lda/; s/rstats-svm/rstats-lda/; s/julia-tree/julia-forest/' "
            "${CODE}_train.json | pachctl update pipeline -f - --reprocess",
            "pachctl wait commit inference@master",
        ),
        ("pachctl list job --expand",),
        checks.second_method,
    ),
    (
        "Update the training data",
        (
            "pachctl start commit training@master",
            "pachctl delete file training@master:iris.csv",
            "sed '149,150d' data/iris.csv | pachctl put file training@master:iris.csv -f -",
            "pachctl finish commit training@master",
            "pachctl wait commit inference@master",
        ),
        ("pachctl list file inference@master",),
        checks.second_data,
    ),
    (
        "Examine provenance",
        (),
        ("pachctl inspect commit inference@master", "pachctl list commit model@master"),
        checks.provenance,
    ),
)

STEPS = tuple(Step(number, *rest) for number, rest in enumerate(_IN_ORDER, 1))
