"""The figures of speed: the page shows those in the repo, and a comparison tells what is worse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.figures import PAGE, RUNS, Figures, is_worse, write_page
from bench.harness import Measurement

_TIME = Measurement("a job", 1.0, 2.0, "goal", "s", 1)
_RATE = Measurement("puts", 2.0, 1.0, "goal", "puts/s", 1, at_least=True)


def test_the_page_shows_the_recorded_figures(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text())

    write_page(Figures.read(), page)

    assert page.read_text() == PAGE.read_text(), "run: python -m bench.figures"


@pytest.mark.parametrize(
    ("now", "worse"),
    [
        (replace(_TIME, ours=1.7), True),
        (replace(_TIME, ours=1.3), False),  # within the noise
        (replace(_TIME, ours=0.1), False),
        (replace(_RATE, ours=1.2), True),
        (replace(_RATE, ours=9), False),
    ],
)
def test_a_figure_is_worse_beyond_the_noise_of_its_runs(now: Measurement, worse: bool) -> None:
    figures = Figures()
    for factor in (1.0, 1.2):
        found = [replace(it, ours=it.ours * factor) for it in (_TIME, _RATE)]
        figures.record("jobs", found, "a machine", "2026-01-01")

    before = figures.find("jobs", now)

    assert before is not None
    assert is_worse(now, before) is worse


def test_the_last_runs_on_one_machine_are_kept(tmp_path: Path) -> None:
    figures = Figures()
    for number in range(RUNS + 2):
        found = replace(_TIME, ours=number)
        figures.record("jobs", [found, _RATE], "old", "2026-01-01")
    figures.record("other", [_TIME], "old", "2026-01-01")
    figures.record("jobs", [_RATE], "new", "2026-01-02")
    file = tmp_path / "figures.jsonl"
    figures.write(file)

    read = Figures.read(file)

    assert read.table() == figures.table()
    job, puts = (read.find("jobs", it) for it in (_TIME, _RATE))
    assert job is not None
    assert job.ratios == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert puts is not None
    assert (puts.machine, puts.ratios) == ("new", [2.0])
    assert [row.split(" | ")[0] for row in read.table().splitlines()[-3:]] == [
        "| a job",
        "| puts",
        "| a job",
    ]
