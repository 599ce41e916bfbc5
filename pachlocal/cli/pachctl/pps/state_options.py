"""Options that choose among pipelines and jobs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click


def state_filter(states: Iterable[str], prefix: str, names: Iterable[str]) -> str:
    """Write the filter that lets these states through.

    Args:
        states: What --state says, in lower case as it is printed, or with the prefix.
        prefix: What these begin with.
        names: The enum's names.

    Raises:
        click.BadParameter: There is no such state.
    """
    known = {name.removeprefix(prefix).lower(): name for name in names}
    chosen = []
    for state in states:
        name = known.get(state.lower().removeprefix(prefix.lower()))
        if name is None:
            choices = ", ".join(key for key in known if not key.endswith("unknown"))
            raise click.BadParameter(f'"{state}" is not one of: {choices}', param_hint="'--state'")
        chosen.append(name)
    # The server takes any filter of jq's language, ours only this form.
    return " or ".join(f'.state == "{name}"' for name in chosen)


class _HistoryType(click.ParamType[int]):
    name = "none|all|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        known = {"none": 0, "all": -1}
        try:
            number = known[value] if value in known else int(value)
            if not -1 <= number < 2**63:
                raise ValueError
            return number
        except ValueError:
            self.fail(f'"{value}" is neither none nor all nor a number', param, ctx)


HISTORY = _HistoryType()
