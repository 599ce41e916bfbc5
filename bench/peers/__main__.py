"""Measure the tools that are named, or all: `python -m bench.peers [make …]`."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from bench.harness import note, scratch

from .tools import ROOT, TOOLS, Tool

_ANSWER = "Iris-virginica\n"  # of data/test/1.csv, which each file is a copy of


def main() -> int:
    """Print a line for each tool: seconds for two files, for many, and for one more."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    names = [tool.name for tool in TOOLS]
    parser.add_argument("tools", nargs="*", metavar="TOOL", help=f"of {', '.join(names)}")
    parser.add_argument("--files", type=int, default=200, help="how many are many  [200]")
    given = parser.parse_args()
    if unknown := set(given.tools) - set(names):
        parser.error(f"no tool of {', '.join(names)}: {', '.join(sorted(unknown))}")
    print(f"{'seconds':12} {'2 files':>10} {f'{given.files} files':>12} {'1 new file':>12}")
    with scratch() as folder:
        for kind in TOOLS:
            if given.tools and kind.name not in given.tools:
                continue
            note(f"{kind.name}: installing")
            kind(folder).install(folder / "environments")
            two, _ = _measured(kind, folder, 2)
            row = f"{kind.name:12} {two:10.2f}"
            if kind.repeats:
                many, one_more = _measured(kind, folder, given.files)
                row += f" {many:12.2f} {one_more:12.2f}"
            print(row, flush=True)
    return 0


def _measured(kind: type[Tool], folder: Path, files: int) -> tuple[float, float]:
    """Return how long a tool takes from nothing to all results, and then for one new file."""
    note(f"{kind.name}: {files} files")
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    (project / "training").mkdir(parents=True)
    shutil.copy(ROOT / "data" / "iris.csv", project / "training")
    for number in range(files):
        _add(project, number)
    tool = kind(project)
    tool.install(folder / "environments")
    begun = time.perf_counter()
    tool.begin()
    try:
        tool.run()
        first = time.perf_counter() - begun
        for number in range(files):
            _check(tool, number)
        if not tool.repeats:
            return first, first
        _add(project, files)
        begun = time.perf_counter()
        tool.run()
        return first, time.perf_counter() - begun
    finally:
        tool.end()


def _add(project: Path, number: int) -> None:
    place = project / "attributes" / f"{number:04}"
    place.mkdir(parents=True)
    shutil.copy(ROOT / "data" / "test" / "1.csv", place / f"{number:04}.csv")


def _check(tool: Tool, number: int) -> None:
    if tool.answer(f"{number:04}") != _ANSWER:
        raise RuntimeError(f"{tool.name} has another answer for file {number}")


if __name__ == "__main__":
    sys.exit(main())
