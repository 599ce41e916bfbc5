"""Whose turn it is while datums are processed: ours, or the user's program's.

What we do for datum after datum is one generator, which yields when it is somebody else's turn. So
whoever hears first that the program is done goes on with it, in whatever thread that is.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pachlocal.runtime.contract import Outcome


@dataclass(frozen=True, slots=True)
class Turn:
    """The program's: a datum lies in `/pfs`. To be sent how that went.

    Attributes:
        env: The datum's variables.
        on_line: Called for each line of output.
    """

    env: Mapping[str, str]
    on_line: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Halt:
    """Nothing of the program is to run any more. To be sent a good outcome when that is so."""


Step: TypeAlias = "Turn | Halt"
Steps: TypeAlias = Generator[Step, Outcome, None]


def advance(steps: Steps, outcome: Outcome) -> Step | None:
    """Go on with an outcome; return what comes next, None at the end."""
    try:
        return steps.send(outcome)
    except StopIteration:
        return None
