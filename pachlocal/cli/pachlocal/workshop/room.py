"""`pachlocal workshop room`: who is at which step, when each has a project of one server."""

from __future__ import annotations

import time
from datetime import datetime

from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.words import span
from pachlocal.cli.pachlocal.calling import asking
from pachlocal.workshop.room import learners


def show_room() -> None:
    """Print a line for each project that holds something of the workshop, by name."""
    with asking() as session:
        table = Table("PROJECT\tSTEP\tPROGRESS\tLAST COMMIT\tFOUND")
        for one in learners(session):
            cells = (one.project, one.step_text, one.progress.value, _age(one.last_commit))
            table.row(*cells, one.found, closed=False)
        table.flush()


def _age(when: datetime | None) -> str:
    return f"{span(max(0.0, time.time() - when.timestamp()))} ago" if when else "-"
