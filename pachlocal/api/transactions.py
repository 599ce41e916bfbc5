"""Several writes that happen together, or not at all.

A client starts a transaction, names it in the metadata of the calls that belong to it, and finishes
it. Until then the calls are kept and rehearsed, each time all of them, so that a mistake is told at
once; finishing makes them, as one change with the transaction's ID as its commit set. See
https://docs.pachyderm.com/latest/learn/glossary/transactions/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from pachlocal.api import wire
from pachlocal.api.service import Context
from pachlocal.errors import InvalidArgumentError, PachError, UnsupportedError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import pending_transactions
from pachlocal.pfs.history.pending_transactions import PendingTransaction
from pachlocal.proto import pfs_pb2, pps_pb2, transaction_pb2
from pachlocal.proto.transaction_pb2 import (
    TransactionInfo,
    TransactionInfos,
    TransactionRequest,
    TransactionResponse,
)

_METADATA_KEY = "pach-transaction"


class Joining:
    """A service whose writes join a transaction when their metadata names one."""

    def __init__(self, service: object, transactions: TransactionApi) -> None:
        self._service = service
        self._transactions = transactions

    def __getattr__(self, name: str) -> Any:
        behaviour = getattr(self._service, name)
        if name not in TransactionRequest.DESCRIPTOR.fields_by_name:
            return behaviour

        def join(request: Message, context: Context) -> Message:
            id_ = str(dict(context.invocation_metadata()).get(_METADATA_KEY, ""))
            if not id_ or getattr(request, "dry_run", False):
                alone: Message = behaviour(request, context)
                return alone
            response = self._transactions.append(id_, _step(name, request), context)
            if isinstance(request, pfs_pb2.StartCommitRequest):
                return wire.Wire(context).alone(response.commit)
            if isinstance(request, pfs_pb2.DeleteRepoRequest):
                return pfs_pb2.DeleteRepoResponse(deleted=True)
            if isinstance(request, pps_pb2.CreatePipelineV2Request):
                request.dry_run = True
                completed: Message = behaviour(request, context)
                return completed
            return Empty()

        return join


class TransactionApi:
    """transaction_v2.API; made of the services that answer the calls a transaction may hold."""

    def __init__(self, files: FileSystem, services: Iterable[object]) -> None:
        self._files = files
        self._services = tuple(services)

    def start_transaction(
        self, request: transaction_pb2.StartTransactionRequest, context: Context
    ) -> transaction_pb2.Transaction:
        """Begin a transaction."""
        with self._files.transaction() as tx:
            return transaction_pb2.Transaction(id=pending_transactions.start(tx).id)

    def append(self, id_: str, step: TransactionRequest, context: Context) -> TransactionResponse:
        """Add a call to a transaction; return what a rehearsal of it answers.

        Raises:
            NotFoundError: There is no such transaction.
            PachError: The call can't be made after those before it; it isn't added.
        """
        with self._files.transaction() as tx:
            found = pending_transactions.inspect(tx.connection, id_)
            steps = [*map(TransactionRequest.FromString, found.requests), step]
            with self._files.rehearsal(id_):
                response = self._perform(steps, context)[-1]
            pending_transactions.append(
                tx, found, step.SerializeToString(), response.SerializeToString()
            )
        return response

    def finish_transaction(
        self, request: transaction_pb2.FinishTransactionRequest, context: Context
    ) -> TransactionInfo:
        """Make all calls of a transaction."""
        id_ = request.transaction.id
        with self._files.snapshot() as connection:
            pending_transactions.inspect(connection, id_)
        with self._files.transaction(id_) as tx:
            found = pending_transactions.inspect(tx.connection, id_)
            answer = _info(found)
            del answer.responses[:]
            answer.responses.extend(self._perform(answer.requests, context))
            pending_transactions.delete(tx, id_)
        return answer

    def batch_transaction(
        self, request: transaction_pb2.BatchTransactionRequest, context: Context
    ) -> TransactionInfo:
        """Make several calls that are all given at once."""
        with self._files.transaction() as tx:
            return TransactionInfo(
                transaction=transaction_pb2.Transaction(id=tx.id),
                requests=request.requests,
                responses=self._perform(request.requests, context),
                started=wire.timestamp(tx.now),
                version=len(request.requests),
            )

    def inspect_transaction(
        self, request: transaction_pb2.InspectTransactionRequest, context: Context
    ) -> TransactionInfo:
        """Return a transaction that has not been finished."""
        with self._files.snapshot() as connection:
            return _info(pending_transactions.inspect(connection, request.transaction.id))

    def list_transaction(
        self, request: transaction_pb2.ListTransactionRequest, context: Context
    ) -> TransactionInfos:
        """Return the transactions that have not been finished, the newest first."""
        with self._files.snapshot() as connection:
            return TransactionInfos(
                transaction_info=map(_info, pending_transactions.list_transactions(connection))
            )

    def delete_transaction(
        self, request: transaction_pb2.DeleteTransactionRequest, context: Context
    ) -> Empty:
        """Forget a transaction: none of its calls is made."""
        with self._files.transaction() as tx:
            pending_transactions.delete(tx, request.transaction.id)
        return Empty()

    def delete_all(self, request: transaction_pb2.DeleteAllRequest, context: Context) -> Empty:
        """Forget all transactions."""
        with self._files.transaction() as tx:
            pending_transactions.delete_all(tx)
        return Empty()

    def _perform(
        self, steps: Iterable[TransactionRequest], context: Context
    ) -> list[TransactionResponse]:
        """Make calls in the transaction that is open."""
        steps = list(steps)
        responses = []
        for number, step in enumerate(steps, 1):
            try:
                answer = self._call(step, context)
            except PachError as error:
                where = f"error running request {number} of {len(steps)}"
                raise type(error)(f"{where}: {error}") from error
            commit = answer if isinstance(answer, pfs_pb2.Commit) else None
            if commit is not None:
                commit.branch.CopyFrom(
                    pfs_pb2.Branch(repo=commit.repo, name=step.start_commit.branch.name)
                )
            responses.append(TransactionResponse(commit=commit))
        return responses

    def _call(self, step: TransactionRequest, context: Context) -> Message:
        fields = step.ListFields()
        if len(fields) != 1:
            raise InvalidArgumentError("validate request: each request must hold one call")
        ((field, request),) = fields
        name = field.name
        if isinstance(request, pps_pb2.CreatePipelineTransaction):
            name, request = _pipeline_call(request)
        behaviour: Callable[[Message, Context], Message] | None = next(
            (getattr(one, name) for one in self._services if hasattr(one, name)), None
        )
        if behaviour is None:
            raise UnsupportedError(f"pachlocal can't do {name} in a transaction")
        return behaviour(request, context)


def _step(name: str, request: Message) -> TransactionRequest:
    """Return a call as a transaction holds it."""
    step = TransactionRequest()
    if isinstance(request, pps_pb2.CreatePipelineV2Request):
        held = step.create_pipeline_v2
        held.user_json = request.create_pipeline_request_json
        # There is no other place for the options that stand beside the spec.
        held.create_pipeline_request.update = request.update
        held.create_pipeline_request.reprocess = request.reprocess
    else:
        getattr(step, name).CopyFrom(request)
    return step


def _pipeline_call(held: pps_pb2.CreatePipelineTransaction) -> tuple[str, Message]:
    """Return the call that makes a pipeline, from JSON where there is some."""
    request = held.create_pipeline_request
    if not held.user_json:
        return "create_pipeline", request
    return "create_pipeline_v2", pps_pb2.CreatePipelineV2Request(
        create_pipeline_request_json=held.user_json,
        update=request.update,
        reprocess=request.reprocess,
    )


def _info(found: PendingTransaction) -> TransactionInfo:
    return TransactionInfo(
        transaction=transaction_pb2.Transaction(id=found.id),
        requests=map(TransactionRequest.FromString, found.requests),
        responses=map(TransactionResponse.FromString, found.responses),
        started=wire.timestamp(found.started),
        version=len(found.requests),
    )
