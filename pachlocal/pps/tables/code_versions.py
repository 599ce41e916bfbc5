"""Versions of code: what an image's folder held when a job started, or the image itself.

A folder's version is a tree: `manifest` lists paths, permissions and links, and `files/` has each
content under its hash, so that equal files are stored once and names may be any. The tree's root
names the version: equal folders are one version, wherever and whenever they were.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgpack

from pachlocal.errors import NotFoundError
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pfs.tree import content, tree
from pachlocal.pfs.tree.changes import Changes
from pachlocal.pfs.tree.content import Content, ContentWriter, Objects, Reader
from pachlocal.pfs.tree.entries import Entry, Hash, Root
from pachlocal.storage.database import Connection, Row

_MANIFEST = "manifest"
_FILES = "files"
_SHORT = 12  # digits of a version's name, for people


class CodeFile(NamedTuple):
    """What a version has under a path.

    Attributes:
        mode: Its type and permissions, as stat(2) has them.
        content: Of a file.
        target: Where a link leads.
    """

    mode: int
    content: Content | None = None
    target: str = ""

    @property
    def permissions(self) -> int:
        """Its permissions alone."""
        return stat.S_IMODE(self.mode)


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """A version.

    Attributes:
        key: Its row.
        name: What names it: 64 hex digits; or the ID of an image, `sha256:…`.
        root: Its tree; None for an image.
        taken: When it was first used (ns since 1970).
    """

    key: int
    name: str
    root: Root
    taken: int

    @property
    def short(self) -> str:
        """Its name, short."""
        return self.name.removeprefix("sha256:")[:_SHORT]


def store(objects: Objects, files: Mapping[str, CodeFile]) -> Hash:
    """Store what lists a version's files, whose contents are stored; return its tree."""
    listed = [
        (os.fsencode(path), file.mode, file.content, os.fsencode(file.target))
        for path, file in sorted(files.items())
    ]
    manifest = ContentWriter(objects)
    manifest.write(msgpack.packb(listed))
    changes = Changes(names={_MANIFEST: Entry.of_file(_MANIFEST, manifest.finish())})
    contents = changes.folder([_FILES])
    for file in files.values():
        if file.content is not None:
            name = file.content.hash.hex()
            contents.names[name] = Entry.of_file(name, file.content)
    root = tree.apply(objects, None, changes)
    assert root is not None  # noqa: S101 - it has a manifest
    return root


def load(objects: Reader, root: Hash) -> dict[str, CodeFile]:
    """Return a version's files by path, folders before what is in them."""
    entry = tree.lookup(objects, root, f"/{_MANIFEST}")
    if entry is None:
        raise NotFoundError(f"code version {root.hex()} has no manifest")
    packed = b"".join(content.read(objects, entry.content))
    return {
        os.fsdecode(path): CodeFile(mode, held and Content(*held), os.fsdecode(target))
        for path, mode, held, target in msgpack.unpackb(packed)
    }


def differences(before: Mapping[str, CodeFile], now: Mapping[str, CodeFile]) -> list[str]:
    """Return the paths of what differs, in order; no folders, unless they have nothing else."""
    paths = {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}
    above = {path[:at] for path in paths for at, char in enumerate(path) if char == "/"}
    return sorted(path for path in paths if path not in above)


def find(connection: Connection, name: str) -> CodeVersion | None:
    """Return the version of a name, or None."""
    row = connection.execute("SELECT * FROM code_versions WHERE name = ?", (name,)).fetchone()
    return _info(row) if row else None


def by_key(connection: Connection, key: int | None) -> CodeVersion | None:
    """Return the version of a row; None for none."""
    if key is None:
        return None
    row = connection.execute("SELECT * FROM code_versions WHERE id = ?", (key,)).fetchone()
    return _info(row) if row else None


def insert(tx: Transaction, name: str, root: Root) -> CodeVersion:
    """Add a version, unless it is there; return it."""
    tx.connection.execute(
        "INSERT INTO code_versions (name, root, taken) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (name, root, tx.now),
    )
    found = find(tx.connection, name)
    assert found is not None  # noqa: S101 - the line above
    return found


def newest_of(connection: Connection, pipeline: int) -> CodeVersion | None:
    """Return the version that a pipeline's (by row) newest job with code has run; or None."""
    row = connection.execute(
        "SELECT c.* FROM jobs j JOIN code_versions c ON c.id = j.code_id"
        " WHERE j.pipeline_id = ? ORDER BY j.id DESC LIMIT 1",
        (pipeline,),
    ).fetchone()
    return _info(row) if row else None


def of_outputs(connection: Connection, job: int) -> Iterator[tuple[CodeVersion, int]]:
    """Yield the versions that made what a job (by row) has put out, and of how many datums each.

    The oldest comes first.
    """
    rows = connection.execute(
        "SELECT c.*, n FROM (SELECT code_id, COUNT(*) AS n FROM datums WHERE job_id = ?"
        " AND code_id IS NOT NULL GROUP BY code_id) JOIN code_versions c ON c.id = code_id"
        " ORDER BY c.id",
        (job,),
    )
    return ((_info(row), row["n"]) for row in rows.fetchall())


class Names:
    """The names of versions by their rows, each looked up once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._names: dict[int | None, str] = {None: ""}

    def of(self, key: int | None) -> str:
        """Return a name; empty for none."""
        if key not in self._names:
            found = by_key(self._connection, key)
            self._names[key] = found.name if found else ""
        return self._names[key]


def delete_unused(tx: Transaction) -> None:
    """Forget the versions that no job has run and no datum's output was made by."""
    tx.connection.execute(
        "DELETE FROM code_versions WHERE NOT EXISTS"
        " (SELECT 1 FROM jobs WHERE jobs.code_id = code_versions.id) AND NOT EXISTS"
        " (SELECT 1 FROM datums WHERE datums.code_id = code_versions.id)"
    )


def listed(paths: Iterable[str], most: int = 3) -> str:
    """Put paths in words: some of them, and how many more there are."""
    every = list(paths)
    shown = ", ".join(every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown


def _info(row: Row) -> CodeVersion:
    return CodeVersion(row["id"], row["name"], row["root"], row["taken"])
