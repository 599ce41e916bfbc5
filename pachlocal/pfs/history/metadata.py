"""Metadata: keys and values that users note about repos, branches, commits and so on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pachlocal.errors import FailedPreconditionError, InvalidArgumentError
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.storage.database import Connection

# The tables of PFS whose rows can have metadata; PPS adds its own.
CLUSTER = "store"
PROJECT = "projects"
REPO = "repos"
BRANCH = "branches"
COMMIT = "commits"


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that can have metadata: a row, of a table with a column `metadata`."""

    table: str
    key: int


def parse(text: str) -> Mapping[str, str]:
    """Read the column `metadata`."""
    values: dict[str, str] = json.loads(text)
    return values


def of_cluster(connection: Connection) -> Mapping[str, str]:
    """Return what is noted about the store as a whole."""
    return _load(connection, cluster(connection))


def cluster(connection: Connection) -> Target:
    """Return the store as a whole."""
    (key,) = connection.execute("SELECT rowid FROM store").fetchone()
    return Target(CLUSTER, key)


def add(tx: Transaction, target: Target, key: str, value: str) -> None:
    """Add a key.

    Raises:
        FailedPreconditionError: It is there.
        InvalidArgumentError: It is empty.
    """
    values = _load(tx.connection, target)
    if key in values:
        raise FailedPreconditionError(
            f'add_key target key "{key}" already exists; use edit_key instead'
        )
    replace(tx, target, {**values, key: value})


def edit(tx: Transaction, target: Target, key: str, value: str) -> None:
    """Give a key a value, whether it is there or not.

    Raises:
        InvalidArgumentError: It is empty.
    """
    replace(tx, target, {**_load(tx.connection, target), key: value})


def delete(tx: Transaction, target: Target, key: str) -> None:
    """Remove a key, if it is there."""
    values = _load(tx.connection, target)
    replace(tx, target, {name: value for name, value in values.items() if name != key})


def replace(tx: Transaction, target: Target, values: Mapping[str, str]) -> None:
    """Replace all that is there.

    Raises:
        InvalidArgumentError: A key is empty.
    """
    if "" in values:
        raise InvalidArgumentError("validate request: a key of metadata must not be empty")
    tx.connection.execute(
        f"UPDATE {target.table} SET metadata = ? WHERE rowid = ?",
        (json.dumps(dict(values)), target.key),
    )


def _load(connection: Connection, target: Target) -> Mapping[str, str]:
    row = connection.execute(
        f"SELECT metadata FROM {target.table} WHERE rowid = ?", (target.key,)
    ).fetchone()
    return parse(row["metadata"])
