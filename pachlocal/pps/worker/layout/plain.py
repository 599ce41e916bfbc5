"""Lays out anew for each datum: whatever is in `/pfs` goes, and all files are written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pachlocal.pfs.tree import content, tree
from pachlocal.pfs.tree.content import Reader
from pachlocal.pfs.tree.entries import Entry
from pachlocal.pps.spec.datums import Datum
from pachlocal.pps.worker.layout.places import ENV, OUT, env_lines, open_up
from pachlocal.runtime.folders import remove_tree


class PlainLayout:
    """Fills a worker's `/pfs`; see `pachlocal.pps.worker.layout.Layout`."""

    def __init__(self, objects: Reader, pfs: Path) -> None:
        self._objects = objects
        self._pfs = pfs

    def lay_out(self, datum: Datum, env: Mapping[str, str]) -> int:
        """Empty `/pfs` and fill it for a datum; return the bytes of its files."""
        open_up(self._pfs)
        for child in self._pfs.iterdir():
            remove_tree(child)
        for name in {OUT, *(file.input.name for file in datum)}:
            (self._pfs / name).mkdir()
        size = 0
        for file in datum:
            folder, empty = self._pfs / file.input.name, file.input.empty_files
            if not file.entry.is_folder:
                size += self._write(folder, file.path, file.entry, empty)
                continue
            (folder / file.path[1:]).mkdir(parents=True, exist_ok=True)
            for path, entry in tree.files(self._objects, file.entry.hash, file.path):
                size += self._write(folder, path, entry, empty)
        (self._pfs / ENV).write_bytes(env_lines(env))
        return size

    def close(self) -> None:
        """Nothing is held."""

    def _write(self, folder: Path, path: str, entry: Entry, empty: bool) -> int:
        place = folder / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            if empty:
                return 0
            return sum(file.write(piece) for piece in content.read(self._objects, entry.content))
