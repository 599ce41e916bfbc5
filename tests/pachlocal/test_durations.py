"""Durations in Go's notation."""

import pytest

from pachlocal.durations import parse_nanoseconds

SECOND = 10**9


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90s", 90), ("1h30m", 5400), ("1.5s", 1.5), (".5m", 30)]
)
def test_go_s_notation_is_read(text: str, seconds: float) -> None:
    assert parse_nanoseconds(text) == seconds * SECOND


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "s",
        ".s",
        "-1s",
        "1h 30m",
        "1x",
        "٣s",
        100_000 * "9",
        50_000 * "1.",
        "1s" + 9_999 * "s",
    ],
    ids=lambda text: text[:9],
)
def test_all_else_is_refused_soon(text: str) -> None:
    with pytest.raises(ValueError, match=" is not a duration such as 30s, 10m or 1h30m"):
        parse_nanoseconds(text)


def test_there_is_a_longest() -> None:
    for text in ("2562048h", 400 * "9" + "h"):
        with pytest.raises(ValueError, match="longer than 292 years"):
            parse_nanoseconds(text)
