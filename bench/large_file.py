"""One file of 1 GiB: put, changed in the middle, got back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from bench.harness import Measurement, daemon, note, run, scratch, seconds, sync

SIZE = 1 << 30
_PIECE = 1 << 20


def measure() -> Iterator[Measurement]:
    """Compare with `cp`, fsync and BLAKE3 of the same file, which is the least that can be done."""
    with scratch() as folder, daemon() as server:
        source, copy = folder / "source", folder / "copy"
        _write(source)
        copied = seconds(lambda: _copy(source, copy), times=2)
        peer = "cp, fsync, BLAKE3"
        run("pachctl", "create", "repo", "data", address=server.address)
        note("putting 1 GiB")
        put = seconds(
            lambda: run(
                "pachctl", "put", "file", "data@master:/f", "-f", str(source),
                address=server.address,
            )
        )  # fmt: skip
        yield Measurement("put 1 GiB", put, copied, peer, "s", 1.5)
        got = seconds(
            lambda: run(
                "pachctl", "get", "file", "data@master:/f", "-o", str(copy), address=server.address
            ),
            times=2,
        )
        yield Measurement("get 1 GiB", got, copied, peer, "s", 1.5)
        before = _used(server.root)
        with source.open("r+b") as file:
            file.seek(SIZE // 2)
            file.write(os.urandom(_PIECE))
        run("pachctl", "put", "file", "data@master:/f", "-f", str(source), address=server.address)
        grown = (_used(server.root) - before) / 1e6
        yield Measurement("stored for 1 MB changed", grown, 20, "goal", "MB", 1)
        yield Measurement("memory at the most", server.peak_memory_mb(), 150, "goal", "MB", 1)


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
