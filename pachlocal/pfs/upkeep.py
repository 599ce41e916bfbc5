"""Upkeep of a store: what is damaged (fsck), what nothing needs any more (garbage collection)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pachlocal.errors import DamagedStoreError
from pachlocal.pfs import content, filesets, folders, tree
from pachlocal.pfs.entries import Entry, Hash, Kind
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.storage.database import Connection

_WRITERS_TIMEOUT_S = 30.0

# Whatever has a tree that must stay: (description, root).
_ROOTS = """
    SELECT p.name || '/' || r.name || CASE r.type WHEN 'user' THEN '' ELSE '.' || r.type END
        || '@' || c.commit_set AS owner, c.root
    FROM commits c JOIN repos r ON r.id = c.repo_id JOIN projects p ON p.id = r.project_id
    WHERE c.root IS NOT NULL
    UNION ALL
    SELECT 'datum ' || lower(hex(id)) || ' of a job', output FROM datums WHERE output IS NOT NULL
    UNION ALL
    SELECT 'file set ' || id, root FROM filesets WHERE root IS NOT NULL
"""


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


def fsck(files: FileSystem) -> Iterator[str]:
    """Read every reference and every object; yield a sentence for each damage.

    Damaged objects are dropped, so that putting their content again heals the files that need them.
    """
    with files.snapshot() as connection:
        for row in connection.execute("PRAGMA integrity_check"):
            if row[0] != "ok":
                yield f"the metadata is damaged: {row[0]}"
        for row in connection.execute("PRAGMA foreign_key_check"):
            yield f"the metadata is damaged: a row of {row[0]} refers to a missing row of {row[2]}"
        roots = connection.execute(_ROOTS).fetchall()
    damaged: dict[Hash, str] = {}

    def usable(name: Hash) -> bool:
        try:
            files.objects.get(name)
        except DamagedStoreError as error:
            damaged[name] = str(error)
        return name not in damaged

    seen: set[Hash] = set()
    for row in roots:
        tree.visit(files.objects, row["root"], seen, usable)
    files.objects.forget(damaged)
    for row in roots:
        yield from _touched(files, row["owner"], row["root"], damaged)


def collect_garbage(files: FileSystem, *, dry_run: bool) -> Garbage:
    """Delete the objects that no commit and no datum reaches. Writes and jobs may go on meanwhile.

    An object is in danger only when it was put before the collection began and nothing reached it
    then; so it waits for the writers of that time to make their commits.
    """
    with files.transaction() as tx:
        filesets.delete_expired(tx)
    epoch = files.objects.begin_collection()
    marked: set[Hash] = set()
    with files.snapshot() as before:
        _mark(files, before, marked)
    if not files.objects.await_sessions(epoch, _WRITERS_TIMEOUT_S):
        return Garbage(0, 0, complete=False)
    with files.snapshot() as connection:
        _mark(files, connection, marked)
    count, size = files.objects.sweep(epoch, marked, dry_run=dry_run)
    return Garbage(count, size, complete=True)


def _mark(files: FileSystem, connection: Connection, marked: set[Hash]) -> None:
    for row in connection.execute(_ROOTS).fetchall():
        tree.visit(files.objects, row["root"], marked, lambda _: True)


def _touched(
    files: FileSystem, owner: str, root: Hash, damaged: dict[Hash, str], folder: str = "/"
) -> Iterator[str]:
    """Yield a sentence for each file of a tree that can't be read whole."""
    if not damaged:
        return
    try:
        for entry in folders.children(files.objects, root):
            path = folder + entry.name
            if entry.is_folder:
                yield from _touched(files, owner, entry.hash, damaged, path)
                continue
            for name in _parts(files, entry) & damaged.keys():
                yield f"{owner}:{path} can't be read: {damaged[name]}"
    except DamagedStoreError as error:
        yield f"{owner}:{folder} can't be listed whole: {error}"


def _parts(files: FileSystem, entry: Entry) -> set[Hash]:
    """Return the objects of a file, as far as they can be known."""
    if entry.kind is not Kind.CHUNKED:
        return {entry.hash}
    try:
        chunks = content.chunks_of(files.objects, entry.content)
    except DamagedStoreError:
        return {entry.hash}
    return {entry.hash, *(name for name, _ in chunks)}
