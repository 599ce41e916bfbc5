from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from pachlocal.cli.pachctl.printing import words
from pachlocal.cli.pachctl.printing.tables import Table, align
from pachlocal.proto import pfs_pb2, pps_pb2

DAY = 24 * 3600


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0B"),
        (16, "16B"),
        (1023, "1023B"),
        (1024, "1KiB"),
        (4551, "4.444KiB"),
        (1_000_000, "976.6KiB"),
        (1 << 20, "1MiB"),
        (123_456_789, "117.7MiB"),
        (5 << 30, "5GiB"),
    ],
)
def test_sizes_have_four_digits_and_no_space(count: int, text: str) -> None:
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "Less than a second"),
        (0.9, "Less than a second"),
        (1.9, "1 second"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (1.4 * 3600, "About an hour"),
        (1.5 * 3600, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (59 * DAY, "8 weeks"),
        (60 * DAY, "2 months"),
        (729 * DAY, "24 months"),
        (730 * DAY, "2 years"),
    ],
)
def test_lengths_of_time_are_put_in_words(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.25, "250ms"), (66.25, "1m6.25s"), (300, "5m0s"), (3600, "1h0m0s")],
)
def test_exact_lengths_of_time(seconds: float, text: str) -> None:
    assert words.exact(seconds) == text


def test_a_moment_is_an_age_or_a_point_in_time_or_nothing_yet() -> None:
    info = pfs_pb2.RepoInfo(created=Timestamp(seconds=1_700_000_000, nanos=999))

    assert words.moment(info, "created", full=True) == "2023-11-14T22:13:20Z"
    assert words.moment(info, "created", full=False).endswith(" ago")
    assert words.moment(pfs_pb2.RepoInfo(), "created", full=False) == "-"


def test_bars_show_shares_and_never_hide_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_colors_wanted", lambda: True)

    def colors(*shares: int) -> str:
        return "".join(
            {"32": "g", "33": "y", "31": "r"}[part[:2]]
            for part in words.progress_bar(*shares).split("\x1b[")
            if "▇" in part
        )

    assert colors(4, 0, 0) == "gggggggg"
    assert colors(1, 1, 0) == "ggggyyyy"
    assert colors(1, 1, 1) == "gggyyyrr"
    assert colors(99, 0, 1) == "gggggggr"
    assert words.progress_bar(0, 0, 0) == " " * 8


def test_numbers_stay_numbers_in_parts_of_a_message() -> None:
    transform = pps_pb2.Transform(cmd=["sh"], accept_return_code=[1, 2])
    nested = pps_pb2.Input(
        cross=[pps_pb2.Input(pfs=pps_pb2.PFSInput(trigger=pfs_pb2.Trigger(commits=3)))]
    )

    assert '"accept_return_code": [\n    1,\n    2\n  ]' in words.plain_json(transform)
    assert '"commits": 3' in words.plain_json(nested)


def test_columns_are_as_wide_as_their_widest_cell_and_a_blank() -> None:
    assert list(align(["A\tB\t", "long\t\t", "\x1b[31mx\x1b[0m\ty\t"])) == [
        "A    B ",
        "long   ",
        "\x1b[31mx\x1b[0m    y ",
    ]


def test_a_column_reaches_over_neighbouring_lines_that_have_it() -> None:
    lines = ["A\tB", "wide cell\tb\tc\t", "no cells", "a\tb"]

    assert list(align(lines, minimum=4, padding=2)) == [
        "A          B",
        "wide cell  b   c   ",
        "no cells",
        "a   b",
    ]


def test_the_header_comes_again_on_every_page(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("N\t")
    for number in range(120):
        table.row(str(number))
    table.flush()

    lines = capsys.readouterr().out.splitlines()
    assert [at for at, line in enumerate(lines) if line.startswith("N")] == [0, 50, 100]
    assert len(lines) == 123


def test_no_cell_breaks_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("A\tB\t")
    table.row("one\ntwo", "three\tfour")
    table.flush()

    assert capsys.readouterr().out == "A       B          \none two three four \n"


def test_a_live_table_prints_at_once_and_keeps_its_widths(capsys: Any) -> None:
    table = Table("A\tB\t", live=True)
    printed = []
    for cells in (("1", "x"), ("long", "x"), ("1", "x")):
        table.row(*cells)
        printed.append(capsys.readouterr().out)
    table.flush()

    assert printed == ["A B \n1 x \n", "long x \n", "1    x \n"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("live", [False, True])
def test_a_terminal_cuts_what_it_has_no_room_for(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    def printed(columns: int) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        table = Table("A\tB\t", live=live, least=5)
        table.row("1", "\x1b[31mfailure\x1b[0m: of a kind")
        table.flush()
        return str(capsys.readouterr().out.splitlines()[1].rstrip())

    whole = "1 \x1b[31mfailure\x1b[0m: of a kind"
    assert printed(4) == whole  # what isn't a terminal has room
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert printed(21) == whole
    assert printed(20) == "1 \x1b[31mfailure\x1b[0m: of a..."
    assert printed(4) == "1 \x1b[31mfa\x1b[0m..."


def test_an_empty_live_table_has_its_header_in_the_end(capsys: Any) -> None:
    Table("A\t", live=True).flush()

    assert capsys.readouterr().out == "A \n"
