"""Runs a command on the user's terminal, where a worker's commands run: see `launcher.terminal`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pachlocal

from .launch import LauncherSetup

_BOOT = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from pachlocal.runtime.launcher.terminal import main; main()"
)


def run_on_terminal(setup: LauncherSetup, folder: str, cmd: Sequence[str]) -> int:
    """Run a command to its end.

    Args:
        setup: Where commands run.
        folder: Where this one starts.
        cmd: It and its arguments.

    Returns:
        Its exit code; ended by signal N it is 128 + N.
    """
    binds = [str(part) for pair in setup.binds.items() for part in pair]
    package = Path(pachlocal.__file__).parent.parent
    place = (setup.isolation.value, str(setup.root), folder, str(len(binds)), *binds)
    argv = [sys.executable, "-I", "-S", "-c", _BOOT, str(package), *place, *cmd]
    process = subprocess.Popen(argv, env=dict(setup.env))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code
