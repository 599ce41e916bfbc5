"""A DAG drawn with characters: a box a node, rows by depth, lines from a box to those below it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

_GAP = 3  # columns between two boxes
_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_LINES = " ╵╷│╴┘┐┤╶└┌├─┴┬┼"  # by the directions in which a line leaves its place
_CORNERS = {True: "╭╮╰╯", False: "┌┐└┘"}
_SWEEPS = 4  # how often rows are put in the order of their neighbours


@dataclass(frozen=True, slots=True)
class Node:
    """What a box stands for.

    Attributes:
        label: What is written in it.
        rounded: Whether its corners are.
        parents: The keys of the nodes that lines come from.
    """

    label: str
    rounded: bool = False
    parents: tuple[str, ...] = ()


@dataclass(slots=True)
class _Place:
    """A node's place in its row, or that of a line that passes through the row."""

    row: int
    node: Node | None
    width: int
    parents: list[_Place]
    x: int = 0

    @property
    def middle(self) -> int:
        return self.x + self.width // 2


def draw(nodes: Mapping[str, Node], *, box_width: int = 0, edge_height: int = 0) -> str:
    """Draw a DAG.

    Args:
        nodes: The nodes by their keys; parents that aren't among them are left out.
        box_width: Of a box, in characters between its sides; what is longer is cut. As wide as the
            longest label if 0.
        edge_height: How many lines there are at least between two rows.

    Returns:
        Lines without blanks behind them.

    Raises:
        ValueError: There is a cycle.
    """
    if not nodes:
        return ""
    inside = box_width or max(_width(node.label) for node in nodes.values()) + 2
    rows = _rows(nodes, inside + 2)
    _order(rows)
    _set_columns(rows)
    return _paint(rows, inside, edge_height)


def _depths(nodes: Mapping[str, Node]) -> dict[str, int]:
    depths: dict[str, int] = {}
    ahead = set(nodes)
    while ahead:
        ready = [key for key in ahead if not ahead.intersection(nodes[key].parents)]
        if not ready:
            raise ValueError(f"there is a cycle among {', '.join(sorted(ahead))}")
        for key in ready:
            above = [depths[parent] for parent in nodes[key].parents if parent in depths]
            depths[key] = max(above, default=-1) + 1
        ahead.difference_update(ready)
    return depths


def _rows(nodes: Mapping[str, Node], width: int) -> list[list[_Place]]:
    """Put nodes in rows, with a place in each row that a line passes through."""
    depths = _depths(nodes)
    rows: list[list[_Place]] = [[] for _ in range(max(depths.values()) + 1)]
    placed: dict[str, _Place] = {}
    for key in sorted(nodes, key=lambda key: depths[key]):  # stable: as they were given
        place = _Place(depths[key], nodes[key], width, [])
        for parent in dict.fromkeys(nodes[key].parents):
            if (above := placed.get(parent)) is not None:
                for row in range(above.row + 1, place.row):
                    above = _Place(row, None, 1, [above])
                    rows[row].append(above)
                place.parents.append(above)
        placed[key] = place
        rows[place.row].append(place)
    return rows


def _order(rows: list[list[_Place]]) -> None:
    """Put rows into an order in which few lines cross: each place near to what it is joined to."""
    for sweep in range(_SWEEPS):
        index = {id(place): number for row in rows for number, place in enumerate(row)}
        below: dict[int, list[int]] = {}
        for place in (place for row in rows for place in row):
            for parent in place.parents:
                below.setdefault(id(parent), []).append(index[id(place)])
        for row in rows if sweep % 2 == 0 else reversed(rows):
            near = {
                id(place): [index[id(parent)] for parent in place.parents]
                if sweep % 2 == 0
                else below.get(id(place), [])
                for place in row
            }
            row.sort(key=lambda it: fmean(near[id(it)] or [index[id(it)]]))
            index.update((id(place), number) for number, place in enumerate(row))


def _set_columns(rows: list[list[_Place]]) -> None:
    for row in rows:
        right = 0
        for place in row:
            wanted = round(fmean(parent.middle for parent in place.parents)) if place.parents else 0
            place.x = max(right, wanted - place.width // 2)
            right = place.x + place.width + _GAP


def _paint(rows: list[list[_Place]], inside: int, edge_height: int) -> str:
    lines: list[str] = []
    for number, row in enumerate(rows):
        if number:
            lines.extend(_edges(row, edge_height))
        top, text, bottom = (_Line() for _ in range(3))
        for place in row:
            if place.node is None:
                for line in (top, text, bottom):
                    line.put(place.x, "│")
                continue
            left_top, right_top, left_low, right_low = list(_CORNERS[place.node.rounded])
            above = "┴" if place.parents else "─"
            below = "┬" if any(place in it.parents for it in _next(rows, number)) else "─"
            for line, first, middle, last in (
                (top, left_top, above, right_top),
                (bottom, left_low, below, right_low),
            ):
                half = place.width // 2
                rest = place.width - half - 2
                line.put(place.x, f"{first}{'─' * (half - 1)}{middle}{'─' * rest}{last}")
            text.put(place.x, f"│{_centred(place.node.label, inside)}│")
        lines.extend(str(line) for line in (top, text, bottom))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _next(rows: list[list[_Place]], number: int) -> Iterable[_Place]:
    return rows[number + 1] if number + 1 < len(rows) else ()


def _edges(row: list[_Place], height: int) -> Iterator[str]:
    """Draw the lines that come down to a row: those of one parent share a horizontal track."""
    children: dict[int, tuple[_Place, list[int]]] = {}
    for place in row:
        for parent in place.parents:
            children.setdefault(id(parent), (parent, []))[1].append(place.middle)
    edges = sorted(children.values(), key=lambda edge: edge[0].middle)
    bent = [edge for edge in edges if set(edge[1]) != {edge[0].middle}]
    tracks = {id(parent): number for number, (parent, _) in enumerate(bent)}
    last = max(height, len(bent), 1) - 1
    marks: list[dict[int, int]] = [{} for _ in range(last + 1)]

    def mark(line: int, column: int, directions: int) -> None:
        marks[line][column] = marks[line].get(column, 0) | directions

    for parent, targets in edges:
        track = tracks.get(id(parent), last)
        for line in range(track):
            mark(line, parent.middle, _UP | _DOWN)
        mark(track, parent.middle, _UP)
        for target in targets:
            mark(track, target, _DOWN)
            for line in range(track + 1, last + 1):
                mark(line, target, _UP | _DOWN)
            low, high = sorted((parent.middle, target))
            for column in range(low, high):
                mark(track, column, _RIGHT)
                mark(track, column + 1, _LEFT)
    for found in marks:
        yield "".join(_LINES[found.get(column, 0)] for column in range(max(found, default=-1) + 1))


class _Line:
    """A line that is written from left to right, by columns of the terminal."""

    def __init__(self) -> None:
        self._text = ""
        self._columns = 0

    def put(self, column: int, text: str) -> None:
        self._text += " " * (column - self._columns) + text
        self._columns = column + _width(text)

    def __str__(self) -> str:
        return self._text


def _centred(label: str, width: int) -> str:
    while _width(label) > width:
        label = label.removesuffix("…")[:-1] + "…" if width > 1 else ""
    before = (width - _width(label)) // 2
    return " " * before + label + " " * (width - before - _width(label))


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(it) in "WF" else 1 for it in text)
