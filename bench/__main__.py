"""Run all measurements, or those named: `python -m bench [small_files …]`."""

from __future__ import annotations

import importlib
import os
import platform
import sys
import tempfile
from pathlib import Path

_ALL = (
    "startup",
    "small_files",
    "large_file",
    "load_profile",
    "million",
    "growth",
    "datums",
    "batching",
    "enumeration",
    "warm",
)


def main(names: list[str]) -> int:
    """Measure and print a line each; return the exit code, 1 when a ratio is not kept."""
    print(_machine(), flush=True)
    kept = True
    for name in names or _ALL:
        module = importlib.import_module(f"bench.{name}")
        for found in module.measure():
            kept = kept and found.is_kept
            bound = "≥" if found.at_least else "≤"
            print(
                f"{found.name:42} {found.ours:10.3f} {found.unit:10} "
                f"{found.peer_name:18} {found.peer:10.3f}   ratio {found.ratio:6.2f} "
                f"({bound} {found.goal}{'' if found.is_kept else ', NOT KEPT'})",
                flush=True,
            )
    return 0 if kept else 1


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
