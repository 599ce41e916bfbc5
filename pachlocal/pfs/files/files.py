"""Reading the files of a commit. Errors use the real server's words, which clients match on."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from pachlocal.errors import FailedPreconditionError, NotFoundError
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pfs.tree import folders, paths, tree
from pachlocal.pfs.tree.content import Reader
from pachlocal.pfs.tree.entries import Entry, Root
from pachlocal.pfs.tree.globs import compile_glob, glob


def inspect_file(objects: Reader, commit: CommitInfo, path: str) -> tuple[str, Entry]:
    """Return a file or folder; a folder's path ends in `/`.

    Raises:
        NotFoundError: There is neither; also for the root of an empty commit.
    """
    cleaned = paths.clean(path)
    entry = tree.lookup(objects, commit.root, cleaned)
    if path.endswith("/") and cleaned != "/":  # means a folder; upstream takes a file as well
        entry = tree.lookup(objects, commit.root, cleaned + "/") or entry
    if entry is None:
        raise _not_found(commit, path)
    return _shown(cleaned, entry), entry


def refuse_flawed(objects: Reader, base: Root, commit: CommitInfo, path: str) -> None:
    """Refuse to read what can't be laid out: a path that is a file and a folder, or has two tags.

    Only what lies at and below the path counts, or all when nothing has the path: it may be a glob.

    Args:
        objects: Where the nodes are.
        base: The files that the commit begins with, in which there is no such thing.
        commit: The commit.
        path: What is to be read.

    Raises:
        FailedPreconditionError: There is such a path.
    """
    cleaned = paths.clean(path)
    found: str | None = None
    folder = tree.lookup(objects, commit.root, cleaned.rstrip("/") + "/")
    if cleaned == "/" or (folder is None and tree.lookup(objects, commit.root, cleaned) is None):
        found = tree.flaw(objects, base, commit.root)
    elif folder is not None:
        below = cleaned + "/"
        found = tree.collision(objects, commit.root, below)
        if found is None:
            before = tree.lookup(objects, base, below)
            found = tree.flaw(objects, before.hash if before else None, folder.hash, below)
    if found is not None:
        raise FailedPreconditionError(found)


def list_files(objects: Reader, commit: CommitInfo, path: str) -> Iterator[tuple[str, Entry]]:
    """Yield a folder's entries in byte order, or the one file of that path; nothing for neither."""
    cleaned = paths.clean(path)
    entry = tree.lookup(objects, commit.root, cleaned)
    if entry is None:
        return
    if not entry.is_folder:
        yield cleaned, entry
        return
    folder = _shown(cleaned, entry)
    for child in folders.children(objects, entry.hash):
        yield folder + child.name, child


def walk_files(objects: Reader, commit: CommitInfo, path: str) -> Iterator[tuple[str, Entry]]:
    """Yield a path and all below it, depth first, in byte order.

    Raises:
        NotFoundError: Nothing has this path; an empty commit's root is there, and has nothing.
    """
    cleaned = paths.clean(path)
    entry = tree.lookup(objects, commit.root, cleaned)
    if entry is None:
        if cleaned == "/":
            return
        raise NotFoundError(f"commit {commit.name} does not contain item: ({cleaned})")
    yield _shown(cleaned, entry), entry
    if entry.is_folder:
        yield from tree.walk(objects, entry.hash, _shown(cleaned, entry))


def glob_files(objects: Reader, commit: CommitInfo, pattern: str) -> Iterator[tuple[str, Entry]]:
    """Yield what a glob matches, in byte order.

    Raises:
        InvalidArgumentError: The pattern is malformed.
    """
    return glob(objects, commit.root, compile_glob(pattern or "/"))


def find_file(objects: Reader, commit: CommitInfo, pattern: str) -> Entry:
    """Return the one file that a glob matches.

    Raises:
        NotFoundError: Nothing matches.
        FailedPreconditionError: A folder or several files match.
    """
    matches = glob_files(objects, commit, pattern)
    first, second = next(matches, None), next(matches, None)
    if first is None:
        raise _not_found(commit, pattern)
    if second is not None:
        raise FailedPreconditionError("matched multiple files. Use GetFileTAR instead")
    if first[1].is_folder:
        raise FailedPreconditionError(
            "cannot get directory or non-regular file. Use GetFileTAR instead"
        )
    return first[1]


def files_below(objects: Reader, commit: CommitInfo, pattern: str) -> Iterator[tuple[str, Entry]]:
    """Yield what a glob matches with all that lies below it, folders too, each path once.

    Raises:
        NotFoundError: Nothing matches.
    """
    matches = glob_files(objects, commit, pattern)
    first = next(matches, None)
    if first is None:
        raise _not_found(commit, pattern)
    covered = ""
    while first is not None:
        path, entry = first
        if not covered or not path.startswith(covered):
            yield path, entry
            if entry.is_folder:
                covered = path
                yield from tree.walk(objects, entry.hash, path)
        first = next(matches, None)


def diff_files(
    objects: Reader, new: CommitInfo, new_path: str, old: CommitInfo | None, old_path: str
) -> Iterator[tuple[Entry | None, str, Entry | None, str]]:
    """Yield (new entry, its path, old entry, its path) for what differs at and below two paths.

    A side without the path is empty. Only entries of the same path are compared: as on the real
    server, what lies below unlike paths is all added or removed.
    """
    sides = []
    for commit, path in ((new, new_path), (old, old_path)):
        cleaned = paths.clean(path)
        entry = tree.lookup(objects, commit.root, cleaned) if commit else None
        sides.append((cleaned, entry))
    (new_at, new_entry), (old_at, old_entry) = sides
    if new_at != old_at:
        yield from _diff_apart(objects, (new_at, new_entry), (old_at, old_entry))
        return
    if new_entry == old_entry:
        return
    yield new_entry, _shown(new_at, new_entry), old_entry, _shown(old_at, old_entry)
    new_root = new_entry.hash if new_entry and new_entry.is_folder else None
    old_root = old_entry.hash if old_entry and old_entry.is_folder else None
    for path, before, after in tree.diff(objects, old_root, new_root, "/"):
        yield after, _joined(new_at, path), before, _joined(old_at, path)


def _diff_apart(
    objects: Reader, new: tuple[str, Entry | None], old: tuple[str, Entry | None]
) -> Iterator[tuple[Entry | None, str, Entry | None, str]]:
    """Yield what differs between two paths, which may lie in each other, in the order of paths."""
    lines = _whole(objects, 0, *new), _whole(objects, 1, *old)
    for path, group in groupby(heapq.merge(*lines), key=itemgetter(0)):
        sides = {side: entry for _, side, entry in group}
        if sides.get(0) != sides.get(1):
            yield sides.get(0), path, sides.get(1), path


def _whole(
    objects: Reader, side: int, path: str, entry: Entry | None
) -> Iterator[tuple[str, int, Entry]]:
    if entry is not None:
        shown = _shown(path, entry)
        yield shown, side, entry
        if entry.is_folder:
            for below, found in tree.walk(objects, entry.hash, shown):
                yield below, side, found


def is_changed(objects: Reader, parent: CommitInfo | None, commit: CommitInfo, path: str) -> bool:
    """Whether a commit made a path other than it is in the commit before."""
    cleaned = paths.clean(path)
    before = tree.lookup(objects, parent.root, cleaned) if parent else None
    return before != tree.lookup(objects, commit.root, cleaned)


def _joined(folder: str, path: str) -> str:
    return folder.rstrip("/") + path


def _shown(cleaned: str, entry: Entry | None) -> str:
    """Return a path as it is shown: a folder's ends in `/`."""
    folder = entry is not None and entry.is_folder
    return cleaned + "/" if folder and cleaned != "/" else cleaned


def _not_found(commit: CommitInfo, path: str) -> NotFoundError:
    return NotFoundError(
        f"file {path} not found in repo {commit.name.repo} at commit {commit.name.id}"
    )
