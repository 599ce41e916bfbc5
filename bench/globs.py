"""Globs: against a walk without one, and on names and patterns that grow."""

from __future__ import annotations

from collections.abc import Iterator

from bench.harness import Measurement, seconds
from pachlocal.pfs.tree import tree
from pachlocal.pfs.tree.changes import Changes
from pachlocal.pfs.tree.entries import Entry, Kind
from pachlocal.pfs.tree.globs import compile_glob, glob
from pachlocal.pfs.tree.scratch import Scratch

_FILES = 100_000
_TIMES = 5
_LENGTH = 10_000
_GROWTH = 8


class _Empty:
    """A store that has nothing."""

    def get(self, name: bytes) -> bytes:
        raise KeyError(name)


def measure() -> Iterator[Measurement]:
    """Go through 100,000 names with and without a glob; then match ever longer names."""
    with Scratch(_Empty()) as objects:
        files = Changes()
        for number in range(_FILES):
            name = f"measure-{number:06}.csv"
            files.set(f"/data/{name}", Entry(name, Kind.FILE, bytes(32), 0))
        root = tree.apply(objects, None, files)
        walk = seconds(lambda: sum(1 for _ in tree.walk(objects, root)), times=_TIMES)
        for what, pattern, goal in (
            ("a glob", "/data/*.csv", 3),
            ("a glob with a negation", "/data/!(*.txt)", 4),
            ("a glob that enters no folder", "/x*/*.csv", 0.01),
        ):
            took = seconds(
                lambda it=pattern: sum(1 for _ in glob(objects, root, compile_glob(it))),
                times=_TIMES,
            )
            yield Measurement(
                f"100,000 names, {what}", took * 1e3, walk * 1e3, "a walk", "ms", goal
            )
    for what, pattern in (("stars", "/" + "*a" * 9 + "b"), ("nested loops", "/+(+(a))b")):
        compiled = compile_glob(pattern)
        short, long = (
            seconds(lambda it=compiled, name="/" + "a" * size: it.matches(name), times=_TIMES)
            for size in (_LENGTH, _LENGTH * _GROWTH)
        )
        yield Measurement(
            f"{what}, a name {_GROWTH} times as long", long * 1e3, short * 1e3, "the name", "ms", 12
        )
