"""When something is due by the clock: the expressions of cron inputs and branch triggers.

    30 6 * * mon-fri     minute, hour, day of the month, month, day of the week
    @hourly  @daily  @midnight  @weekly  @monthly  @yearly  @annually
    @every 1h30m         that long after the last time
    @never

All in UTC, as on a cluster. See
https://docs.pachyderm.com/latest/build-dags/pipeline-spec/input/cron/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice, takewhile
from typing import Protocol

from cronsim import CronSim, CronSimError

from pachlocal.durations import parse_nanoseconds
from pachlocal.errors import InvalidArgumentError

SECOND = 1_000_000_000  # ns

_MAX_LENGTH = 500  # characters; read at every tick
_SHORTEST = 60 * SECOND  # between two times of five fields

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
_RANGE = r"(?:[*?]|(?:\d{1,2}|[a-z]{3})(?:-(?:\d{1,2}|[a-z]{3}))?)(?:/\d{1,4})?"
_FIELD = re.compile(rf"{_RANGE}(?:,{_RANGE})*", re.IGNORECASE)
_SUNDAY_AS_7 = re.compile(r"(?<![\d/])7(?!\d)")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


class Schedule(Protocol):
    """A rule that gives the times at which something is due."""

    def next(self, after: int) -> int | None:
        """Return the first time after another (both ns since 1970); None when there is none."""

    def skip(self, after: int, until: int, most: int) -> int:
        """Return after when there are at most so many times up to another (ns since 1970).

        That is `after` itself if there aren't more than that. The cost follows `most`, not how long
        it is from one to the other.
        """


@dataclass(frozen=True, slots=True)
class Every:
    """Due so many seconds after the last time, on a full second."""

    seconds: int

    def next(self, after: int) -> int:
        """Return the next time; see `Schedule`."""
        return (after // SECOND + self.seconds) * SECOND

    def skip(self, after: int, until: int, most: int) -> int:
        """Return after when there are only so many times left; see `Schedule`."""
        over = (until // SECOND - after // SECOND) // self.seconds - most
        return (after // SECOND + over * self.seconds) * SECOND if over > 0 else after


@dataclass(frozen=True, slots=True)
class Cron:
    """Due when the clock, in UTC, matches five fields."""

    fields: str

    def next(self, after: int) -> int | None:
        """Return the next time; see `Schedule`."""
        try:
            found = next(CronSim(self.fields, self._moment(after)), None)
        except OverflowError:  # after the year 9999
            return None
        return None if found is None else _ns(found)

    def skip(self, after: int, until: int, most: int) -> int:
        """Return after when there are only so many times left; see `Schedule`."""
        if until - after <= most * _SHORTEST:
            return after
        back = map(_ns, CronSim(self.fields, self._moment(until + SECOND), reverse=True))
        later = takewhile(lambda time: time > after, back)
        return next(islice(later, most, None), after)

    def _moment(self, time: int) -> datetime:
        return _EPOCH + timedelta(seconds=time // SECOND)


@dataclass(frozen=True, slots=True)
class Never:
    """Never due."""

    def next(self, after: int) -> None:
        """Return None; see `Schedule`."""

    def skip(self, after: int, until: int, most: int) -> int:
        """Return `after`; see `Schedule`."""
        return after


def between(rule: Schedule, after: int, until: int, most: int) -> Iterator[int]:
    """Yield the times after one and up to another (ns since 1970): all, or the last so many."""
    due = rule.next(rule.skip(after, until, most))
    while due is not None and due <= until:
        yield due
        due = rule.next(due)


def parse(spec: str) -> Schedule:
    """Read a schedule.

    Raises:
        InvalidArgumentError: It isn't one; the message says why.
    """
    if len(spec) > _MAX_LENGTH:
        raise InvalidArgumentError(
            f"{spec[:40]!r}… has {len(spec)} characters, a cron expression has {_MAX_LENGTH} at "
            "the most"
        )
    text = " ".join(spec.split())
    if not text:
        raise InvalidArgumentError("Empty spec string")
    if text == "@never":
        return Never()
    if text.startswith("@every "):
        try:
            pause = parse_nanoseconds(text.removeprefix("@every "))
        except ValueError as error:
            raise InvalidArgumentError(f"{spec!r}: {error}") from None
        return Every(max(1, pause // SECOND))
    if text.startswith("@") and text not in _NAMED:
        raise InvalidArgumentError(
            f"{spec!r}: {text} is unknown; there are {', '.join(_NAMED)}, @every 10s and @never"
        )
    fields = _fields(_NAMED.get(text, text), spec)
    return Cron(fields) if fields else Never()


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
        moment = datetime.fromisoformat(match[1] + offset)
    except ValueError:
        raise InvalidArgumentError(f"{text!r} is not a time such as 2024-02-29T06:30:00Z") from None
    whole = moment - _EPOCH
    return (whole.days * 86400 + whole.seconds) * SECOND + int((match[2] or "").ljust(9, "0"))


def format_time(ns: int) -> str:
    """Write a time (ns since 1970) as RFC 3339, in UTC and full seconds."""
    return (_EPOCH + timedelta(seconds=ns // SECOND)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ns(moment: datetime) -> int:
    return int((moment - _EPOCH).total_seconds()) * SECOND


def _fields(text: str, spec: str) -> str:
    """Check the five fields of an expression; return them in the library's form.

    That is nothing for a day that never comes, such as the 31st of February.
    """
    fields = text.split()
    if len(fields) != 5:
        raise InvalidArgumentError(f"Expected exactly 5 fields, found {len(fields)}: {spec}")
    for field in fields:
        if not _FIELD.fullmatch(field):
            raise InvalidArgumentError(f"{spec!r}: {field!r} is not a cron field")
    if _SUNDAY_AS_7.search(fields[4]):
        raise InvalidArgumentError(f"{spec!r}: day-of-week goes from 0, Sunday, to 6")
    plain = " ".join(fields).replace("?", "*")
    if problem := _problem(plain):
        minute, hour, day, month, weekday = plain.split()
        if _problem(f"{minute} {hour} {day} * {weekday}") or _problem(f"* * * {month} *"):
            raise InvalidArgumentError(f"{spec!r}: {problem}")
        return ""  # each field can be: it is the day that no month has
    return plain


def _problem(plain: str) -> str:
    try:
        CronSim(plain, _EPOCH)
    except CronSimError as error:
        return str(error).lower()
    return ""
