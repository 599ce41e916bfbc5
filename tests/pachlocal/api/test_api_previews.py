"""The dialogue in which a client takes datums of an input, a batch at a time."""

from __future__ import annotations

import queue
from collections.abc import Iterator

import grpc
import pytest

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc

FILES = 7


@pytest.fixture
def input_(channel: grpc.Channel) -> pps_pb2.Input:
    repo = pfs_pb2.Repo(name="a")
    pfs = pfs_pb2_grpc.APIStub(channel)
    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo))
    commit = pfs_pb2.Commit(repo=repo, id="master")
    messages = [pfs_pb2.ModifyFileRequest(set_commit=commit)]
    for number in range(FILES):
        file = pfs_pb2.AddFile(path=f"/{number}")
        messages.append(pfs_pb2.ModifyFileRequest(add_file=file))
    pfs.ModifyFile(iter(messages))
    return pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="a", glob="/*"))


def start(input_: pps_pb2.Input, number: int) -> pps_pb2.CreateDatumRequest:
    body = pps_pb2.StartCreateDatumRequest(input=input_, number=number)
    return pps_pb2.CreateDatumRequest(start=body)


def go_on(number: int) -> pps_pb2.CreateDatumRequest:
    body = pps_pb2.ContinueCreateDatumRequest(number=number)
    return pps_pb2.CreateDatumRequest(**{"continue": body})


def paths(datums: list[pps_pb2.DatumInfo]) -> list[str]:
    return [datum.data[0].file.path for datum in datums]


def test_each_request_gives_as_many_datums_as_it_asks_for(
    channel: grpc.Channel, input_: pps_pb2.Input
) -> None:
    requests: queue.SimpleQueue[pps_pb2.CreateDatumRequest] = queue.SimpleQueue()
    stream: Iterator[pps_pb2.DatumInfo] = pps_pb2_grpc.APIStub(channel).CreateDatum(
        iter(requests.get, None)
    )
    requests.put(start(input_, 2))
    assert paths([next(stream), next(stream)]) == ["/0", "/1"]
    requests.put(go_on(1))
    assert paths([next(stream)]) == ["/2"]
    requests.put(go_on(100))
    assert paths(list(stream)) == ["/3", "/4", "/5", "/6"]
    requests.put(None)


def test_the_dialogue_ends_with_the_last_datum_whether_it_was_asked_for_exactly_or_not(
    channel: grpc.Channel, input_: pps_pb2.Input
) -> None:
    requests: queue.SimpleQueue[pps_pb2.CreateDatumRequest] = queue.SimpleQueue()
    stream = pps_pb2_grpc.APIStub(channel).CreateDatum(iter(requests.get, None), timeout=20)
    requests.put(start(input_, FILES))
    assert len(list(stream)) == FILES
    requests.put(None)


def test_the_dialogue_is_an_input_and_then_numbers(
    channel: grpc.Channel, input_: pps_pb2.Input
) -> None:
    for requests, words in (
        ([go_on(1)], "first message must be a StartCreateDatumRequest message"),
        ([start(input_, 1), start(input_, 1)], "must be a ContinueCreateDatumRequest message"),
    ):
        with pytest.raises(grpc.RpcError, match=words) as error:
            list(pps_pb2_grpc.APIStub(channel).CreateDatum(iter(requests)))
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_what_an_input_gives_twice_comes_twice(
    channel: grpc.Channel, input_: pps_pb2.Input
) -> None:
    stub = pps_pb2_grpc.APIStub(channel)
    for kind, expected in (("union", 2 * FILES), ("cross", FILES**2)):
        combined = pps_pb2.Input(**{kind: [input_, input_]})
        assert len(list(stub.CreateDatum(iter([start(combined, 100)])))) == expected
    union = pps_pb2.ListDatumRequest(input=pps_pb2.Input(union=[input_, input_]))
    assert len(list(stub.ListDatum(union))) == FILES  # what a job would do
