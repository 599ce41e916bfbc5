from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.history.schedule import SECOND, between, format_time, parse, parse_time

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


@pytest.mark.parametrize(
    "spec", ["@never", "0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 31 2 */3"], ids=str
)
def test_never(spec: str) -> None:
    assert parse(spec).next(0) is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "Empty spec string"),
        ("* * * *", "Expected exactly 5 fields, found 4: "),
        ("0 * * * * *", "Expected exactly 5 fields, found 6: "),
        ("61 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("* * 32 * *", "bad day-of-month"),
        ("* * L * *", "'L' is not a cron field"),
        ("* * * * 5#2", "'5#2' is not a cron field"),
        ("* * * * 7", "day-of-week goes from 0, Sunday, to 6"),
        ("* * * * fry", "bad day-of-week"),
        ("10-5 * * * *", "bad minute"),
        ("*/0 * * * *", "bad minute"),
        ("@sometimes", "@sometimes is unknown; there are @hourly, .* @every 10s and @never"),
        ("@every", "@every is unknown"),
        ("@every 10", '"10" is not a duration such as 30s, 10m or 1h30m'),
        ("@every -10s", '"-10s" is not a duration'),
        ("TZ=Asia/Tokyo 0 9 * * *", "Expected exactly 5 fields, found 6: "),
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


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "spec",
    [
        "@every " + "9" * 400 + "h",
        "@every 99999999h",
        "@every " + "1h" * 100_000,
        "0 0 * * " + "0," * 500_000 + "1",
        f"*/{'9' * 5000} * * * *",
        "1 " * 1_000_000,
    ],
    ids=lambda spec: spec[:25],
)
def test_what_can_never_be_due_is_refused_in_a_sentence(spec: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        parse(spec)
    assert len(str(caught.value)) < 1000


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "spec",
    [
        "0 0 29 2 */7",
        "59 23 29 2 0-6/6",
        "0 0 30 2 0",
        "@every 1ns",
    ],
)
def test_what_is_seldom_due_is_found(spec: str) -> None:
    rule = parse(spec)
    for time in ("0001-01-01T00:00:00Z", "1900-03-01T00:00:00Z", LEAP, "9999-12-31T23:59:59Z"):
        rule.next(parse_time(time))


def test_nothing_is_due_after_the_end_of_time() -> None:
    assert parse("* * * * *").next(parse_time("9999-12-31T23:59:30Z")) is None


RULES = st.sampled_from(
    [
        "* * * * *",
        "*/7 3 * * *",
        "0 0 29 2 *",
        "@every 1s",
        "@every 1h30m",
    ]
)


@settings(deadline=None, max_examples=50)
@given(spec=RULES, after=st.integers(0, 10**9), size=st.integers(0, 10**6), most=st.integers(1, 9))
def test_of_many_times_the_last_come(spec: str, after: int, size: int, most: int) -> None:
    rule, start, until = parse(spec), after * SECOND, (after + size % 20_000) * SECOND
    every, due = [], rule.next(start)
    while due is not None and due <= until:
        every.append(due)
        due = rule.next(due)
    assert list(between(rule, start, until, most)) == every[-most:]
