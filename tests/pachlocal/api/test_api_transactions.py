"""Transactions as a client sees them: batched, and built call by call."""

from __future__ import annotations

import json
from dataclasses import dataclass

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty

from pachlocal.proto import (
    pfs_pb2,
    pfs_pb2_grpc,
    pps_pb2,
    pps_pb2_grpc,
    transaction_pb2,
    transaction_pb2_grpc,
)
from pachlocal.proto.transaction_pb2 import TransactionInfo, TransactionRequest


@dataclass
class Server:
    pfs: pfs_pb2_grpc.APIStub
    pps: pps_pb2_grpc.APIStub
    transactions: transaction_pb2_grpc.APIStub

    def repos(self) -> set[str]:
        return {info.repo.name for info in self.pfs.ListRepo(pfs_pb2.ListRepoRequest())}

    def batch(self, *requests: TransactionRequest) -> TransactionInfo:
        return self.transactions.BatchTransaction(
            transaction_pb2.BatchTransactionRequest(requests=requests)
        )

    def start(self) -> transaction_pb2.Transaction:
        return self.transactions.StartTransaction(transaction_pb2.StartTransactionRequest())

    def inspect(self, transaction: transaction_pb2.Transaction) -> TransactionInfo:
        request = transaction_pb2.InspectTransactionRequest(transaction=transaction)
        return self.transactions.InspectTransaction(request)

    def finish(self, transaction: transaction_pb2.Transaction) -> TransactionInfo:
        request = transaction_pb2.FinishTransactionRequest(transaction=transaction)
        return self.transactions.FinishTransaction(request)

    def open_ids(self) -> list[str]:
        found = self.transactions.ListTransaction(transaction_pb2.ListTransactionRequest())
        return [info.transaction.id for info in found.transaction_info]


@pytest.fixture
def server(channel: grpc.Channel) -> Server:
    return Server(
        pfs_pb2_grpc.APIStub(channel),
        pps_pb2_grpc.APIStub(channel),
        transaction_pb2_grpc.APIStub(channel),
    )


def create_repo(name: str) -> pfs_pb2.CreateRepoRequest:
    return pfs_pb2.CreateRepoRequest(repo=pfs_pb2.Repo(name=name))


def start_commit(repo: str) -> pfs_pb2.StartCommitRequest:
    branch = pfs_pb2.Branch(repo=pfs_pb2.Repo(name=repo), name="master")
    return pfs_pb2.StartCommitRequest(branch=branch)


def joining(transaction: transaction_pb2.Transaction) -> list[tuple[str, str]]:
    return [("pach-transaction", transaction.id)]


def code_of(error: pytest.ExceptionInfo[grpc.RpcError]) -> grpc.StatusCode:
    code: grpc.StatusCode = error.value.code()
    return code


def test_commits_of_a_batch_have_its_id(server: Server) -> None:
    info = server.batch(
        TransactionRequest(create_repo=create_repo("a")),
        TransactionRequest(create_repo=create_repo("b")),
        TransactionRequest(start_commit=start_commit("a")),
        TransactionRequest(start_commit=start_commit("b")),
    )

    assert [response.commit.id for response in info.responses[2:]] == 2 * [info.transaction.id]
    members = server.pfs.InspectCommitSet(
        pfs_pb2.InspectCommitSetRequest(commit_set=pfs_pb2.CommitSet(id=info.transaction.id))
    )
    assert {member.commit.repo.name for member in members} == {"a", "b"}
    assert server.open_ids() == []


def test_a_batch_that_fails_changes_nothing_and_says_where(server: Server) -> None:
    with pytest.raises(grpc.RpcError) as error:
        server.batch(
            TransactionRequest(create_repo=create_repo("a")),
            TransactionRequest(create_repo=create_repo("a")),
        )

    assert code_of(error) is grpc.StatusCode.ALREADY_EXISTS
    assert error.value.details() == "error running request 2 of 2: repo default/a already exists"
    assert server.repos() == set()


@pytest.mark.parametrize(
    "request_",
    [
        TransactionRequest(),
        TransactionRequest(create_repo=create_repo("a"), start_commit=start_commit("a")),
    ],
)
def test_a_step_must_be_one_call(server: Server, request_: TransactionRequest) -> None:
    with pytest.raises(grpc.RpcError) as error:
        server.batch(request_)
    assert code_of(error) is grpc.StatusCode.INVALID_ARGUMENT


def test_calls_take_effect_when_their_transaction_finishes(server: Server) -> None:
    transaction = server.start()
    server.pfs.CreateRepo(create_repo("a"), metadata=joining(transaction))
    commit = server.pfs.StartCommit(start_commit("a"), metadata=joining(transaction))

    assert commit.id == transaction.id
    assert server.repos() == set()
    assert server.open_ids() == [transaction.id]

    info = server.finish(transaction)

    assert info.responses[1].commit.id == commit.id
    assert info.responses[1].commit.branch.name == "master"
    assert server.repos() == {"a"}
    assert server.open_ids() == []


def test_a_mistake_is_told_at_once_and_is_no_part_of_the_transaction(server: Server) -> None:
    transaction = server.start()
    server.pfs.CreateRepo(create_repo("a"), metadata=joining(transaction))
    with pytest.raises(grpc.RpcError) as error:
        server.pfs.CreateRepo(create_repo("a"), metadata=joining(transaction))

    assert code_of(error) is grpc.StatusCode.ALREADY_EXISTS
    assert server.inspect(transaction).version == 1
    server.finish(transaction)
    assert server.repos() == {"a"}


def test_what_others_did_meanwhile_can_stop_a_transaction(server: Server) -> None:
    transaction = server.start()
    server.pfs.CreateRepo(create_repo("a"), metadata=joining(transaction))
    server.pfs.CreateRepo(create_repo("b"), metadata=joining(transaction))
    server.pfs.CreateRepo(create_repo("b"))
    with pytest.raises(grpc.RpcError) as error:
        server.finish(transaction)

    assert code_of(error) is grpc.StatusCode.ALREADY_EXISTS
    assert server.repos() == {"b"}
    assert server.open_ids() == [transaction.id]


def test_deleting_a_repo_that_is_not_there_says_deleted_in_a_transaction(server: Server) -> None:
    transaction = server.start()
    request = pfs_pb2.DeleteRepoRequest(repo=pfs_pb2.Repo(name="a"))
    assert server.pfs.DeleteRepo(request, metadata=joining(transaction)).deleted
    assert not server.pfs.DeleteRepo(request).deleted


def test_two_commits_in_a_repo_are_one_too_many(server: Server) -> None:
    server.pfs.CreateRepo(create_repo("a"))
    finish = pfs_pb2.FinishCommitRequest(
        commit=pfs_pb2.Commit(repo=pfs_pb2.Repo(name="a"), id="master")
    )
    with pytest.raises(grpc.RpcError) as error:
        server.batch(
            TransactionRequest(start_commit=start_commit("a")),
            TransactionRequest(finish_commit=finish),
            TransactionRequest(start_commit=start_commit("a")),
        )
    assert "inconsistent dependencies" in error.value.details()


def test_data_and_pipeline_of_one_transaction_make_one_job(server: Server) -> None:
    spec = {
        "pipeline": {"name": "copy"},
        "transform": {"image": "alpine", "cmd": ["cp", "-r", "/pfs/a/.", "/pfs/out"]},
        "input": {"pfs": {"repo": "a", "glob": "/*"}},
    }
    server.pfs.CreateRepo(create_repo("a"))
    transaction = server.start()
    commit = server.pfs.StartCommit(start_commit("a"), metadata=joining(transaction))
    answer = server.pps.CreatePipelineV2(
        pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=json.dumps(spec)),
        metadata=joining(transaction),
    )
    server.pfs.FinishCommit(
        pfs_pb2.FinishCommitRequest(commit=commit), metadata=joining(transaction)
    )
    effective = json.loads(answer.effective_create_pipeline_request_json)
    assert effective["outputBranch"] == "master"
    assert not list(server.pps.ListPipeline(pps_pb2.ListPipelineRequest()))

    server.finish(transaction)

    pipeline = pps_pb2.Pipeline(name="copy")
    (job,) = server.pps.ListJob(pps_pb2.ListJobRequest(pipeline=pipeline))
    assert job.job.id == transaction.id
    ended = server.pps.InspectJob(pps_pb2.InspectJobRequest(job=job.job, wait=True))
    assert ended.state == pps_pb2.JOB_SUCCESS


def test_reads_and_unknown_transactions(server: Server) -> None:
    unknown = transaction_pb2.Transaction(id="0" * 32)
    assert list(server.pfs.ListRepo(pfs_pb2.ListRepoRequest(), metadata=joining(unknown))) == []
    with pytest.raises(grpc.RpcError) as error:
        server.pfs.CreateRepo(create_repo("a"), metadata=joining(unknown))
    assert code_of(error) is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as error:
        server.finish(unknown)
    assert code_of(error) is grpc.StatusCode.NOT_FOUND


def test_a_transaction_can_be_given_up(server: Server) -> None:
    first, second, third = server.start(), server.start(), server.start()
    server.transactions.DeleteTransaction(
        transaction_pb2.DeleteTransactionRequest(transaction=second)
    )
    assert server.open_ids() == [third.id, first.id]
    assert server.transactions.DeleteAll(transaction_pb2.DeleteAllRequest()) == Empty()
    assert server.open_ids() == []
