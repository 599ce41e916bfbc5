"""Lengths of time as users write them: 30s, 10m, 1h30m."""

from __future__ import annotations

import re
from typing import Any

import click

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9}
_UNITS |= {"m": 60 * _UNITS["s"], "h": 3600 * _UNITS["s"]}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def parse_nanoseconds(text: str) -> int:
    """Read a length of time: 90s, 1h30m, 0.

    Raises:
        ValueError: It is none.
    """
    parts = list(_PART.finditer(text))
    if text != "0" and (not parts or "".join(part[0] for part in parts) != text):
        raise ValueError(f'"{text}" is no length of time such as 30s, 10m or 1h30m')
    return sum(round(float(part[1]) * _UNITS[part[2]]) for part in parts)


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
