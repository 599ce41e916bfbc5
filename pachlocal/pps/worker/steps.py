"""The protocol of running datums: our steps, and the runs of the user's program between them.

What we do for datum after datum is one generator, which yields when the program has to run or to
end. So whoever hears first that the program is done goes on with it, in whatever thread that is.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pachlocal.runtime.contract import Outcome


@dataclass(frozen=True, slots=True)
class RunProgram:
    """The program's: a datum lies in `/pfs`. To be sent how that went.

    Attributes:
        env: The datum's variables.
        on_lines: Called for lines of output, see `Worker.run`.
    """

    env: Mapping[str, str]
    on_lines: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class EndProgram:
    """Nothing of the program is to run any more. To be sent a good outcome when that is so."""


Step: TypeAlias = "RunProgram | EndProgram"
Steps: TypeAlias = Generator[Step, Outcome, None]


def advance(steps: Steps, outcome: Outcome) -> Step | None:
    """Go on with an outcome; return what comes next, None at the end."""
    try:
        return steps.send(outcome)
    except StopIteration:
        return None
