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


def test_the_dialogue_begins_with_an_input(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as error:
        list(pps_pb2_grpc.APIStub(channel).CreateDatum(iter([go_on(1)])))
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
