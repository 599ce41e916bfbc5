"""Streams of requests that are taken in ahead: whole, in order, never whole if they broke off."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest

from pachlocal.api import request_runs, service
from pachlocal.api.call_threads import CallThreads
from pachlocal.api.waiting_calls import WaitingCalls
from pachlocal.errors import CallerGoneError, InvalidArgumentError
from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

LONGEST_S = 60.0
MANY = 10_000


class Files:
    """Keeps what streams of CreateFileSet brought, and how they ended."""

    def __init__(self, each: Callable[[str], None]) -> None:
        self.ended: queue.SimpleQueue[tuple[list[str], type[Exception] | None]]
        self.ended = queue.SimpleQueue()
        self.begun = threading.Event()
        self._each = each

    def create_file_set(
        self, requests: Iterator[pfs_pb2.ModifyFileRequest], context: service.Context
    ) -> pfs_pb2.CreateFileSetResponse:
        self.begun.set()
        paths: list[str] = []
        try:
            for request in requests:
                paths.append(request.add_file.path)
                self._each(paths[-1])
        except Exception as error:
            self.ended.put((paths, type(error)))
            raise
        self.ended.put((paths, None))
        return pfs_pb2.CreateFileSetResponse(file_set_id=str(len(paths)))


@contextmanager
def serving(
    each: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple[pfs_pb2_grpc.APIStub, Files]]:
    """Serve streams; at the end no call is left."""
    streams = CallThreads(4, "streams")
    files = Files(each)
    described = pfs_pb2.DESCRIPTOR.services_by_name["API"]
    capacity = service.Capacity(streams, WaitingCalls(streams))
    server = grpc.server(CallThreads(4, "calls"))
    server.add_generic_rpc_handlers([service.handlers([(described, files)], capacity)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield pfs_pb2_grpc.APIStub(channel), files
    assert server.stop(LONGEST_S).wait(LONGEST_S / 2)
    streams.shutdown()


def added(number: int, padding: int = 0) -> Iterator[pfs_pb2.ModifyFileRequest]:
    for index in range(number):
        request = pfs_pb2.ModifyFileRequest()
        request.add_file.path = f"/{index}"
        request.add_file.raw.value = b"x" * padding
        yield request


def paths(number: int) -> list[str]:
    return [f"/{index}" for index in range(number)]


def test_grpc_has_what_it_needs() -> None:
    assert request_runs.IS_AVAILABLE, "without it a stream of small files takes twice the time"


def test_a_grpc_that_lacks_it_hands_over_one_by_one() -> None:
    requests = added(3)
    assert request_runs.taken_ahead(requests) is requests


@pytest.mark.parametrize(
    ("number", "padding"),
    [(0, 0), (1, 0), (2, 0), (127, 0), (128, 0), (129, 0), (MANY, 0), (300, 300), (50, 200_000)],
)
def test_all_messages_come_in_order(number: int, padding: int) -> None:
    with serving() as (stub, files):
        answer = stub.CreateFileSet(added(number, padding), timeout=LONGEST_S)
        assert answer.file_set_id == str(number)
        assert files.ended.get(timeout=LONGEST_S) == (paths(number), None)


@pytest.mark.parametrize("number", [1, 128, 1000])
def test_what_has_come_does_not_wait_for_what_does_not_come(number: int) -> None:
    come = threading.Event()

    def requests() -> Iterator[pfs_pb2.ModifyFileRequest]:
        yield from added(number)
        assert come.wait(LONGEST_S)
        come.clear()
        yield from added(number)
        assert come.wait(LONGEST_S)

    def each(path: str) -> None:
        if path == paths(number)[-1]:
            come.set()

    with serving(each) as (stub, files):
        assert stub.CreateFileSet(requests(), timeout=LONGEST_S).file_set_id == str(2 * number)
        assert files.ended.get(timeout=LONGEST_S) == (2 * paths(number), None)


@pytest.mark.parametrize("number", [0, 1, 128, 1000])
def test_a_stream_that_breaks_off_does_not_look_whole(number: int) -> None:
    come, over = threading.Event(), threading.Event()

    def requests() -> Iterator[pfs_pb2.ModifyFileRequest]:
        yield from added(number)
        over.wait(LONGEST_S)

    with serving(lambda path: come.set() if path == f"/{number - 1}" else None) as (stub, files):
        call = stub.CreateFileSet.future(requests(), timeout=LONGEST_S)
        assert files.begun.wait(LONGEST_S)
        assert not number or come.wait(LONGEST_S)
        call.cancel()
        over.set()
        brought, error = files.ended.get(timeout=LONGEST_S)
        assert brought == paths(number)
        assert error in (CallerGoneError, grpc.RpcError)


def test_who_refuses_a_message_reads_no_more() -> None:
    def refuse(path: str) -> None:
        if path == "/200":
            raise InvalidArgumentError("not this one")

    with serving(refuse) as (stub, _):
        with pytest.raises(grpc.RpcError) as refused:
            stub.CreateFileSet(added(MANY), timeout=LONGEST_S)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert refused.value.details() == "not this one"
        assert stub.CreateFileSet(added(1), timeout=LONGEST_S).file_set_id == "1"


def test_a_client_that_sends_nothing_holds_up_nobody() -> None:
    over = threading.Event()

    def requests() -> Iterator[pfs_pb2.ModifyFileRequest]:
        over.wait(LONGEST_S)
        yield from added(2)

    with serving() as (stub, _):
        idle = stub.CreateFileSet.future(requests(), timeout=LONGEST_S)
        assert stub.CreateFileSet(added(MANY), timeout=LONGEST_S).file_set_id == str(MANY)
        over.set()
        assert idle.result(LONGEST_S).file_set_id == "2"
