"""Sizes on a command line: 64MiB, 1.5G."""

from __future__ import annotations

import re

import click

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?(?:([KMGT])(i?))?B?", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


class _Size(click.ParamType[int]):
    name = "size"

    def __init__(self, least: int = 0) -> None:
        self._least = least

    def at_least(self, least: int) -> _Size:
        """Return the type of sizes that have so many bytes."""
        return _Size(least)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return bytes."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} isn't a size such as 64MiB or 1.5G", param, ctx)
        unit = 1024 if match[3] else 1000
        size = int(float(match[1]) * unit ** _POWERS[(match[2] or "").upper()])
        if size < self._least:
            self.fail(f"{value} is less than {self._least // 2**20}MiB", param, ctx)
        return size


SIZE = _Size()
"""An amount of bytes, as a parameter's type."""
