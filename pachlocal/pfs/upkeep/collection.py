"""Garbage collection: what no commit and no job needs any more is deleted."""

from __future__ import annotations

from dataclasses import dataclass

from pachlocal.errors import DamagedStoreError
from pachlocal.pfs.files import filesets
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.tree import tree
from pachlocal.pfs.tree.entries import Hash
from pachlocal.pfs.upkeep import tables
from pachlocal.storage.database import Connection

_WRITERS_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Garbage:
    """What a collection freed, or would free.

    Attributes:
        objects: How many objects.
        size: Their bytes.
        complete: Whether all could be looked at; writes under way hold their own.
    """

    objects: int
    size: int
    complete: bool


def collect_garbage(files: FileSystem, *, dry_run: bool) -> Garbage:
    """Delete the objects that nothing reaches. Writes and jobs may go on meanwhile.

    An object is in danger only when it was put before the collection began and nothing reached it
    then; so it waits for the writers of that time to make their commits. Collections wait for each
    other.

    Raises:
        DamagedStoreError: What is reached can't be known.
    """
    with files.objects.collecting:
        return _collect(files, dry_run=dry_run)


def _collect(files: FileSystem, *, dry_run: bool) -> Garbage:
    with files.transaction() as tx:
        filesets.delete_expired(tx)
        for forget in files.before_collection:
            forget(tx)
    epoch = files.objects.begin_collection()
    marked: set[Hash] = set()
    with files.snapshot() as before:
        _check(files, before)
        _mark(files, before, marked)
    if not files.objects.await_sessions(epoch, _WRITERS_TIMEOUT_S):
        return Garbage(0, 0, complete=False)
    with files.snapshot() as connection:
        _mark(files, connection, marked)
    count, size = files.objects.sweep(epoch, marked, dry_run=dry_run)
    return Garbage(count, size, complete=True)


def _check(files: FileSystem, connection: Connection) -> None:
    """Refuse to go by tables that are damaged: rows that don't show would lose their files."""
    for table in tables.of(files):
        if table.tree:
            (found,) = connection.execute(f"PRAGMA integrity_check({table.name})").fetchone()
            if found != "ok":
                raise DamagedStoreError(
                    f"the table of {table.kind}s is damaged, so nothing is deleted; see: fsck"
                )


def _mark(files: FileSystem, connection: Connection, marked: set[Hash]) -> None:
    for table in tables.of(files):
        if table.tree:
            for root in list(tables.roots(connection, table)):
                tree.visit(files.objects, root, marked)
