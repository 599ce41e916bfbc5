"""What is to become of the files of a tree: values that fit any tree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from pachlocal.pfs.tree import paths
from pachlocal.pfs.tree.entries import Entry, Kind, tag_of


class Append(NamedTuple):
    """A change that adds a file's content to what is there."""

    entry: Entry


@dataclass(slots=True)
class Changes:
    """What is to become of a folder, whatever it holds: the same changes fit any tree.

    Attributes:
        cleared: Whether all that was there goes before the changes apply.
        names: By the key of an entry (a folder's ends in `/`): an entry to set, a file to append,
            changes further down, or None for what is to go.
        dropped: Datum tags whose files, here and below, go before the changes apply.
    """

    cleared: bool = False
    names: dict[str, Change] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()

    def set(self, path: str, change: Change) -> None:
        """Put a change at a path, in place of what was to become of it; a folder's ends in `/`."""
        *folders, name = paths.segments(path)
        changes = self.folder(folders)
        changes.names[name + "/" if path.endswith("/") else name] = change

    def folder(self, names: Iterable[str]) -> Changes:
        """Return the changes of a folder further down, which are to come about if they don't."""
        changes = self
        for name in names:
            below = changes.names.get(name + "/")
            if not isinstance(below, Changes):
                below = changes.names[name + "/"] = Changes()
            changes = below
        return changes

    def drop(self, tag: str) -> None:
        """Let all files of a datum tag go, and those that were to come about."""
        self._forget(tag)
        self.dropped |= {tag}

    def _forget(self, tag: str) -> None:
        for name, change in list(self.names.items()):
            if isinstance(change, Changes):
                change._forget(tag)
            elif tag_of(name) == tag:
                del self.names[name]


Change: TypeAlias = "Entry | Append | Changes | None"


# On disk the changes of a folder are [cleared, {name: change}, dropped …]; a change is None, or the
# changes of a folder in a list of one, or [appended, kind, hash, size].


def dump(changes: Changes) -> list[Any]:
    """Return changes as values that msgpack takes."""
    names = {name: _dump_one(it) for name, it in changes.names.items()}
    return [changes.cleared, names, *changes.dropped]


def _dump_one(change: Change) -> list[Any] | None:
    if change is None:
        return None
    if isinstance(change, Changes):
        return [dump(change)]
    entry = change.entry if isinstance(change, Append) else change
    return [isinstance(change, Append), int(entry.kind), entry.hash, entry.size]


def load(value: list[Any]) -> Changes:
    """Return what `dump` was given."""
    cleared, names, *dropped = value
    loaded = {name: _load_one(name, it) for name, it in names.items()}
    return Changes(cleared, loaded, frozenset(dropped))


def _load_one(name: str, value: list[Any] | None) -> Change:
    if value is None:
        return None
    if len(value) == 1:
        return load(value[0])
    appended, kind, hash_, size = value
    entry = Entry(name, Kind(kind), hash_, size)
    return Append(entry) if appended else entry
