import json
import os
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from pachctl_fake import FakeServer

from pachlocal.proto import pfs_pb2, pps_pb2, transaction_pb2
from pachlocal.proto.transaction_pb2 import TransactionRequest, TransactionResponse

ID = "0123456789ab4cdef0123456789abcde"
OTHER_ID = "1123456789ab4cdef0123456789abcde"


def transaction(id_: str = ID, **fields: Any) -> transaction_pb2.TransactionInfo:
    return transaction_pb2.TransactionInfo(
        transaction=transaction_pb2.Transaction(id=id_), **fields
    )


@pytest.fixture
def started(fake: FakeServer, pachctl: Any) -> FakeServer:
    fake.answers["StartTransaction"] = transaction_pb2.Transaction(id=ID)
    assert pachctl("start", "transaction") == (0, f'Started transaction "{ID}"\n', "")
    return fake


def joined(fake: FakeServer) -> bool:
    return ("pach-transaction", ID) in fake.metadata


WRITES: list[tuple[str, ...]] = [
    ("create", "repo", "a"),
    ("update", "repo", "a"),
    ("delete", "repo", "a"),
    ("create", "branch", "a@b"),
    ("delete", "branch", "a@b"),
    ("start", "commit", "a@b"),
    ("finish", "commit", "a@b"),
    ("squash", "commit", ID),
    ("stop", "job", f"m@{ID}"),
]


@pytest.mark.parametrize("words", WRITES)
def test_writes_are_added(started: FakeServer, pachctl: Any, words: tuple[str, ...]) -> None:
    started.answers["DeleteRepo"] = pfs_pb2.DeleteRepoResponse(deleted=True)

    outcome = pachctl(*words)
    assert (outcome.code, outcome.err) == (0, f"Added to transaction {ID}\n")
    assert joined(started)


def test_reads_are_not(started: FakeServer, pachctl: Any) -> None:
    for words in (["list", "repo"], ["list", "transaction"], ["inspect", "commit", "a@b"]):
        assert pachctl(*words).err == ""
        assert not joined(started)


def test_jobs_of_an_id_are_stopped_one_by_one_in_a_transaction(
    started: FakeServer, pachctl: Any
) -> None:
    job = pps_pb2.Job(pipeline=pps_pb2.Pipeline(name="m"), id=ID)
    started.answers["InspectJobSet"] = [pps_pb2.JobInfo(job=job)]

    assert pachctl("stop", "job", ID).code == 0
    assert "BatchTransaction" not in started.called()
    assert started.last("StopJob").job.pipeline.name == "m"


def test_it_is_finished(started: FakeServer, pachctl: Any) -> None:
    started.answers["FinishTransaction"] = transaction(requests=[TransactionRequest()])

    assert pachctl("finish", "transaction").out == f"Finished transaction {ID} with 1 request\n"
    assert not joined(started)
    assert started.last("FinishTransaction").transaction.id == ID
    pachctl("create", "repo", "a")
    assert not joined(started)
    assert "no transaction is active" in pachctl("finish", "transaction").err


def test_it_stays_active_when_it_cannot_be_finished(started: FakeServer, pachctl: Any) -> None:
    started.answers["FinishTransaction"] = (grpc.StatusCode.UNKNOWN, "error running request 1 of 1")

    assert pachctl("finish", "transaction").code == 1
    pachctl("create", "repo", "a")
    assert joined(started)


def test_it_is_stopped_and_resumed(started: FakeServer, pachctl: Any) -> None:
    assert ID in pachctl("stop", "transaction").out
    pachctl("create", "repo", "a")
    assert not joined(started)
    assert pachctl("stop", "transaction").code == 1
    started.answers["InspectTransaction"] = transaction()
    assert pachctl("resume", "transaction", ID).out == f"Resumed transaction {ID} with 0 requests\n"
    pachctl("create", "repo", "a")
    assert joined(started)
    outcome = pachctl("start", "transaction")
    assert (outcome.code, ID in outcome.err) == (1, True)


def test_it_is_deleted(started: FakeServer, pachctl: Any) -> None:
    assert pachctl("delete", "transaction", OTHER_ID) == (0, "", "")
    pachctl("create", "repo", "a")
    assert joined(started)
    started.answers["DeleteTransaction"] = (grpc.StatusCode.NOT_FOUND, "gone")
    assert pachctl("delete", "transaction").code == 1
    pachctl("create", "repo", "a")
    assert not joined(started)


def test_one_that_has_gone_can_be_left(started: FakeServer, pachctl: Any) -> None:
    started.answers["CreateRepo"] = (grpc.StatusCode.NOT_FOUND, f"transaction {ID} not found")

    assert "pachctl stop transaction" in pachctl("create", "repo", "a").err


def test_it_belongs_to_its_server(
    started: FakeServer, pachctl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACHD_ADDRESS", started.address.replace("127.0.0.1", "localhost"))
    pachctl("create", "repo", "a")
    assert not joined(started)


def test_it_is_remembered_in_a_file_of_ours(started: FakeServer, pachctl: Any) -> None:
    path = Path(os.environ["PACHCTL_STATE"])
    assert json.loads(path.read_text()) == {"active_transactions": {started.address: ID}}
    assert not Path(os.environ["PACH_CONFIG"]).exists()
    path.write_text("{")
    assert pachctl("create", "repo", "a").err == f"pachctl: {path} is damaged: delete it\n"


def test_nothing_is_active_when_all_is_deleted(started: FakeServer, pachctl: Any) -> None:
    pachctl("delete", "all", "-y")
    pachctl("create", "repo", "a")
    assert not joined(started)


def test_the_open_ones_are_listed(fake: FakeServer, pachctl: Any) -> None:
    info = transaction(started=Timestamp(seconds=1_700_000_000), requests=[TransactionRequest()])
    fake.answers["ListTransaction"] = transaction_pb2.TransactionInfos(transaction_info=[info])

    assert pachctl("list", "transactions", "--full-timestamps").out == (
        "TRANSACTION                      STARTED              OPS \n"
        f"{ID} 2023-11-14T22:13:20Z 1   \n"
    )


def test_what_is_in_one_is_shown(fake: FakeServer, pachctl: Any) -> None:
    repo = pfs_pb2.Repo(name="a", type="user", project=pfs_pb2.Project(name="p"))
    branch = pfs_pb2.Branch(repo=repo, name="m")
    fake.answers["InspectTransaction"] = transaction(
        requests=[
            TransactionRequest(create_repo=pfs_pb2.CreateRepoRequest(repo=repo)),
            TransactionRequest(start_commit=pfs_pb2.StartCommitRequest(branch=branch)),
            TransactionRequest(),
        ],
        responses=[
            TransactionResponse(),
            TransactionResponse(commit=pfs_pb2.Commit(repo=repo, id=ID)),
            TransactionResponse(),
        ],
    )

    assert pachctl("inspect", "transaction", ID).out.splitlines()[2:] == [
        "Requests:",
        "  create repo p/a",
        f"  start commit p/a@m ({ID})",
        "  a request that this pachctl doesn't know",
    ]
