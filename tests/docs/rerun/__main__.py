"""`make readme`: runs the commands of pages, each on a new store, and rewrites the outputs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .normal import normal
from .run import rerun
from .shell import BlockError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.docs.rerun", description=__doc__)
    parser.add_argument("pages", type=Path, nargs="+", metavar="page.md")
    for page in parser.parse_args().pages:
        try:
            text = rerun(page)
        except BlockError as error:
            print(f"{page}: {error}", file=sys.stderr)
            return 1
        changed = normal(text) != normal(page.read_text())
        if changed:
            page.write_text(text)
        print(f"{page}: {'rewritten' if changed else 'current'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
