"""Datums: what one costs beside its command, and what a skipped one costs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.harness import Measurement, branch, client, daemon, note, run, scratch, seconds
from bench.pipelines import create, duration, newest_job, put
from pachlocal.proto import pfs_pb2

COPIED = 1_000
SKIPPED = 10_000


def measure() -> Iterator[Measurement]:
    """Compare with xargs on the same files, and with limits."""
    with scratch() as folder, daemon() as server, client(server) as stubs:
        note(f"copying {COPIED} files, a datum each")
        put(stubs, "few", _files(COPIED))
        job = create(stubs, _spec("copy", "few", ["cp", "-r", "/pfs/few/.", "/pfs/out"]))
        copied = duration(stubs, job)
        peer = _xargs(folder, COPIED)
        yield Measurement("1,000 cp datums", copied, peer, "xargs -P2", "s", 2)
        job = create(stubs, _spec("noop", "few", ["true"]))
        each = duration(stubs, job) / COPIED * 1e3
        yield Measurement("a datum that does nothing", each, 5, "goal", "ms", 1)
        note(f"skipping {SKIPPED} datums")
        put(stubs, "many", _files(SKIPPED))
        duration(stubs, create(stubs, _spec("skip", "many", ["true"])))
        stubs.pfs.ModifyFile(iter([pfs_pb2.ModifyFileRequest(set_commit=branch("many"))]))
        skipped = duration(stubs, newest_job(stubs, "skip"))
        yield Measurement("a job of 10,000 skipped", skipped, 0.3, "goal", "s", 1)


def _files(number: int) -> Iterator[tuple[str, bytes]]:
    return ((f"f{index:05d}", b"%d" % index) for index in range(number))


def _spec(name: str, of: str, cmd: list[str]) -> dict[str, Any]:
    return {
        "pipeline": {"name": name},
        "transform": {"image": "machine", "cmd": cmd},
        "parallelism_spec": {"constant": 2},
        "input": {"pfs": {"repo": of, "glob": "/*"}},
    }


def _xargs(folder: Path, number: int) -> float:
    source, target = folder / "source", folder / "target"
    source.mkdir()
    target.mkdir()
    for name, content in _files(number):
        (source / name).write_bytes(content)
    names = "\0".join(os.fspath(path) for path in sorted(source.iterdir()))
    (folder / "names").write_text(names)
    command = f"xargs -0 -P2 -I@ cp @ {target} < {folder / 'names'}"
    return seconds(lambda: run("sh", "-c", command))
