"""fsck: is everything there that the metadata refers to, and is it what was stored?

It changes nothing: damaged content heals when it is put again, because what is put is compared with
what is there. Writes, deletions and collections go on meanwhile. So what looks damaged is looked at
again before it is told, while nobody writes: its owner may be gone, or it may be back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.tree.entries import Hash
from pachlocal.pfs.upkeep import tables
from pachlocal.pfs.upkeep.survey import Survey
from pachlocal.storage.database import Connection, damage
from pachlocal.storage.integrity import CheckedTable, key_columns, problems


def fsck(files: FileSystem) -> Iterator[str]:
    """Read all metadata and every object; yield a sentence for each damage, with what it concerns.

    It reads on behind a damage as far as that goes.
    """
    described = tables.of(files)
    owners = [table for table in described if table.tree]
    survey = Survey(files.objects)
    try:
        with files.database.inspect() as connection:
            yield from list(problems(connection, described))
            roots = {root for table in owners for _, root in _keepers(connection, table)}
    except sqlite3.DatabaseError as error:
        yield damage(error) or f"pach.db can't be read: {error}"
        roots = set()
    for root in roots:
        survey.visit(root)
    if survey.damaged:
        yield from filter(None, (need.sentence(files) for need in _needs(files, owners, survey)))
    yield from _others(files, survey)


@contextmanager
def _undisturbed(files: FileSystem) -> Iterator[Connection | None]:
    """Keep everybody from writing, so that the rows and the files that belong together are there.

    Nobody else has a store that is opened to be looked at, and maybe nobody could.
    """
    if files.database.as_it_is:
        yield None
    else:
        with files.database.preview() as connection:
            yield connection


class _Owner(NamedTuple):
    """A row that keeps a tree."""

    table: CheckedTable
    key: tuple[object, ...]
    root: Hash
    name: str

    def is_there(self, connection: Connection | None) -> bool:
        """Whether the row still is, and still keeps this tree."""
        if connection is None:
            return True
        keys = key_columns(connection, self.table.name)
        condition = " AND ".join(f"{column} = ?" for column in (*keys, self.table.tree))
        try:
            found = connection.execute(
                f"SELECT 1 FROM {self.table.name} WHERE {condition}", (*self.key, self.root)
            )
            return found.fetchone() is not None
        except sqlite3.DatabaseError:  # it was
            return True


@dataclass
class _Need:
    """A damaged object, and what needs it: the same path in the commits of a repo, say."""

    object: Hash
    path: str
    owners: list[_Owner] = field(default_factory=list)

    def sentence(self, files: FileSystem) -> str:
        """Say what is damaged; nothing if it isn't any more, or concerns nobody any more."""
        for number, owner in enumerate(self.owners):
            with _undisturbed(files) as connection:
                flaw = files.objects.flaw(self.object) if owner.is_there(connection) else ""
            if flaw:
                place = f"{owner.name}:{self.path}"
                verb = "listed whole" if self.path.endswith("/") else "read"
                others = len(self.owners) - number - 1
                more = f"; nor in {others} more {owner.table.kind}{'s' * (others > 1)}"
                return f"{place} can't be {verb}: {flaw}{more if others else ''}"
        return ""


def _needs(files: FileSystem, owners: list[CheckedTable], survey: Survey) -> Iterator[_Need]:
    """Yield what needs damaged objects, newest owners first."""
    found: dict[tuple[Hash, str, str], _Need] = {}
    with files.database.inspect() as connection:
        for table in owners:
            keys = key_columns(connection, table.name)
            condition = f"WHERE {' AND '.join(f'{key} = ?' for key in keys)}"
            touched = (it for it in _keepers(connection, table) if it[1] in survey.touched)
            for key, root in dict.fromkeys(touched):
                owner = _Owner(table, key, root, table.called(connection, condition, key))
                series = owner.name.partition("@")[0]
                for object_, path in survey.needed(root):
                    need = found.setdefault((object_, series, path), _Need(object_, path))
                    need.owners.append(owner)
    yield from found.values()


def _keepers(
    connection: Connection, table: CheckedTable
) -> Iterator[tuple[tuple[object, ...], Hash]]:
    """Yield the rows of a table that keep trees, by key and root, newest first.

    Where the table is damaged, those behind the place and those before; some of them twice.
    """
    keys = key_columns(connection, table.name)
    for order in ("DESC", "ASC"):
        try:
            for *key, root in connection.execute(
                f"SELECT {', '.join(keys)}, {table.tree} FROM {table.name}"
                f" WHERE {table.tree} IS NOT NULL"
                f" ORDER BY {', '.join(f'{column} {order}' for column in keys)}"
            ):
                if isinstance(root, bytes):
                    yield tuple(key), root
            return
        except sqlite3.DatabaseError:  # what is damaged has been told
            continue


def _others(files: FileSystem, survey: Survey) -> Iterator[str]:
    """Yield the damage to objects that no tree needs, or none that can be read."""
    for name in files.objects.names():
        if name in survey.seen:
            continue
        survey.seen.add(name)
        if not files.objects.has_changed(name):
            continue
        with _undisturbed(files):
            changed = files.objects.has_changed(name)
        if changed:
            yield (
                f"object {name.hex()} is damaged: its bytes have changed;"
                " no commit that can be read needs it"
            )
