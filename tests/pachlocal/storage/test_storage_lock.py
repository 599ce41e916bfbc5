from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from programs import Program

from pachlocal.errors import StoreLockedError
from pachlocal.storage.lock import StoreLock


def test_a_second_lock_is_refused_with_the_folder_named(tmp_path: Path) -> None:
    lock = StoreLock(tmp_path)
    try:
        with pytest.raises(StoreLockedError, match=str(tmp_path)):
            StoreLock(tmp_path)
    finally:
        lock.release()


def test_a_released_lock_can_be_taken(tmp_path: Path) -> None:
    StoreLock(tmp_path).release()
    StoreLock(tmp_path).release()


def test_a_process_that_dies_leaves_no_lock(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys\n"
        "from pachlocal.storage.lock import StoreLock\n"
        "lock = StoreLock(pathlib.Path(sys.argv[1]))\n"
        "os.write(1, b'held'); os.read(0, 1); os.kill(os.getpid(), 9)\n"
    )
    with Program(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.read(4) == b"held"
        with pytest.raises(StoreLockedError):
            StoreLock(tmp_path)
        holder.stdin.close()
        holder.wait(timeout=10)
    StoreLock(tmp_path).release()
