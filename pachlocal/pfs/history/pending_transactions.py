"""Transactions that clients build one call at a time: kept as a list of calls until they finish."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pachlocal.errors import NotFoundError
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.storage.database import Connection, Row


@dataclass(frozen=True, slots=True)
class PendingTransaction:
    """A transaction that has not been finished.

    Attributes:
        id: Its ID, which becomes that of the commit set that it makes.
        started: When (ns since 1970).
        requests: The calls so far, in a form that only the edge knows.
        responses: What each of them answered when it was rehearsed.
    """

    id: str
    started: int
    requests: tuple[bytes, ...]
    responses: tuple[bytes, ...]


def start(tx: Transaction) -> PendingTransaction:
    """Begin one; its ID is that of the transaction in which it is stored."""
    tx.connection.execute("INSERT INTO transactions VALUES (?, ?)", (tx.id, tx.now))
    return inspect(tx.connection, tx.id)


def append(tx: Transaction, pending: PendingTransaction, request: bytes, response: bytes) -> None:
    """Add a call."""
    tx.connection.execute(
        "INSERT INTO transaction_steps VALUES (?, ?, ?, ?)",
        (pending.id, len(pending.requests), request, response),
    )


def inspect(connection: Connection, id_: str) -> PendingTransaction:
    """Return a transaction.

    Raises:
        NotFoundError: There is none of this ID, or it was finished.
    """
    row = connection.execute("SELECT * FROM transactions WHERE id = ?", (id_,)).fetchone()
    if row is None:
        raise NotFoundError(f"transactions {id_} not found")
    return _info(connection, row)


def list_transactions(connection: Connection) -> Iterator[PendingTransaction]:
    """Yield all transactions, the newest first."""
    rows = connection.execute("SELECT * FROM transactions ORDER BY started DESC")
    for row in rows.fetchall():
        yield _info(connection, row)


def delete(tx: Transaction, id_: str) -> None:
    """Forget a transaction.

    Raises:
        NotFoundError: There is none of this ID, or it was finished.
    """
    inspect(tx.connection, id_)
    tx.connection.execute("DELETE FROM transactions WHERE id = ?", (id_,))


def delete_all(tx: Transaction) -> None:
    """Forget all transactions."""
    tx.connection.execute("DELETE FROM transactions")


def _info(connection: Connection, row: Row) -> PendingTransaction:
    steps = connection.execute(
        "SELECT request, response FROM transaction_steps WHERE transaction_id = ? ORDER BY ordinal",
        (row["id"],),
    ).fetchall()
    return PendingTransaction(
        id=row["id"],
        started=row["started"],
        requests=tuple(step["request"] for step in steps),
        responses=tuple(step["response"] for step in steps),
    )
