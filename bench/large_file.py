"""One file of 1 GiB: put, changed in the middle, got back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from blake3 import blake3

from bench.harness import Daemon, Measurement, daemon, note, run, scratch, seconds, sync

SIZE = 1 << 30
_PIECE = 1 << 20


_TIMES = 3


def measure() -> Iterator[Measurement]:
    """Compare with `cp`, fsync and BLAKE3 of the same file, which is the least that can be done.

    All are done by turns, and the quickest of each counts.
    """
    with scratch() as folder:
        source, copy = folder / "source", folder / "copy"
        _write(source)
        note("copying, putting and getting 1 GiB by turns")
        copied, put, got = [], [], []
        for turn in range(_TIMES):
            with daemon() as server:
                run("pachctl", "create", "repo", "data", address=server.address)
                copied.append(_timed(folder, copy, lambda: _copy(source, copy)))
                put.append(_timed(folder, copy, lambda: _put(server, source)))
                got.append(_timed(folder, copy, lambda: _get(server, copy)))
                if turn == _TIMES - 1:
                    last = list(_last(server, source))
        peer = "cp, fsync, BLAKE3"
        yield Measurement("put 1 GiB", min(put), min(copied), peer, "s", 1.5)
        yield Measurement("get 1 GiB", min(got), min(copied), peer, "s", 1.5)
        yield from last


def _timed(folder: Path, copy: Path, action: Callable[[], object]) -> float:
    """Time what writes 1 GiB to a fresh file.

    A virtual machine's host may take back memory that is free, and giving it again takes longer
    than all that is measured: so as much is used just before.
    """
    copy.unlink(missing_ok=True)
    warm = folder / "warm"
    _write(warm)
    warm.unlink()
    return seconds(action)


def _put(server: Daemon, source: Path) -> None:
    run("pachctl", "put", "file", "data@master:/f", "-f", str(source), address=server.address)


def _get(server: Daemon, copy: Path) -> None:
    run("pachctl", "get", "file", "data@master:/f", "-o", str(copy), address=server.address)


def _last(server: Daemon, source: Path) -> Iterator[Measurement]:
    """Measure what a change of the file costs, and what all has cost in memory."""
    before = _used(server.root)
    with source.open("r+b") as file:
        file.seek(SIZE // 2)
        file.write(os.urandom(_PIECE))
    _put(server, source)
    grown = (_used(server.root) - before) / 1e6
    yield Measurement("stored for 1 MB changed", grown, 20, "goal", "MB", 1)
    yield Measurement("memory, 1 GiB put and got", server.peak_memory_mb(), 150, "goal", "MB", 1)


def _write(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(SIZE // _PIECE):
            file.write(os.urandom(_PIECE))
    sync(path)


def _copy(source: Path, copy: Path) -> None:
    shutil.copyfile(source, copy)
    sync(copy)
    blake3().update_mmap(copy).digest()


def _used(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
