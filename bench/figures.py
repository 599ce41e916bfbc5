"""The figures kept in the repo: what was measured, what is worse now, and the table of the page.

`figures.jsonl` has a line for each. A figure is worse when its ratio is beyond all of its last runs
on the same machine by more than `NOISE`: a run beside other work differs by as much.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from bench.harness import Measurement

NOISE = 0.15  # of the ratio
RUNS = 5  # that are kept of a figure
FILE = Path(__file__).with_name("figures.jsonl")
PAGE = Path(__file__).parent.parent / "docs/performance.md"
_BEGIN, _END = "<!-- figures: written by `make bench RECORD=yes` -->", "<!-- end of figures -->"


@dataclass(frozen=True, slots=True)
class Figure:
    """A measurement as it was recorded.

    Attributes:
        module: The module of `bench` that measures it.
        name: See `Measurement`; so are `ours` to `at_least`, of the last run.
        date: Of the last run, as YYYY-MM-DD.
        machine: What it was measured on.
        ratios: Of the last runs on this machine, the newest last.
    """

    module: str
    name: str
    ours: float
    peer: float
    peer_name: str
    unit: str
    goal: float
    at_least: bool
    date: str
    machine: str
    ratios: list[float]

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from the others."""
        return self.module, self.name, self.peer_name


class Figures:
    """The figures of all measurements, in the order in which they are measured."""

    def __init__(self, figures: Iterable[Figure] = ()) -> None:
        self._by_key = {figure.key: figure for figure in figures}

    @classmethod
    def read(cls, path: Path = FILE) -> Figures:
        """Read them from a file."""
        with path.open() as lines:
            return cls(Figure(**json.loads(line)) for line in lines)

    def write(self, path: Path = FILE) -> None:
        """Write them to a file, a line each."""
        lines = (json.dumps(asdict(figure)) for figure in self._by_key.values())
        path.write_text("".join(f"{line}\n" for line in lines))

    def find(self, module: str, found: Measurement) -> Figure | None:
        """Return what is recorded of a measurement."""
        return self._by_key.get((module, found.name, found.peer_name))

    def record(self, module: str, found: list[Measurement], machine: str, date: str) -> None:
        """Take in what a module measured; the rest stays, for a machine may lack R or Docker."""
        new = {it.key: it for it in (self._after(module, one, machine, date) for one in found)}
        merged = self._by_key | new
        rank = {name: place for place, name in enumerate(dict.fromkeys(key[0] for key in merged))}
        self._by_key = dict(sorted(merged.items(), key=lambda item: rank[item[0][0]]))

    def _after(self, module: str, found: Measurement, machine: str, date: str) -> Figure:
        before = self.find(module, found)
        earlier = before.ratios if before is not None and before.machine == machine else []
        values = {it.name: getattr(found, it.name) for it in fields(Measurement)}
        for name in ("ours", "peer"):
            values[name] = float(f"{values[name]:.4g}")
        ratios = [*earlier, round(found.ratio, 3)][-RUNS:]
        return Figure(module, **values, date=date, machine=machine, ratios=ratios)

    def table(self) -> str:
        """Return what the page shows: where they were measured, and a row each, in Markdown."""
        machines = dict.fromkeys(figure.machine for figure in self._by_key.values())
        notes = {machine: f"[{number}]" for number, machine in enumerate(machines, start=1)}
        if len(machines) == 1:
            lines = [f"Measured on {machine}." for machine in machines]
            notes = dict.fromkeys(machines, "")
        else:
            lines = ["Measured on:", ""]
            lines += [f"{number}. {machine}" for number, machine in enumerate(machines, start=1)]
        lines += [
            "",
            "| what | ours | against | theirs | ratio | to be | measured |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for it in self._by_key.values():
            bound = "≥" if it.at_least else "≤"
            cells = (
                *(it.name, f"{_short(it.ours)} {it.unit}", it.peer_name, _short(it.peer)),
                *(_range(it.ratios), f"{bound} {it.goal:g}", f"{it.date} {notes[it.machine]}"),
            )
            lines.append(f"| {' | '.join(cell.strip() for cell in cells)} |")
        return "\n".join(lines)


def is_worse(found: Measurement, before: Figure) -> bool:
    """Whether a ratio is worse than all recorded ones, by more than noise."""
    if found.at_least:
        return found.ratio < min(before.ratios) * (1 - NOISE)
    return found.ratio > max(before.ratios) * (1 + NOISE)


def write_page(figures: Figures, page: Path = PAGE) -> None:
    """Put the table in its place on the page."""
    before, begin, rest = page.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    page.write_text(f"{before}{begin}\n{figures.table()}\n{end}{after}")


def _short(number: float) -> str:
    """Write a number with three significant digits, and all those before the point."""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{float(f'{number:.3g}'):g}"


def _range(ratios: list[float]) -> str:
    """Write the last ratio, and how far those kept are apart."""
    last = f"{ratios[-1]:.2f}"
    low, high = f"{min(ratios):.2f}", f"{max(ratios):.2f}"
    return last if low == high else f"{last} ({low} to {high})"


if __name__ == "__main__":
    write_page(Figures.read())
