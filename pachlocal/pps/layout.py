"""A worker's `/pfs` before a command: what the datum before left is removed, inputs are laid out.

See https://docs.pachyderm.com/latest/build-dags/pipeline-spec/transform/ for what a command sees.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from pachlocal.pfs import content, tree
from pachlocal.pfs.content import Reader
from pachlocal.pfs.entries import Entry
from pachlocal.pps.datums import Datum
from pachlocal.pps.spares import Identity, Spares, identity
from pachlocal.runtime.folders import remove_tree

OUT = "out"
"""The folder below `/pfs` that a command writes its results to."""

# To make and remove a folder costs ext4 more than all else that a small datum does here. Only Linux
# ends everything that a command has started, so only there nobody holds what is kept.
_KEEPS = sys.platform == "linux"
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


_RECENT_BYTES = 1024 * 1024


class _Recent:
    """Reads objects, and keeps small ones: a model is the same for datum after datum."""

    def __init__(self, objects: Reader) -> None:
        self._objects = objects
        self._kept: dict[bytes, bytes] = {}
        self._left = _RECENT_BYTES

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


class Layout:
    """Fills the `/pfs` of one worker for one datum after the other. Belongs to one thread.

    The folders of the inputs and of the output stay from one datum to the next, emptied. One that
    a command has changed itself, replaced, or put folders into, is removed and made anew.
    """

    def __init__(self, objects: Reader, pfs: Path) -> None:
        """Take what it works with.

        Args:
            objects: Where the content is.
            pfs: The folder that commands see as `/pfs`; what is in it is anybody's.
        """
        self._objects = _Recent(objects)
        self._pfs = pfs
        self._root = os.fspath(pfs)
        self._spares = Spares()
        self._made: dict[str, Identity] = {}

    def lay_out(self, datum: Datum, env: Mapping[str, str]) -> int:
        """Empty `/pfs` and fill it for a datum; return the bytes written.

        Args:
            datum: Its files go to `/pfs/<input>/<path>`.
            env: What `/pfs/.env` lists, for programs that don't inherit it.

        Raises:
            OSError: Something that a command left can't be removed, or the disk is full.
        """
        wanted = {OUT, *(file.input.name for file in datum)}
        for name in wanted - self._clear(wanted):
            self._make(name)
        written = 0
        for file in datum:
            place = f"{self._root}/{file.input.name}{file.path}"
            if file.entry.is_folder:
                if file.path != "/":
                    os.makedirs(place, exist_ok=True)  # noqa: PTH103 - pathlib takes longer
                for path, entry in tree.files(self._objects, file.entry.hash, "/"):
                    below = place.rstrip("/") + path
                    written += self._write(entry, below, file.input.empty_files)
            else:
                written += self._write(file.entry, place, file.input.empty_files)
        lines = "".join([f"{name}={value}\n" for name, value in env.items()])
        self._spares.write(f"{self._root}/.env", [lines.encode()])
        self._spares.end()
        return written

    def _write(self, entry: Entry, place: str, empty: bool) -> int:
        pieces = () if empty else content.read(self._objects, entry.content)
        return self._spares.write(place, pieces)

    def _clear(self, wanted: set[str]) -> set[str]:
        """Remove all that is there, but for those of the wanted folders that could be emptied."""
        kept = set()
        self._spares.begin()
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            self._pfs.chmod(self._pfs.stat().st_mode | stat.S_IRWXU)
        with os.scandir(self._root) as entries:
            children = list(entries)
        for child in children:
            if child.name in wanted and self._empty(child.name):
                kept.add(child.name)
            elif self._spares.wants(child.path) and not child.is_dir(follow_symlinks=False):
                self._spares.take([child.path])
            else:
                remove_tree(Path(child.path))
        return kept

    def _empty(self, name: str) -> bool:
        """Remove the files in a folder; False when it is to be removed itself."""
        made = self._made.get(name)
        if made is None:
            return False
        try:
            folder = os.open(f"{self._root}/{name}", _OPEN_FOLDER)
        except OSError:
            return False  # no folder any more; who removes it says what is wrong
        try:
            if identity(os.fstat(folder)) != made:
                return False
            with os.scandir(folder) as entries:
                children = list(entries)
            spares = []
            for child in children:
                place = f"{self._root}/{name}/{child.name}"
                if child.is_dir(follow_symlinks=False):
                    return False
                if self._spares.wants(place):
                    spares.append(place)
                else:
                    os.unlink(child.name, dir_fd=folder)
        except OSError:
            return False
        finally:
            os.close(folder)
        self._spares.take(spares)
        return True

    def _make(self, name: str) -> None:
        place = f"{self._root}/{name}"
        os.mkdir(place)  # noqa: PTH102
        if _KEEPS:
            self._made[name] = identity(os.lstat(place))
