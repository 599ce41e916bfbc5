"""Environments for the published clients: each has needs that no other environment can share."""

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_INSTALL_TIMEOUT_S = 600
# pip's words when it can't reach an index; all else that goes wrong is a fault to be seen.
_OFFLINE = "Retrying (Retry("


def python_of(name: str, lock: Path) -> Path:
    """Returns the interpreter of an environment that holds what a lock file pins.

    It is made when it isn't there or when the lock file has changed, and kept in .venvs. Without a
    network the test that asks is skipped; in CI (where CI is set) it fails.
    """
    folder = ROOT / ".venvs" / f"{name}-py{sys.version_info.major}.{sys.version_info.minor}"
    wanted = hashlib.sha256(lock.read_bytes() + sys.executable.encode()).hexdigest()
    made = folder / "made-for"
    python = folder / "bin" / "python"
    folder.parent.mkdir(exist_ok=True)
    with Path(f"{folder}.lock").open("w") as guard:  # another test run may want it too
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not made.is_file() or made.read_text() != wanted:
            venv.create(folder, clear=True, with_pip=True, symlinks=True)
            _install(name, python, lock)
            made.write_text(wanted)
    return python


def _install(name: str, python: Path, lock: Path) -> None:
    result = subprocess.run(
        [
            *(python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"),
            *("--require-hashes", "--only-binary=:all:", "--retries=1", "-r", lock),
        ],
        capture_output=True,
        text=True,
        timeout=_INSTALL_TIMEOUT_S,
    )
    if result.returncode == 0:
        return
    reason = f"{name} could not be installed from {lock.relative_to(ROOT)}"
    if _OFFLINE in result.stderr:
        reason += ": there is no network"
        if not os.environ.get("CI"):
            pytest.skip(reason)
    pytest.fail(f"{reason}:\n{result.stderr}", pytrace=False)
