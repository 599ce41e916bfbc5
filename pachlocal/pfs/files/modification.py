"""A stream of changes to files, collected beside the store, to be made at once.

Bytes are stored while they come, reachable from nothing. What they are to change is kept as changes
that fit any tree, so it doesn't matter what else is written to the branch in the meantime; a stream
that breaks off leaves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pachlocal.errors import InvalidArgumentError, NotFoundError
from pachlocal.pfs.tree import content, paths, tree
from pachlocal.pfs.tree.changes import Append, Changes
from pachlocal.pfs.tree.chunking import Source
from pachlocal.pfs.tree.content import ContentWriter, Objects, Reader
from pachlocal.pfs.tree.entries import Entry, keyed
from pachlocal.pfs.tree.layers import Layers

_MOST_CHANGES = 25_000  # in memory: some 10 MB
_FEW = 100  # changes: some ms


class Modification:
    """Changes to files, in the order in which they are asked for. Belongs to one thread."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._layers = Layers()
        self._count = 0  # changes in the newest layer
        self._place = _Place("/", self._layers.newest, fresh=False)
        self._path = ""  # of the file that is being written, as it was given
        self._tag = ""  # its datum tag
        self._key = ""  # of its entry
        self._writer: ContentWriter | None = None
        self._fresh = False  # whether that file replaces what is there

    def add(self, path: str, data: bytes, tag: str = "") -> None:
        """Append bytes to a file, which is made when it isn't there; none make an empty file.

        Args:
            path: The file's.
            data: The bytes.
            tag: Its datum tag, if it isn't the default one. Files of one path with different
                tags are different files, of which only one may be there when a commit is
                finished.

        Raises:
            InvalidArgumentError: The path can't be one.
        """
        self._file(path, tag).write(data)

    def add_all(self, pieces: Iterable[tuple[str, bytes, str]]) -> None:
        """Append bytes to files: `add`, for each (path, bytes, tag)."""
        for path, data, tag in pieces:
            self._file(path, tag).write(data)

    def add_from(self, source: Source, path: str, tag: str = "") -> int:
        """Append bytes from a source, some MiB at the most; return how many, 0 at its end.

        Args:
            source: Where they are read.
            path: The file's.
            tag: Its datum tag; as for `add`.

        Raises:
            InvalidArgumentError: The path can't be one.
        """
        return self._file(path, tag).read_from(source)

    def delete(self, path: str, tag: str = "") -> None:
        """Remove a file; with a `/` at the end, all below that folder. Nothing there is no error.

        Args:
            path: The file or folder.
            tag: Its datum tag, if it isn't the default one. Of a folder the files of this tag
                are removed; or all, of whichever tag, for the default one.

        Raises:
            InvalidArgumentError: The path can't be one.
        """
        self._finish_file()
        cleaned = paths.validate(path)
        if keyed("", tag) and (cleaned == "/" or path.endswith("/")):
            self._layers.newest.folder(paths.segments(cleaned)).drop(tag)
        elif cleaned == "/":
            self._layers.clear()
            self._place = _Place("/", self._layers.newest, fresh=True)
        elif path.endswith("/"):
            newest = self._layers.newest
            newest.set(cleaned + "/", Changes(cleared=True))
            self._place = _Place("/", newest, fresh=newest.cleared)
        else:
            folder, _, key = keyed(cleaned, tag).rpartition("/")
            self._go_to(folder + "/")
            self._place.changes.names[key] = None

    def copy(
        self,
        source: Entry | None,
        path: str,
        *,
        append: bool,
        tag: str = "",
        nodes: Reader | None = None,
    ) -> None:
        """Put a file or folder of some commit under another path, without touching its bytes.

        Args:
            source: What `tree.lookup` found.
            path: Where it goes.
            append: Whether it is added to what is there, instead of taking its place.
            tag: Its datum tag, if it isn't the default one.
            nodes: Where a folder's tree is, if it isn't stored.

        Raises:
            NotFoundError: There is no source.
            InvalidArgumentError: The path can't be one.
        """
        if source is None:
            raise NotFoundError(f"copy to {path}: source file not found")
        self._finish_file()
        cleaned = paths.validate(path)
        if not append:
            self.delete(cleaned, tag)
            self.delete(cleaned + "/", tag)
        if source.is_folder:
            for below, entry in tree.files(nodes or self._objects, source.hash):
                self._append(cleaned.rstrip("/") + below, tag, entry)
        else:
            self._append(cleaned, tag, source)

    def __enter__(self) -> Modification:
        return self

    def __exit__(self, *_: object) -> None:
        self._layers.close()

    def finish(self) -> Layers:
        """Return all changes, which last until the modification's block ends."""
        self._finish_file()
        return self._layers

    @property
    def is_small(self) -> bool:
        """Whether the changes are so few that to make them takes next to no time."""
        return self._layers.is_one and self._count <= _FEW

    def _file(self, path: str, tag: str) -> ContentWriter:
        """Return what takes a file's bytes: mostly the one that has taken the last ones."""
        current = self._writer
        if current is not None and path == self._path and tag == self._tag:
            return current
        self._finish_file()
        self._key, pending, self._fresh = self._pending(paths.validate(path), tag)
        start = pending.content if pending is not None else None
        self._writer = ContentWriter(self._objects, start)
        self._path = path
        self._tag = tag
        return self._writer

    def _finish_file(self) -> None:
        if self._writer is not None:
            entry = Entry.of_file(self._key, self._writer.finish())
            self._place.changes.names[self._key] = entry if self._fresh else Append(entry)
            self._writer = None

    def _append(self, path: str, tag: str, source: Entry) -> None:
        key, pending, fresh = self._pending(path, tag)
        joined = source.content
        if pending is not None:
            joined = content.concatenate(self._objects, pending.content, joined)
        entry = Entry.of_file(key, joined)
        self._place.changes.names[key] = entry if fresh else Append(entry)

    def _pending(self, path: str, tag: str) -> tuple[str, Entry | None, bool]:
        """Go to a path's folder; return the file's key and what this stream has put there so far.

        And whether nothing older shows through there.
        """
        folder, _, key = path.rpartition("/")
        if not key:
            raise InvalidArgumentError("path (/) invalid: the root is not a file")
        if tag:
            key = keyed(key, tag)
        self._go_to(folder + "/")
        names = self._place.changes.names
        if key not in names:
            return key, None, self._place.fresh
        change = names[key]
        if isinstance(change, Append):
            return key, change.entry, False
        return key, (change if isinstance(change, Entry) else None), True

    def _go_to(self, folder: str) -> None:
        """Make a folder the current one for a change; files mostly come folder by folder."""
        self._count += 1
        if self._count > _MOST_CHANGES:
            self._layers.spill()
            self._place = _Place("/", self._layers.newest, fresh=False)
            self._count = 0
        if folder == self._place.path:
            return
        changes = self._layers.newest
        fresh = changes.cleared
        for name in paths.segments(folder):
            changes = changes.folder([name])
            fresh = fresh or changes.cleared
        self._place = _Place(folder, changes, fresh)


class _Place(NamedTuple):
    """The folder that files go to."""

    path: str
    changes: Changes
    fresh: bool  # whether all that was in it is gone
