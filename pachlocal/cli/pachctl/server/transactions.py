"""Commands on transactions: several writes that happen together, or not at all."""

from __future__ import annotations

import click

from pachlocal.cli.pachctl.client.failures import call_error, status_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    command,
    full_timestamps_option,
    output_options,
    pass_session,
)
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.transactions import describe
from pachlocal.cli.pachctl.printing.words import moment, print_raw
from pachlocal.errors import CliError
from pachlocal.proto.transaction_pb2 import (
    DeleteTransactionRequest,
    FinishTransactionRequest,
    InspectTransactionRequest,
    ListTransactionRequest,
    StartTransactionRequest,
    Transaction,
    TransactionInfo,
)

_id_argument = click.argument("transaction", metavar="[ID]", required=False)


@command("transaction")
@pass_session
def start_transaction(session: Session) -> None:
    """Start a transaction: the changes that follow take effect when it is finished.

    Commands that create or delete repos, branches and pipelines, start or finish commits, squash
    commits and stop jobs are added to it; files are put outside it.
    """
    if session.active_transaction:
        raise CliError(
            f"transaction {session.active_transaction} is active: finish, stop or delete it first"
        )
    id_ = session.server.transactions.StartTransaction(StartTransactionRequest()).id
    session.active_transaction = id_
    print(f'Started transaction "{id_}"')


@command("transaction")
@_id_argument
@pass_session
def finish_transaction(session: Session, transaction: str | None) -> None:
    """Execute a transaction, by default the active one."""
    id_ = _named(session, transaction)
    request = FinishTransactionRequest(transaction=Transaction(id=id_))
    info = session.server.transactions.FinishTransaction(request)
    _forget(session, id_)
    print(f"Finished transaction {info.transaction.id} with {_count(info)}")


@command("transaction")
@pass_session
def stop_transaction(session: Session) -> None:
    """Stop adding to the active transaction; it stays open, to be resumed or finished."""
    id_ = _named(session, None)
    _forget(session, id_)
    print(f"Stopped adding to transaction {id_}")


@command("transaction")
@click.argument("transaction", metavar="ID")
@pass_session
def resume_transaction(session: Session, transaction: str) -> None:
    """Make an open transaction the active one."""
    info = _inspect(session, transaction)
    session.active_transaction = info.transaction.id
    print(f"Resumed transaction {info.transaction.id} with {_count(info)}")


@command("transaction")
@full_timestamps_option
@output_options
@pass_session
def list_transaction(session: Session, full_timestamps: bool, raw: str | None) -> None:
    """List the open transactions."""
    answer = session.server.transactions.ListTransaction(ListTransactionRequest())
    if raw:
        print_raw(answer.transaction_info, raw)
        return
    table = Table("TRANSACTION\tSTARTED\tOPS\t")
    for info in answer.transaction_info:
        started = moment(info, "started", full_timestamps)
        table.row(info.transaction.id, started, str(len(info.requests)))
    table.flush()


@command("transaction")
@_id_argument
@full_timestamps_option
@output_options
@pass_session
def inspect_transaction(
    session: Session, transaction: str | None, full_timestamps: bool, raw: str | None
) -> None:
    """Show what a transaction contains, by default the active one."""
    info = _inspect(session, _named(session, transaction))
    if raw:
        print_raw([info], raw)
        return
    print(f"ID: {info.transaction.id}")
    print(f"Started: {moment(info, 'started', full_timestamps)}")
    print("Requests:")
    for line in describe(info):
        print(f"  {line}")


@command("transaction")
@_id_argument
@pass_session
def delete_transaction(session: Session, transaction: str | None) -> None:
    """Delete a transaction without executing it, by default the active one."""
    id_ = _named(session, transaction)
    request = DeleteTransactionRequest(transaction=Transaction(id=id_))
    try:
        session.server.transactions.DeleteTransaction(request)
    except call_error() as error:
        if status_of(error).name == "NOT_FOUND":
            _forget(session, id_)
        raise
    _forget(session, id_)


def _named(session: Session, id_: str | None) -> str:
    found = id_ or session.active_transaction
    if not found:
        raise CliError("no transaction is active: name one, or start one")
    return found


def _forget(session: Session, id_: str) -> None:
    if session.active_transaction == id_:
        session.active_transaction = ""


def _inspect(session: Session, id_: str) -> TransactionInfo:
    request = InspectTransactionRequest(transaction=Transaction(id=id_))
    return session.server.transactions.InspectTransaction(request)


def _count(info: TransactionInfo) -> str:
    count = len(info.requests)
    return "1 request" if count == 1 else f"{count} requests"
