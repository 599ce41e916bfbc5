"""Has a program record what it does to a disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_suffix(".c")


def build(folder: Path) -> Path:
    """Returns the library that records; where it can't be built the test that asks is skipped."""
    if sys.platform != "linux":
        pytest.skip("what a program writes is recorded by Linux's system calls")
    compiler = shutil.which("cc")
    if compiler is None:
        reason = "there is no C compiler (cc) to build the recorder with"
        return pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    library = folder / "recorder.so"
    flags = ("-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread")
    subprocess.run([compiler, *flags, "-o", library, _SOURCE], check=True)
    return library


def variables(library: Path, folder: Path, log: Path) -> dict[str, str]:
    """Returns what to add to a program's environment so that it records.

    Args:
        library: What `build` made.
        folder: The folder that is the disk, a real path.
        log: Where the events go; see `events.read`.
    """
    return {
        "LD_PRELOAD": str(library),
        "RECORDER_ROOT": str(folder),
        "RECORDER_LOG": str(log),
    }
