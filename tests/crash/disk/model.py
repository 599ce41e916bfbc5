"""What a disk may hold after a power cut: what was synced, and of the rest anything or nothing.

The rules are POSIX's, and no more than that (Pillai et al., "All File Systems Are Not Created
Equal", OSDI 2014):

- The bytes and the size of a file are there once it was synced. Of what was written since, each
  sector holds what it held after any of the writes, and the size is what it was after any of them.
- The names in a folder are there once the folder was synced. Of what was done to them since, the
  first few changes are there. To rename within a folder is one change.
- A folder's own name lies in the folder above it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

from crash.disk.events import Event, Kind

SECTOR = 512  # bytes that are written whole, as SQLite assumes, too
_ASIDE = {"scratch", "reserve"}  # of these nothing is promised: they aren't on this disk


class File:
    """A file's bytes: those on disk, and the writes that may be there."""

    def __init__(self, data: bytes = b"") -> None:
        self.synced = bytearray(data)
        self.pending: list[tuple[int, bytes | None]] = []  # an offset and bytes, or a new size

    def write(self, offset: int, data: bytes) -> None:
        self.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        self.pending.append((size, None))

    def sync(self) -> None:
        self._write_to(self.synced)
        self.pending.clear()

    def newest(self) -> bytearray:
        """Returns what a program reads."""
        data = bytearray(self.synced)
        self._write_to(data)
        return data

    def _write_to(self, data: bytearray) -> None:
        for number, written in self.pending:
            if written is None:
                _resize(data, number)
            else:
                _resize(data, max(len(data), number + len(written)))
                data[number : number + len(written)] = written

    def torn(self, chance: random.Random) -> bytearray:
        """Returns what may be on disk: each sector, and the size, of some moment since the sync."""
        sizes, size = [len(self.synced)], len(self.synced)
        for number, written in self.pending:
            size = number if written is None else max(size, number + len(written))
            sizes.append(size)
        data = bytearray(self.synced)
        _resize(data, max(sizes))
        keeps = chance.choice((0.02, 0.5, 0.98))
        settled: set[int] = set()  # sectors that stay as they are, whatever comes
        for number, written in self.pending:
            end = max(sizes) if written is None else number + len(written)
            for sector in range(number // SECTOR, -(-end // SECTOR)):
                if sector in settled or chance.random() < keeps:
                    settled.add(sector)
                    continue
                start, stop = max(number, sector * SECTOR), min(end, (sector + 1) * SECTOR)
                data[start:stop] = (
                    bytes(stop - start)
                    if written is None
                    else written[start - number : stop - number]
                )
        _resize(data, chance.choice((sizes[0], sizes[-1], chance.choice(sizes))))
        return data


class Folder:
    """A folder's names: those on disk, and the changes that may be there."""

    def __init__(self) -> None:
        self.names: dict[str, Node] = {}
        self.synced: dict[str, Node] = {}
        self.pending: list[dict[str, Node | None]] = []

    def change(self, change: dict[str, Node | None]) -> None:
        _apply(self.names, change)
        self.pending.append(change)

    def sync(self) -> None:
        self.synced = dict(self.names)
        self.pending.clear()

    def with_first(self, count: int) -> dict[str, Node]:
        """Returns the names that are there when so many of the pending changes are."""
        names = dict(self.synced)
        for change in self.pending[:count]:
            _apply(names, change)
        return names


Node: TypeAlias = "File | Folder"


class Disk:
    """The disk on which a store lies: what programs see there, and what a power cut leaves."""

    def __init__(self, folder: Path) -> None:
        """Begins with all that is in a folder, synced."""
        self.root = Folder()
        _load(self.root, folder)

    def apply(self, event: Event) -> None:
        """Does what was recorded."""
        if not _ASIDE.isdisjoint(event.path.split("/")):
            return
        if event.kind is Kind.SYNC:
            self.find(event.path).sync()
        elif event.kind in (Kind.WRITE, Kind.TRUNCATE):
            self._write(event)
        else:
            self._rename(event)

    def _write(self, event: Event) -> None:
        file = self.find(event.path)
        assert isinstance(file, File)
        if event.kind is Kind.WRITE:
            file.write(event.number, event.data)
        else:
            file.truncate(event.number)

    def _rename(self, event: Event) -> None:
        folder, name = self._place(event.path)
        if event.kind is Kind.CREATE:
            folder.change({name: File()})
        elif event.kind is Kind.MKDIR:
            folder.change({name: Folder()})
        elif event.kind is Kind.REMOVE:
            folder.change({name: None})
        else:
            second_folder, second = self._place(event.second)
            assert second_folder is folder, "a rename between folders is not in the model"
            gone = {name: None} if event.kind is Kind.RENAME else {}
            folder.change({**gone, second: folder.names[name]})

    def _place(self, path: str) -> tuple[Folder, str]:
        above, _, name = path.rpartition("/")
        folder = self.find(above)
        assert isinstance(folder, Folder), path
        return folder, name

    def find(self, path: str) -> Node:
        """Returns the file or folder that a path names."""
        node: Node = self.root
        for name in path.split("/") if path else ():
            assert isinstance(node, Folder), path
            node = node.names[name]
        return node

    def files(self) -> dict[str, bytes]:
        """Returns what programs see."""
        return {
            path: bytes(node.newest())
            for path, node in _walk(self.root, "")
            if isinstance(node, File)
        }

    def cut(self, folder: Path, fate: Fate) -> None:
        """Builds what is there when the power comes back.

        Args:
            folder: Where; it is made.
            fate: Decides what has become of all that wasn't synced.
        """
        _build(self.root, folder, fate)


class Fate(Protocol):
    """Says what is left of what wasn't synced."""

    def names(self, folder: Folder) -> dict[str, Node]:
        """Returns the names in a folder."""

    def data(self, file: File) -> bytearray:
        """Returns the bytes of a file."""


class Lost:
    """Nothing is left."""

    def names(self, folder: Folder) -> dict[str, Node]:
        return folder.synced

    def data(self, file: File) -> bytearray:
        return file.synced


class Kept:
    """All is left, as when a program is killed and the power stays."""

    def names(self, folder: Folder) -> dict[str, Node]:
        return folder.names

    def data(self, file: File) -> bytearray:
        return file.newest()


class Chance:
    """Anything may be left."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def names(self, folder: Folder) -> dict[str, Node]:
        most = len(folder.pending)
        count = self._chance.choice((0, most, self._chance.randint(0, most)))
        return folder.with_first(count)

    def data(self, file: File) -> bytearray:
        if not file.pending:
            return file.synced
        torn = partial(file.torn, self._chance)
        return self._chance.choice((file.newest, torn, lambda: file.synced))()


def _build(folder: Folder, path: Path, fate: Fate) -> None:
    path.mkdir()
    for name, node in fate.names(folder).items():
        if isinstance(node, Folder):
            _build(node, path / name, fate)
        else:
            (path / name).write_bytes(fate.data(node))


def _load(folder: Folder, path: Path) -> None:
    for entry in path.iterdir():
        if entry.name in _ASIDE:
            continue
        if entry.is_dir():
            below = Folder()
            _load(below, entry)
            folder.synced[entry.name] = below
        elif entry.is_file():
            folder.synced[entry.name] = File(entry.read_bytes())
    folder.names = dict(folder.synced)


def _walk(folder: Folder, path: str) -> Iterator[tuple[str, Node]]:
    yield path, folder
    for name, node in folder.names.items():
        below = f"{path}/{name}" if path else name
        if isinstance(node, Folder):
            yield from _walk(node, below)
        else:
            yield below, node


def _apply(names: dict[str, Node], change: dict[str, Node | None]) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)  # a socket is made by no call that is recorded
        else:
            names[name] = node


def _resize(data: bytearray, size: int) -> None:
    if size < len(data):
        del data[size:]
    else:
        data.extend(bytes(size - len(data)))
