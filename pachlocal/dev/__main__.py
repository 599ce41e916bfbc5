"""Runs `pachlocal dev` for a folder and a store whose daemon runs. Started by that command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from pachlocal.cli import program
from pachlocal.cli.pachlocal.calling import asking, settings_of
from pachlocal.cli.pachlocal.daemon import running_daemon
from pachlocal.dev.loop import Loop


def main(argv: Sequence[str] | None = None) -> int:
    """Go on until Ctrl-C, which is the usual end."""
    parser = argparse.ArgumentParser(prog="pachlocal dev", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    arguments = parser.parse_args(argv)
    daemon = running_daemon(arguments.root)
    with asking(lambda: settings_of(daemon)) as session:
        with suppress(KeyboardInterrupt):
            Loop(arguments.folder, session, daemon.runtime).run()
        print()
    return 0


def _explain(problem: Exception) -> str | None:
    return problem.format_message() if isinstance(problem, click.ClickException) else None


if __name__ == "__main__":
    sys.exit(program.run("pachlocal dev", main, _explain))
