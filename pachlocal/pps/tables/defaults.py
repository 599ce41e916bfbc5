"""The defaults of specs that users have set, for the cluster and for projects."""

from __future__ import annotations

from dataclasses import dataclass

from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pps.spec.defaults import INITIAL_OF_CLUSTER
from pachlocal.storage.database import Connection

CLUSTER = ""
"""Stands for the cluster where a project is named."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What somebody has set, or what there is until somebody does.

    Attributes:
        json: The text, as it was given.
        created: When it was set (ns since 1970); None if never.
    """

    json: str
    created: int | None = None


def inspect(connection: Connection, project: str) -> Defaults:
    """Return the defaults of a project, or of the cluster."""
    row = connection.execute(
        "SELECT json, created FROM pipeline_defaults WHERE project = ?", (project,)
    ).fetchone()
    if row is not None:
        return Defaults(row["json"], row["created"])
    return Defaults("{}" if project else INITIAL_OF_CLUSTER)


def put(tx: Transaction, project: str, json: str) -> None:
    """Set the defaults of a project, or of the cluster."""
    tx.connection.execute(
        "INSERT OR REPLACE INTO pipeline_defaults (project, json, created) VALUES (?, ?, ?)",
        (project, json, tx.now),
    )


def delete(tx: Transaction, project: str) -> None:
    """Forget the defaults of a project that is deleted."""
    tx.connection.execute("DELETE FROM pipeline_defaults WHERE project = ?", (project,))
