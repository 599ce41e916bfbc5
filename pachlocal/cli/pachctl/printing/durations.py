"""Options that are lengths of time: 30s, 10m, 1h30m."""

from __future__ import annotations

from typing import Any

import click

from pachlocal.durations import parse_nanoseconds


class _DurationType(click.ParamType[float]):
    """An option that is a length of time; its value is in seconds."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if not isinstance(value, str):
            return float(value)
        try:
            return parse_nanoseconds(value) / 10**9
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION = _DurationType()
