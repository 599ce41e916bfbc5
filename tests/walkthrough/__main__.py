"""`make demo`: the walkthrough before your eyes, on a store that is thrown away."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from .machine import Daemon, second_language
from .steps import STEPS
from .walk import STOPPING, DifferenceError, Walk


def main() -> int:
    argparse.ArgumentParser(prog="make demo", description=__doc__).parse_args()
    for number in STOPPING:
        signal.signal(number, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="pachlocal-demo-") as folder:
            return _demo(Path(folder))
    except KeyboardInterrupt:
        print("demo: interrupted; nothing is left behind", file=sys.stderr)
        return 130


def _demo(folder: Path) -> int:
    started = time.monotonic()
    daemon = Daemon(folder / "store")
    walk = Walk(daemon, folder, other=second_language())
    place = ""
    try:
        for step in STEPS:
            place = f"step {step.number}, {step.title!r}"
            walk.say(f"\n=== Step {step.number} of {len(STEPS)}: {step.title}\n")
            step.do(walk)
        place = "the daemon's end"
        walk.say("")
        walk.type(f"pachlocal down --root {daemon.root}")
    except DifferenceError as error:
        print(f"\nThe daemon's log:\n{daemon.log}", file=sys.stderr)
        print(f"demo: {place}: {error}", file=sys.stderr)
        return 1
    finally:
        for number in STOPPING:  # a second Ctrl-C must not stop the cleaning
            signal.signal(number, signal.SIG_IGN)
        daemon.end()
    walk.say(f"\nAll {len(STEPS)} steps went as promised, in {time.monotonic() - started:.0f} s.")
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
