"""What a page shows of an output, and what two runs of it have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .page import rewritten

_ID = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32})\b")
_AGO = r"(?:Less than a|About an?|\d+) (?:second|minute|hour)s?"
# What a reader, who has the usual port and a store of their own, wouldn't see.
_ELSEWHERE = (
    (
        re.compile(r"[~/][^\s:]*/scratch/[\w.-]+(?=/(?:pfs|code)\b)"),
        "",
    ),  # where paths are rewritten
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:30650"),
    (re.compile(r"^console  .*$", re.MULTILINE), "console  http://127.0.0.1:30080/?token=…"),
    (re.compile(r"^clients find it with: .*\n", re.MULTILINE), ""),
    (re.compile(r" +$", re.MULTILINE), ""),
)
_TIMES = (
    (re.compile(rf"\b{_AGO} ago\b"), "… ago"),
    (re.compile(rf"^(Duration): {_AGO}$", re.MULTILINE), r"\1: …"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?"), "…"),
    (re.compile(r"\bdatum [0-9a-f]{8,31}\.\.\."), "datum …"),  # cut off
)
# What comes with the versions of Python and of libraries, which a page shows and doesn't promise.
_VERSIONED = (
    (re.compile(r"^Versions: .*$", re.MULTILINE), "Versions: …"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "…"),  # hashes of models and of code
    (re.compile(r"\b(?!4\.444KiB)\d[.\d]{0,4}KiB"), "#.###KiB"),
)


def shown(output: str, places: Mapping[str, str]) -> str:
    """Returns an output as a page shows it: IDs, ages and durations as they were.

    Args:
        output: What was printed.
        places: Folders of this run, and what a reader's would be.
    """
    for place, instead in places.items():
        output = output.replace(place, instead)
    for pattern, replacement in _ELSEWHERE:
        output = pattern.sub(replacement, output)
    return output


def normal(text: str) -> str:
    """Returns a page with the same IDs, ages and durations as any other run of it."""
    ids: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        return ids.setdefault(match[0], f"ID-{len(ids) + 1}")

    def without_ids(output: str) -> str:
        output = _ID.sub(number, _without_times(output))
        for pattern, replacement in _TIMES:
            output = pattern.sub(replacement, output)
        return output

    return rewritten(text, lambda block: without_ids(block.output))


def promised(text: str) -> str:
    """Returns of a page what must not differ, whatever the versions are."""
    text = normal(text)
    for pattern, replacement in _VERSIONED:
        text = pattern.sub(replacement, text)
    return text


def _without_times(output: str) -> str:
    """Leaves times out of tables, and the width of their columns."""
    before, *tables = re.split(r"^(?=[A-Z]{2,} )", output, flags=re.MULTILINE)
    return "".join((before, *map(_table, tables)))


def _table(text: str) -> str:
    """Leaves times out of a table, and the width of its columns.

    Args:
        text: Its head, its rows up to an empty line, and what comes after them.
    """
    text, end, rest = text.partition("\n\n")
    head, *rows = text.split("\n")
    for column in re.findall(r"\b(?:CREATED|STARTED|FINISHED|DURATION|TIME)\b", head)[::-1]:
        start = head.index(column)
        stop = start + len(re.match(r"\S+\s*", head[start:])[0])  # type: ignore[index]
        last = stop == len(head)  # and the rows go on for as long as their words take
        rows = [f"{row[:start]}… {'' if last else row[stop:]}" if row else row for row in rows]
        head = f"{head[:start]}{column} {head[stop:]}"
    return re.sub(" +", " ", "\n".join((head, *rows))) + end + rest
