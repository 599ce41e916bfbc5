"""Lays out by leaving be what is as it was made: folders, small files, and what datums share.

To make and remove a folder costs ext4 more than all else that a small datum does here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import chain, islice
from pathlib import Path

from pachlocal.pfs.tree import content, tree
from pachlocal.pfs.tree.content import Reader
from pachlocal.pfs.tree.entries import Entry
from pachlocal.pps.spec.datums import Datum
from pachlocal.pps.worker.layout import modification_marks
from pachlocal.pps.worker.layout.env_file import EnvFile
from pachlocal.pps.worker.layout.file_reuse import FileReuse
from pachlocal.pps.worker.layout.modification_marks import ModificationMark, identity
from pachlocal.pps.worker.layout.places import ENV, OUT, env_lines, open_up
from pachlocal.runtime.folders import remove_tree

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_RECENT_BYTES = 1024 * 1024
_RECENT_FOLDERS = 10
_RECENT_FILES = 100  # of a folder


class _Recent:
    """Reads objects and folders, and keeps small ones: a model is the same for many datums."""

    def __init__(self, objects: Reader) -> None:
        self._objects = objects
        self._kept: dict[bytes, bytes] = {}
        self._left = _RECENT_BYTES
        self._listed: dict[tuple[bytes, str], list[tuple[str, Entry]]] = {}

    def get(self, name: bytes) -> bytes:
        """Return the bytes of a name; see `Reader`."""
        data = self._kept.get(name)
        if data is None:
            data = self._objects.get(name)
            if len(data) > self._left:
                self._kept.clear()
                self._left = _RECENT_BYTES
            if len(data) <= self._left:
                self._kept[name] = data
                self._left -= len(data)
        return data

    def files(self, folder: bytes, path: str) -> Iterable[tuple[str, Entry]]:
        """Return the files below a folder, as `pachlocal.pfs.tree.tree.files` does."""
        known = self._listed.get((folder, path))
        if known is not None:
            return known
        files = tree.files(self, folder, path)
        first = list(islice(files, _RECENT_FILES))
        if len(first) == _RECENT_FILES:
            return chain(first, files)
        if len(self._listed) == _RECENT_FOLDERS:
            self._listed.clear()
        self._listed[folder, path] = first
        return first


class _Folder:
    """A folder below `/pfs`, as it was made.

    Attributes:
        place: Its path.
        made: What tells that it is still the same.
        files: The paths of the files that were written to it.
        is_flat: Whether they all lie in it directly.
        mark: Tells that it has just these files, and that all of them may serve again.
    """

    __slots__ = ("files", "is_flat", "made", "mark", "place")

    def __init__(self, place: str) -> None:
        """Make it."""
        os.mkdir(place)  # noqa: PTH102 - pathlib takes longer than the call
        self.place = place
        self.made = identity(os.lstat(place))
        self.files: set[str] = set()
        self.is_flat = True
        self.mark: ModificationMark | None = None


class ReusingLayout:
    """Fills a worker's `/pfs`; see `pachlocal.pps.worker.layout.Layout`.

    The folders of the inputs and of the output stay from one datum to the next, emptied. One that
    a command has changed itself, replaced, or put folders into, is removed and made anew.
    """

    def __init__(self, objects: Reader, pfs: Path) -> None:
        self._objects = _Recent(objects)
        self._pfs = pfs
        self._root = os.fspath(pfs)
        # Tells that `/pfs` has just these folders, and `.env`.
        self._mark: ModificationMark | None = None
        self._env = EnvFile(self._root)
        self._folders: dict[str, _Folder] = {}
        self._reusable = FileReuse()

    def lay_out(self, datum: Datum, env: Mapping[str, str]) -> int:
        """Empty `/pfs` and fill it for a datum; return the bytes of its files."""
        wanted = {OUT, *(file.input.name for file in datum)}
        self._reusable.begin()
        self._clear(wanted)
        for name in wanted - self._folders.keys():
            self._folders[name] = _Folder(f"{self._root}/{name}")
            self._mark = None
        size = 0
        for file in datum:
            folder, path, empty = self._folders[file.input.name], file.path, file.input.empty_files
            if not file.entry.is_folder:
                size += self._write(folder, path, file.entry, empty)
                continue
            if path != "/":
                os.makedirs(folder.place + path, exist_ok=True)  # noqa: PTH103
                folder.is_flat = False
            for below, entry in self._objects.files(file.entry.hash, path):
                size += self._write(folder, below, entry, empty)
        self._reusable.end()
        if self._env.write(env_lines(env)):
            self._mark = None
        self._mark_all()
        return size

    def close(self) -> None:
        """Lay out no more; what is there stays."""
        self._env.close()

    def _write(self, folder: _Folder, path: str, entry: Entry, empty: bool) -> int:
        place = folder.place + path
        folder.files.add(place)
        if "/" in path[1:]:
            folder.is_flat = False
        if empty:
            return self._reusable.write(place, ())
        return self._reusable.write(place, content.read(self._objects, entry.content), entry.hash)

    def _mark_all(self) -> None:
        """Mark what holds other files than when it was marked."""
        changed = self._reusable.changed
        for name, folder in self._folders.items():
            if name == OUT or not folder.is_flat or not self._reusable.wrote(folder.files):
                folder.mark = None
            elif folder.mark is None or folder.place in changed:
                folder.mark = modification_marks.leave(folder.place)
        if self._mark is None:
            self._mark = modification_marks.leave(self._root)

    def _clear(self, wanted: set[str]) -> None:
        """Remove all that is there, but for those of the wanted folders that can be emptied."""
        before, self._folders = self._folders, {}
        for name in self._children(before):
            folder = before.get(name) if name in wanted else None
            if folder is not None and self._empty(folder):
                self._folders[name] = folder
            elif name != ENV:
                remove_tree(self._pfs / name)
                self._mark = None

    def _children(self, folders: Iterable[str]) -> list[str]:
        """Return the names of the folders in `/pfs`, and of whatever else somebody put there."""
        if modification_marks.is_as_left(self._root, self._mark):
            return list(folders)
        self._mark = None
        open_up(self._pfs)
        return os.listdir(self._root)  # noqa: PTH208 - pathlib takes longer than the call

    def _empty(self, folder: _Folder) -> bool:
        """Remove the files in a folder; False when it is to be removed itself."""
        if modification_marks.is_as_left(folder.place, folder.mark):
            self._reusable.take(folder.files)
        elif not self._look_through(folder):
            return False
        folder.files, folder.is_flat = set(), True
        return True

    def _look_through(self, folder: _Folder) -> bool:
        """Empty a folder that has whatever files; False when it isn't the same or has folders."""
        folder.mark = None
        try:
            descriptor = os.open(folder.place, _OPEN_FOLDER)
        except OSError:
            return False  # no folder any more; who removes it says what is wrong
        try:
            if identity(os.fstat(descriptor)) != folder.made:
                return False
            with os.scandir(descriptor) as entries:
                children = list(entries)
            reusable = []
            for child in children:
                place = f"{folder.place}/{child.name}"
                if child.is_dir(follow_symlinks=False):
                    return False
                if self._reusable.wants(place):
                    reusable.append(place)
                else:
                    os.unlink(child.name, dir_fd=descriptor)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        self._reusable.take(reusable)
        return True
