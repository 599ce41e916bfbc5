"""Tables: columns as wide as their widest cell."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest

_PAGE = 50  # lines after which the header comes again
_LONG_PAGE = 10_000  # lines that are lined up together where it doesn't
_ESCAPES = re.compile("\x1b\\[[0-9;]*m")
_CUT = "..."  # stands for what is left out
_BLANKS = str.maketrans("\t\r\n", "   ")


def align(lines: Sequence[str], minimum: int = 0, padding: int = 1) -> Iterator[str]:
    """Line up cells that end in a tab.

    A column is as wide as the widest cell among the neighbouring lines that have it. What follows a
    line's last tab belongs to no column.

    Args:
        lines: Lines without their end.
        minimum: The least width of a column, padding included.
        padding: Blanks behind the widest cell.

    Yields:
        The lines with blanks in place of tabs.
    """
    rows = [line.split("\t") for line in lines]
    widths: list[list[int]] = [[] for _ in rows]
    for column in range(max((len(row) for row in rows), default=1) - 1):
        block: list[int] = []
        for number, row in enumerate([*rows, []]):
            if column < len(row) - 1:
                block.append(number)
            elif block:
                width = max(_width(rows[member][column]) for member in block) + padding
                for member in block:
                    widths[member].append(max(width, minimum))
                block = []
    for row, row_widths in zip(rows, widths, strict=True):
        cells = zip(row, row_widths, strict=False)
        yield "".join(cell + " " * (width - _width(cell)) for cell, width in cells) + row[-1]


def _width(cell: str) -> int:
    return len(_ESCAPES.sub("", cell))


def _cut(cell: str, room: int) -> str:
    """Cut a cell to so many characters, with all its escape sequences."""
    if _width(cell) <= room:
        return cell
    kept, left = "", room - len(_CUT)
    while found := _ESCAPES.search(cell):
        kept += cell[: found.start()][:left] + found.group()
        left = max(left - found.start(), 0)
        cell = cell[found.end() :]
    return kept + cell[:left].rstrip() + _CUT


class Table:
    """Prints rows under a header, page by page, so that a million of them need little memory."""

    def __init__(
        self,
        header: str,
        *,
        live: bool = False,
        minimum: int = 0,
        padding: int = 1,
        repeat: bool = True,
        least: int = 0,
    ) -> None:
        """Start a table.

        Args:
            header: The titles, with a tab behind each that is padded.
            live: Print every row when it comes. Columns then grow as they have to.
            minimum: The least width of a column, padding included.
            padding: Blanks behind the widest cell.
            repeat: Print the header again on every page.
            least: If not 0, the last cells are cut to what a terminal has room for, but not below
                this many characters. What isn't printed on a terminal is never cut.
        """
        self._header = header
        self._live = live
        self._minimum, self._padding = minimum, padding
        self._page = _PAGE if repeat else _LONG_PAGE
        self._repeat = repeat
        self._least = least if sys.stdout.isatty() else 0
        self._lines = [header]
        self._widths = [_width(title) for title in header.split("\t")[:-1]]

    def row(self, *cells: str, closed: bool = True) -> None:
        """Add a row.

        Args:
            cells: The row's cells; what would break the table in them is printed as a blank.
            closed: Whether the last cell is padded as well.
        """
        line = "\t".join(cell.translate(_BLANKS) for cell in cells) + ("\t" if closed else "")
        if self._live:
            self._print_now(line)
            return
        if len(self._lines) >= self._page:
            self.flush()
            self._lines = [self._header] if self._repeat else []
        self._lines.append(line)

    def flush(self) -> None:
        """Print what is left."""
        for line in align(self._fitted(self._lines), self._minimum, self._padding):
            sys.stdout.write(line + "\n")
        self._lines = []

    def _fitted(self, lines: Sequence[str], known: Sequence[int] = ()) -> Sequence[str]:
        """Cut the last cells to what a terminal has room for.

        Args:
            lines: Rows of equally many cells.
            known: The least widths of the columns.
        """
        if not (self._least and lines):
            return lines
        rows = [line.split("\t") for line in lines]
        widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
        *before, _, _ = (max(pair) for pair in zip_longest(widths, known, fillvalue=0))
        used = sum(max(width + self._padding, self._minimum) for width in before)
        room = max(shutil.get_terminal_size().columns - used - self._padding, self._least)
        return ["\t".join([*cells, _cut(last, room), end]) for *cells, last, end in rows]

    def _print_now(self, line: str) -> None:
        (line,) = self._fitted([line], self._widths)
        cells = [_width(cell) for cell in line.split("\t")[:-1]]
        self._widths = [max(pair) for pair in zip_longest(self._widths, cells, fillvalue=0)]
        # A line of the widths known so far makes room, and isn't printed.
        room = "".join(" " * width + "\t" for width in self._widths)
        *lines, _ = align([*self._lines, line, room], self._minimum, self._padding)
        self._lines = []
        sys.stdout.write("".join(text + "\n" for text in lines))
        sys.stdout.flush()
