"""`make docs/report.png`: the report of step 13, as the workshop draws it after the steps before.

It runs the workshop on a store of its own, with R (MASS, e1071) for step 12.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.walkthrough.machine import Daemon, second_language  # noqa: E402 - found only then
from tests.walkthrough.steps import STEPS  # noqa: E402
from tests.walkthrough.walk import Walk  # noqa: E402


def main() -> None:
    """Writes the picture beside this file."""
    other = second_language() or sys.exit("R is not installed, with its packages MASS and e1071")
    with tempfile.TemporaryDirectory(prefix="pachlocal-picture-") as name:
        folder = Path(name)
        walk = Walk(Daemon(folder / "store"), folder, other=other)
        try:
            for step in STEPS:
                step.do(walk)
            picture = walk.quiet("get file report@master:report.png")
        finally:
            walk.daemon.end()
    Path(__file__).with_name("report.png").write_bytes(picture)


if __name__ == "__main__":
    main()
