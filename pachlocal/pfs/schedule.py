"""When something is due by the clock: the expressions of cron inputs and branch triggers.

    30 6 * * mon-fri     minute, hour, day of the month, month, day of the week
    @hourly  @daily  @midnight  @weekly  @monthly  @yearly  @annually
    @every 1h30m         that long after the last time
    @never

All in UTC, as on a cluster; `TZ=Europe/Berlin 30 6 * * *` names another zone. See
https://docs.pachyderm.com/latest/build-dags/pipeline-spec/input/cron/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from pachlocal.errors import InvalidArgumentError

SECOND = 1_000_000_000  # ns

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
# What the real server takes: no seconds, no `L`, `W` or `#`, and Sunday is 0 only.
_RANGE = r"(?:[*?]|(?:\d{1,2}|[a-z]{3})(?:-(?:\d{1,2}|[a-z]{3}))?)(?:/\d+)?"
_FIELD = re.compile(rf"{_RANGE}(?:,{_RANGE})*", re.IGNORECASE)
_SUNDAY_AS_7 = re.compile(r"(?<![\d/])7(?!\d)")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|m|s|ms|us|µs|ns))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


class Schedule(Protocol):
    """A rule that gives the times at which something is due."""

    def next(self, after: int) -> int | None:
        """Return the first time after another (both ns since 1970); None when there is none."""


@dataclass(frozen=True, slots=True)
class Every:
    """Due so many seconds after the last time, on a full second."""

    seconds: int

    def next(self, after: int) -> int:
        """Return the next time; see `Schedule`."""
        return (after // SECOND + self.seconds) * SECOND


@dataclass(frozen=True, slots=True)
class Cron:
    """Due when the clock of a zone matches five fields."""

    fields: str
    zone: timezone | ZoneInfo = timezone.utc

    def next(self, after: int) -> int | None:
        """Return the next time; see `Schedule`."""
        moment = _EPOCH + timedelta(seconds=after // SECOND)
        found = next(CronSim(self.fields, moment.astimezone(self.zone)), None)
        return None if found is None else int((found - _EPOCH).total_seconds()) * SECOND


@dataclass(frozen=True, slots=True)
class Never:
    """Never due."""

    def next(self, after: int) -> None:
        """Return None; see `Schedule`."""


def parse(spec: str) -> Schedule:
    """Read a schedule.

    Raises:
        InvalidArgumentError: It isn't one; the message says why.
    """
    text = " ".join(spec.split())
    if text == "@never":
        return Never()
    if text.startswith("@every "):
        return Every(max(1, int(_seconds(text.removeprefix("@every "), spec))))
    zone: timezone | ZoneInfo = timezone.utc
    if text.startswith("TZ="):
        name, _, text = text.removeprefix("TZ=").partition(" ")
        zone = _zone(name)
    if text.startswith("@") and text not in _NAMED:
        raise InvalidArgumentError(
            f"{spec!r}: {text} is unknown; there are {', '.join(_NAMED)}, @every 10s and @never"
        )
    return Cron(_fields(_NAMED.get(text, text), spec), zone)


def parse_time(text: str) -> int:
    """Read an RFC 3339 time; return ns since 1970.

    Raises:
        InvalidArgumentError: It isn't one.
    """
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        offset = match[3].replace("Z", "+00:00")
        moment = datetime.strptime(match[1] + offset, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        raise InvalidArgumentError(f"{text!r} is not a time such as 2024-02-29T06:30:00Z") from None
    whole = moment - _EPOCH
    return (whole.days * 86400 + whole.seconds) * SECOND + int((match[2] or "").ljust(9, "0"))


def format_time(ns: int) -> str:
    """Write a time (ns since 1970) as RFC 3339, in UTC and full seconds."""
    return (_EPOCH + timedelta(seconds=ns // SECOND)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _fields(text: str, spec: str) -> str:
    """Check the five fields of an expression; return them in the library's form."""
    fields = text.split()
    if len(fields) != 5:
        raise InvalidArgumentError(f"{spec!r} has {len(fields)} fields, a cron expression has 5")
    for field in fields:
        if not _FIELD.fullmatch(field):
            raise InvalidArgumentError(f"{spec!r}: {field!r} is not a cron field")
    if _SUNDAY_AS_7.search(fields[4]):
        raise InvalidArgumentError(f"{spec!r}: day-of-week goes from 0, Sunday, to 6")
    plain = " ".join(fields).replace("?", "*")
    try:
        CronSim(plain, _EPOCH)
    except CronSimError as error:
        raise InvalidArgumentError(f"{spec!r}: {str(error).lower()}") from None
    return plain


def _seconds(text: str, spec: str) -> float:
    if not _DURATION.fullmatch(text):
        raise InvalidArgumentError(f"{spec!r}: {text!r} is not a duration such as 90s or 1h30m")
    return sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise InvalidArgumentError(f"time zone {name!r} is unknown") from None
