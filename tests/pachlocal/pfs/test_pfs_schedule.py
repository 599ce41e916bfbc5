from __future__ import annotations

import pytest

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.schedule import format_time, parse, parse_time

LEAP = "2024-02-28T23:59:30Z"


def next_of(spec: str, after: str, number: int = 1) -> list[str]:
    rule, moment, found = parse(spec), parse_time(after), []
    for _ in range(number):
        following = rule.next(moment)
        assert following is not None
        moment = following
        found.append(format_time(moment))
    return found


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("* * * * *", ["2024-02-29T00:00:00Z", "2024-02-29T00:01:00Z"]),
        ("*/20 6 * * *", ["2024-02-29T06:00:00Z", "2024-02-29T06:20:00Z"]),
        ("5/20 * * * *", ["2024-02-29T00:05:00Z", "2024-02-29T00:25:00Z"]),
        ("0 0 29 2 *", ["2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"]),
        ("30 6 ? * mon-FRI", ["2024-02-29T06:30:00Z", "2024-03-01T06:30:00Z"]),
        ("0 0 1 * 0", ["2024-03-01T00:00:00Z", "2024-03-03T00:00:00Z"]),  # either of the two
        ("0,30 12 * jan,mar *", ["2024-03-01T12:00:00Z", "2024-03-01T12:30:00Z"]),
        ("@hourly", ["2024-02-29T00:00:00Z", "2024-02-29T01:00:00Z"]),
        ("@daily", ["2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"]),
        ("@midnight", ["2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"]),
        ("@weekly", ["2024-03-03T00:00:00Z", "2024-03-10T00:00:00Z"]),
        ("@monthly", ["2024-03-01T00:00:00Z", "2024-04-01T00:00:00Z"]),
        ("@yearly", ["2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]),
        ("@annually", ["2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]),
        ("@every 10s", ["2024-02-28T23:59:40Z", "2024-02-28T23:59:50Z"]),
        (" @every  1h30m ", ["2024-02-29T01:29:30Z", "2024-02-29T02:59:30Z"]),
        ("@every 1.5m", ["2024-02-29T00:01:00Z", "2024-02-29T00:02:30Z"]),
        ("@every 1ms", ["2024-02-28T23:59:31Z", "2024-02-28T23:59:32Z"]),  # a second at least
        ("TZ=Asia/Tokyo 0 9 * * *", ["2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"]),
    ],
)
def test_the_next_times(spec: str, expected: list[str]) -> None:
    assert next_of(spec, LEAP, 2) == expected


def test_a_time_is_not_its_own_next() -> None:
    assert next_of("@hourly", "2024-02-29T06:00:00Z") == ["2024-02-29T07:00:00Z"]


def test_every_is_on_full_seconds() -> None:
    assert parse("@every 10s").next(parse_time("2024-02-29T06:00:00.750Z")) == parse_time(
        "2024-02-29T06:00:10Z"
    )


def test_never() -> None:
    assert parse("@never").next(0) is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "has 0 fields, a cron expression has 5"),
        ("* * * *", "has 4 fields, a cron expression has 5"),
        ("0 * * * * *", "has 6 fields, a cron expression has 5"),
        ("61 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("* * 32 * *", "bad day-of-month"),
        ("* * L * *", "'L' is not a cron field"),
        ("* * * * 5#2", "'5#2' is not a cron field"),
        ("* * * * 7", "day-of-week goes from 0, Sunday, to 6"),
        ("* * * * fry", "bad day-of-week"),
        ("10-5 * * * *", "bad minute"),
        ("*/0 * * * *", "bad minute"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("@sometimes", "@sometimes is unknown; there are @hourly, .* @every 10s and @never"),
        ("@every", "@every is unknown"),
        ("@every 10", "'10' is not a duration such as 90s or 1h30m"),
        ("@every -10s", "'-10s' is not a duration"),
        ("TZ=Mars/Base 0 0 * * *", "time zone 'Mars/Base' is unknown"),
        ("TZ=../../etc 0 0 * * *", "time zone '../../etc' is unknown"),
    ],
)
def test_what_is_no_schedule(spec: str, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        parse(spec)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T00:00:01.000000001Z", 1_000_000_001),
        ("1970-01-01T01:00:00+01:00", 0),
    ],
)
def test_times(text: str, expected: int) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize("text", ["", "today", "2024-02-30T00:00:00Z", "2024-02-29T06:30:00"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is not a time such as"):
        parse_time(text)
