"""File sets: changes that are kept for a while, to be composed and added to commits later.

A file set holds changes and not files, so adding one to a commit also removes what its stream
deleted. It is read like a commit of the repo `__filesets__`, which shows it over an empty one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgpack

from pachlocal.errors import InvalidArgumentError, NotFoundError
from pachlocal.pfs.history.names import DEFAULT_PROJECT, CommitName, RepoName, new_id
from pachlocal.pfs.history.records import CommitInfo, OriginKind
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pfs.tree import tree
from pachlocal.pfs.tree.changes import Append, Change, Changes, dump, load
from pachlocal.pfs.tree.content import Objects, Reader, concatenate
from pachlocal.pfs.tree.entries import Entry, Root, keyed
from pachlocal.storage.database import Connection
from pachlocal.storage.integrity import row_sum

REPO = "__filesets__"
DEFAULT_TTL_S = 10 * 60
MAX_TTL_S = 30 * 60

SUMS = {"changes_sum": ("id", "changes")}
"""The column with a checksum, and which columns it covers; indexes have the others."""

SHARD_FILES = 1_000_000  # when neither number nor size is asked for
SHARD_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class FileSet:
    """A file set: what it changes, and what it is when there is nothing to change."""

    id: str
    changes: Changes
    root: Root
    created: int


def create(tx: Transaction, objects: Objects, changes: Changes, ttl_s: int = DEFAULT_TTL_S) -> str:
    """Keep changes for some seconds and return the file set's ID.

    Raises:
        InvalidArgumentError: The time is too short or too long.
    """
    _check_ttl(ttl_s)
    id_ = new_id()
    root = tree.apply(objects, None, changes)
    kept = (id_, msgpack.packb(dump(changes)))
    tx.connection.execute(
        "INSERT INTO filesets (id, changes, changes_sum, root, created, expires)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (*kept, row_sum(kept), root, tx.now, _expiry(tx, ttl_s)),
    )
    return id_


def renew(tx: Transaction, id_: str, ttl_s: int) -> None:
    """Keep a file set for some seconds from now on.

    Raises:
        NotFoundError: It isn't there, or its time was over.
        InvalidArgumentError: The time is too short or too long.
    """
    _check_ttl(ttl_s)
    inspect(tx.connection, id_)
    tx.connection.execute("UPDATE filesets SET expires = ? WHERE id = ?", (_expiry(tx, ttl_s), id_))


def inspect(connection: Connection, id_: str) -> FileSet:
    """Return a file set.

    Raises:
        NotFoundError: It isn't there, or its time was over.
    """
    row = connection.execute("SELECT * FROM filesets WHERE id = ?", (id_,)).fetchone()
    if row is None:
        raise NotFoundError(f"file set {id_} not found: it never was, or its time is over")
    return FileSet(id_, load(msgpack.unpackb(row["changes"])), row["root"], row["created"])


def delete_expired(tx: Transaction) -> None:
    """Forget the file sets whose time is over."""
    tx.connection.execute("DELETE FROM filesets WHERE expires < ?", (tx.now,))


def as_commit(connection: Connection, id_: str) -> CommitInfo:
    """Return a file set in the form in which files are read.

    Raises:
        NotFoundError: It isn't there, or its time was over.
    """
    found = inspect(connection, id_)
    return CommitInfo(
        key=0,
        name=CommitName(RepoName(DEFAULT_PROJECT, REPO), id_),
        branch="",
        origin=OriginKind.USER,
        description="",
        parent=None,
        children=(),
        provenance=(),
        subvenance=(),
        root=found.root,
        size=0,
        started=found.created,
        finished=found.created,
        error="",
    )


def compose(objects: Objects, layers: Iterable[Changes]) -> Changes:
    """Return what changes one after the other come to."""
    result = Changes()
    for layer in layers:
        _lay_over(objects, result, layer)
    return result


def between(objects: Reader, old: Root, new: Root) -> Changes:
    """Return the changes that make one tree of another."""
    changes = Changes()
    for path, before, after in tree.diff(objects, old, new):
        entry = after or before
        if entry is not None and not entry.is_folder:
            changes.set(keyed(path, entry.tag), after)
    return changes


def shards(objects: Reader, root: Root, *, number: int, size: int) -> Iterator[tuple[str, str]]:
    """Yield path ranges (lower, included; upper, excluded) that share out the files of a tree.

    The first begins and the last ends with an empty path: without a bound.

    Args:
        objects: Where the tree is.
        root: The tree.
        number: At most so many files in a range; 0 for the default.
        size: At most so many bytes in a range of several files; 0 for the default.
    """
    lower = ""
    count = length = 0
    for path, entry in tree.files(objects, root):
        if count and (
            count >= (number or SHARD_FILES) or length + entry.size > (size or SHARD_BYTES)
        ):
            yield lower, path
            lower, count, length = path, 0, 0
        count += 1
        length += entry.size
    yield lower, ""


def _lay_over(objects: Objects, below: Changes, above: Changes) -> None:
    """Make changes that come after others part of them."""
    if above.cleared:
        below.cleared = True
        below.names.clear()
    for tag in above.dropped:
        below.drop(tag)
    for name, change in above.names.items():
        under = below.names.get(name)
        if isinstance(change, Changes):
            if not isinstance(under, Changes):
                under = below.names[name] = Changes()
            _lay_over(objects, under, change)
        elif isinstance(change, Append) and name in below.names:
            below.names[name] = _append(objects, under, change)
        else:
            below.names[name] = change


def _append(objects: Objects, under: Change, change: Append) -> Change:
    if not isinstance(under, Entry | Append):
        return change.entry  # removed before: nothing older shows through
    first = under.entry if isinstance(under, Append) else under
    joined = concatenate(objects, first.content, change.entry.content)
    entry = Entry.of_file(first.key, joined)
    return Append(entry) if isinstance(under, Append) else entry


def _check_ttl(ttl_s: int) -> None:
    if not 1 <= ttl_s <= MAX_TTL_S:
        raise InvalidArgumentError(f"ttl ({ttl_s}s) must be from 1 to {MAX_TTL_S} seconds")


def _expiry(tx: Transaction, ttl_s: int) -> int:
    return tx.now + ttl_s * 1_000_000_000
