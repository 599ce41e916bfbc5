"""Checks a store that no daemon uses, perhaps because none can start. Run by `pachlocal fsck`."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from pachlocal.errors import DamagedStoreError, NotFoundError, PachError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.upkeep.check import fsck
from pachlocal.pps.tables.catalog import TABLES
from pachlocal.storage.database import damage
from pachlocal.storage.lock import StoreLock


def main(argv: Sequence[str] | None = None) -> int:
    """Print a sentence for each damage; return the exit code, 1 if there is any."""
    parser = argparse.ArgumentParser(prog="python -m pachlocal.check", description=__doc__)
    parser.add_argument("root", type=Path, help="the folder of the store")
    root: Path = parser.parse_args(argv).root
    said: set[str] = set()
    try:
        for problem in problems(root):
            if problem not in said:
                said.add(problem)
                print(problem, flush=True)
    except (PachError, OSError) as error:
        print(f"pachlocal: {error}", file=sys.stderr)
        return 1
    if not said:
        print("No errors found.")
    return 1 if said else 0


def problems(root: Path) -> Iterator[str]:
    """Yield a sentence for each damage of a store.

    Raises:
        NotFoundError: There is none.
        StoreLockedError: A daemon has it.
    """
    if not (root / "pach.db").exists():
        raise NotFoundError(f"there is no store in {root}")
    lock = StoreLock(root)
    try:
        try:
            files = FileSystem(root)  # a store of an older version gets the newest schema
        except (DamagedStoreError, sqlite3.Error) as error:
            yield damage(error) or str(error)
            files = FileSystem(root, as_it_is=True)
        with closing(files):
            files.tables.extend(TABLES)
            yield from fsck(files)
    finally:
        lock.release()


if __name__ == "__main__":
    sys.exit(main())
