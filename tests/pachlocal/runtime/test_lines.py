from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pachlocal.runtime.lines import LINE_LIMIT, LineSplitter


def split(*chunks: bytes) -> list[str]:
    lines: list[str] = []
    splitter = LineSplitter(lambda text: lines.extend(text.split("\n")))
    for chunk in chunks:
        splitter.feed(chunk)
    splitter.finish()
    return lines


@given(
    st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))), st.data()
)
def test_lines_do_not_depend_on_how_the_output_comes(lines: list[str], data: st.DataObject) -> None:
    output = "".join(f"{line}\n" for line in lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(output)))))
    ends = [0, *cuts, len(output)]
    assert split(*(output[a:b] for a, b in itertools.pairwise(ends))) == lines


def test_a_last_line_without_an_end_counts() -> None:
    assert split(b"a\nb") == ["a", "b"]
    assert split(b"a\n") == ["a"]
    assert split(b"\n\n") == ["", ""]
    assert split() == []


def test_what_is_not_utf8_is_replaced() -> None:
    assert split(b"a\xffb\n\xe2\x82") == ["a�b", "�"]


def test_a_long_line_is_cut_between_characters() -> None:
    text = "x" + "é" * LINE_LIMIT
    parts = split(text.encode())
    assert "".join(parts) == text
    assert max(len(part.encode()) for part in parts) <= LINE_LIMIT


def test_a_long_line_of_bytes_that_are_no_characters_is_cut_too() -> None:
    assert [len(part) for part in split(b"\x80" * (LINE_LIMIT + 5))] == [LINE_LIMIT, 5]


def test_lines_that_come_at_once_are_passed_on_at_once() -> None:
    passed: list[str] = []
    splitter = LineSplitter(passed.append)
    splitter.feed(b"a\n\nb\nc")
    splitter.feed(b"d\ne\n")
    assert passed == ["a\n\nb", "cd\ne"]
