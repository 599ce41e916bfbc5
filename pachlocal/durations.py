"""Durations in Go's notation, which Pachyderm and its users use: 30s, 10m, 1h30m.

See https://pkg.go.dev/time#ParseDuration.
"""

from __future__ import annotations

import re

_UNITS_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
# One way to match at a place: time is linear in the text, which may be any client's.
_PART = re.compile(r"([0-9]*(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)")
_MAX_NS = 2**63 - 1  # 292 years: Go has 64 bits for it


def parse_nanoseconds(text: str) -> int:
    """Read a length of time that isn't negative: 90s, 1h30m, 0.

    Raises:
        ValueError: It is none, or longer than 292 years.
    """
    if text == "0":
        return 0
    total, end = 0.0, 0
    while True:
        part = _PART.match(text, end)
        if part is None or part[1] in ("", "."):
            raise ValueError(f'"{text}" is not a duration such as 30s, 10m or 1h30m')
        total += float(part[1]) * _UNITS_NS[part[2]]
        end = part.end()
        if end == len(text):
            break
    if total > _MAX_NS:
        raise ValueError("that is longer than 292 years")
    return round(total)
