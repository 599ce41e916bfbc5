"""What differs from run to run, replaced by something that looks the same and doesn't differ."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

_ID = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32})\b")
_AGO = r"(?:Less than a|About an?|\d+) (?:second|minute|hour)s?(?: ago)?"
_COLUMNS = {  # of tables: what is shown for every time
    "CREATED": "5 seconds ago",
    "STARTED": "5 seconds ago",
    "FINISHED": "2 seconds ago",
    "DURATION": "3 seconds",
    "TIME": "1 second",
}
_LINES = (
    (re.compile(rf"^(Created|Started): {_AGO}$", re.MULTILINE), r"\1: 5 seconds ago"),
    (re.compile(rf"^(Finished): {_AGO}$", re.MULTILINE), r"\1: 2 seconds ago"),
    (re.compile(rf"^(Duration): {_AGO}$", re.MULTILINE), r"\1: 3 seconds"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?"), "2026-01-02T03:04:05"),
    (
        re.compile(r"[~/][^\s:]*/scratch/[\w.-]+(?=/(?:pfs|code)\b)"),
        "",
    ),  # where paths are rewritten
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:30650"),
    (re.compile(r"^clients find it with: .*\n", re.MULTILINE), ""),  # another port than usual
    (re.compile(r"\bdatum [0-9a-f]{8,31}\.\.\."), "datum 0123456789abcdef012..."),  # cut off
    (re.compile(r" +$", re.MULTILINE), ""),
)
# What comes with the versions of Python and of libraries, which a page shows and doesn't promise.
_VERSIONED = (
    (re.compile(r"^Versions: .*$", re.MULTILINE), "Versions: …"),
    (re.compile(r"\b(?!4\.444KiB)\d[.\d]{4}KiB"), "#.###KiB"),
)


class Normal:
    """Replaces; the same ID gets the same replacement in a whole page."""

    def __init__(self, places: Mapping[str, str]) -> None:
        """Begins a page.

        Args:
            places: Folders of this run, and what a reader's would be.
        """
        self._places = places
        self._ids: dict[str, str] = {}

    def __call__(self, output: str) -> str:
        """Returns an output as the page shows it."""
        for place, shown in self._places.items():
            output = output.replace(place, shown)
        output = _ID.sub(lambda match: self._id(match[0]), output)
        output = _table(output)
        for pattern, replacement in _LINES:
            output = pattern.sub(replacement, output)
        return output

    def _id(self, found: str) -> str:
        number = len(self._ids) + 1
        made = hashlib.sha256(f"ID {number} of the page".encode()).hexdigest()[: len(found)]
        return self._ids.setdefault(found, made)


def promised(output: str) -> str:
    """Returns of an output what must not differ, whatever the versions are."""
    for pattern, replacement in _VERSIONED:
        output = pattern.sub(replacement, output)
    return output


def _table(output: str) -> str:
    """Gives every time in a table the same words, and its column the width of these."""
    head, *rows = output.split("\n")
    if not re.match(r"[A-Z]{2,} ", head):
        return output
    for column in re.findall(r"\b(?:CREATED|STARTED|FINISHED|DURATION|TIME)\b", head)[::-1]:
        start = head.index(column)
        end = start + len(re.match(r"\S+\s*", head[start:])[0])  # type: ignore[index]
        words = _COLUMNS[column]
        rows = [f"{row[:start]}{words} {row[end:]}" if row else row for row in rows]
        head = f"{head[:start]}{column.ljust(len(words))} {head[end:]}"
    return "\n".join((head, *rows))
