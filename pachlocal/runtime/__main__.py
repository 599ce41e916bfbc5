"""Prints how commands would run on this machine: `python -m pachlocal.runtime`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from pachlocal.errors import PachError

from .process import ProcessRuntime


def main() -> int:
    """Print one line; return the exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="pachlocal-probe-") as folder:
            print(ProcessRuntime(Path(folder) / "scratch", {}).describe())
    except (PachError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
