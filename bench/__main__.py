"""Run all measurements, or those named, and compare with the figures in the repo."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import NOISE, Figure, Figures, is_worse, write_page
from bench.harness import Measurement

_ALL = (
    "startup",
    "save",
    "access",
    "small_files",
    "large_file",
    "load_profile",
    "million",
    "growth",
    "datums",
    "batching",
    "enumeration",
    "globs",
    "waiting",
    "writers",
    "mixed",
    "many_pipelines",
    "warm",
    "containers",
    "console",
    "page",
)


def main(arguments: list[str]) -> int:
    """Measure and print a line each, and what is worse than recorded.

    Returns:
        The exit code: 1 when a ratio is not kept.
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(_ALL))
    parser.add_argument("--record", action="store_true", help="keep the figures, write the page")
    options = parser.parse_args(arguments)
    for name in set(options.names).difference(_ALL):
        parser.error(f"nothing is measured by {name}: it is one of {', '.join(_ALL)}")
    machine, today = _machine(), time.strftime("%Y-%m-%d")
    print(machine, flush=True)
    figures = Figures.read()
    kept, worse = True, []
    for module in options.names or _ALL:
        all_found = []
        for found in importlib.import_module(f"bench.{module}").measure():
            before = figures.find(module, found)
            print(_line(found, before), flush=True)
            kept = kept and found.is_kept
            all_found.append(found)
            if before is not None and is_worse(found, before):
                elsewhere = "" if before.machine == machine else f" on {before.machine}"
                was = f"{before.ratios[-1]:.2f} on {before.date}{elsewhere}"
                worse.append(f"  {found.name}: ratio {found.ratio:.2f}, was {was}")
        if options.record:
            figures.record(module, all_found, machine, today)
            figures.write()
            write_page(figures)
    noise = f"by more than noise ({NOISE:.0%} beyond all runs that are kept)"
    print("\n".join([f"Worse than recorded {noise}:", *worse]) if worse else f"None worse {noise}.")
    return 0 if kept else 1


def _line(found: Measurement, before: Figure | None) -> str:
    bound = "≥" if found.at_least else "≤"
    line = (
        f"{found.name:42} {found.ours:10.3f} {found.unit:10} "
        f"{found.peer_name:18} {found.peer:10.3f}   ratio {found.ratio:6.2f} "
        f"({bound} {found.goal}{'' if found.is_kept else ', NOT KEPT'})"
    )
    if before is None:
        return f"{line} new"
    return f"{line} was {before.ratios[-1]:.2f}{', WORSE' if is_worse(found, before) else ''}"


def _machine() -> str:
    """Say what this was measured on; all writes are durable (fsync) unless said otherwise."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    kind = _file_system(Path(tempfile.gettempdir()))
    return f"{os.cpu_count()} x {model}, {kind}, Python {platform.python_version()}"


def _file_system(path: Path) -> str:
    """Return the type of the file system that a folder lies on."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    place, kind = max(
        (mount for mount in mounts if path.is_relative_to(mount[0])), key=lambda it: len(it[0])
    )
    return f"{kind} on {place}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
