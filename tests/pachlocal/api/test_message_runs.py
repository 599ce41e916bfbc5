"""Streams that are sent in runs: whole, in order, and no longer than their client reads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias
from unittest.mock import create_autospec

import grpc
import pytest

from pachlocal.api import message_runs, service
from pachlocal.api.call_threads import CallThreads
from pachlocal.api.message_runs import sends_runs
from pachlocal.api.waiting_calls import WaitingCalls
from pachlocal.errors import DamagedStoreError
from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

LONGEST_S = 60.0
MANY = 10_000
REQUEST = pfs_pb2.WalkFileRequest()
Source: TypeAlias = Callable[[], Iterator[pfs_pb2.FileInfo]]
Serving: TypeAlias = Callable[[Source], AbstractContextManager[pfs_pb2_grpc.APIStub]]


class Files:
    """Answers WalkFile from a source."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @sends_runs
    def walk_file(
        self, request: pfs_pb2.WalkFileRequest, context: service.Context
    ) -> Iterator[pfs_pb2.FileInfo]:
        return self._source()


@contextmanager
def serving(source: Source) -> Iterator[pfs_pb2_grpc.APIStub]:
    """Serve a source; at the end no call is left."""
    streams = CallThreads(4, "streams")
    described = pfs_pb2.DESCRIPTOR.services_by_name["API"]
    capacity = service.Capacity(streams, WaitingCalls(streams))
    server = grpc.server(CallThreads(4, "calls"))
    server.add_generic_rpc_handlers([service.handlers([(described, Files(source))], capacity)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield pfs_pb2_grpc.APIStub(channel)
    assert server.stop(LONGEST_S).wait(LONGEST_S / 2)
    streams.shutdown()


def infos(number: int, padding: int = 0) -> Iterator[pfs_pb2.FileInfo]:
    for index in range(number):
        path = f"/{index:06d}{'x' * padding}"
        yield pfs_pb2.FileInfo(file=pfs_pb2.File(path=path), size_bytes=index)


def walked(stub: pfs_pb2_grpc.APIStub) -> list[int]:
    return [info.size_bytes for info in stub.WalkFile(REQUEST, timeout=LONGEST_S)]


def test_grpc_has_what_it_needs() -> None:
    assert message_runs.IS_AVAILABLE, "without it a listing takes five times as long"


def test_a_grpc_that_lacks_it_sends_one_by_one() -> None:
    context = create_autospec(grpc.ServicerContext, instance=True)
    sent: list[pfs_pb2.FileInfo | None] = []
    message_runs.send_all(infos(300), context, sent.append)
    assert sent == [*infos(300), None]


@pytest.mark.parametrize("number", [0, 1, 2, 128, 129, 130, 257, MANY])
def test_all_messages_come_in_order(number: int) -> None:
    with serving(lambda: infos(number)) as stub:
        assert walked(stub) == list(range(number))


@pytest.mark.parametrize("padding", [300, 20_000, 200_000])
def test_large_messages_come_too(padding: int) -> None:
    with serving(lambda: infos(300, padding)) as stub:
        assert walked(stub) == list(range(300))


@pytest.mark.parametrize("number", [1, 2, 50, 200])
def test_what_comes_before_an_error_is_sent(number: int) -> None:
    def breaking() -> Iterator[pfs_pb2.FileInfo]:
        yield from infos(number)
        raise DamagedStoreError("a node is damaged")

    with serving(breaking) as stub:
        call = stub.WalkFile(REQUEST, timeout=LONGEST_S)
        assert [next(call).size_bytes for _ in range(number)] == list(range(number))
        with pytest.raises(grpc.RpcError) as refused:
            next(call)
    assert refused.value.code() == grpc.StatusCode.DATA_LOSS
    assert refused.value.details() == "a node is damaged"


def test_an_error_before_all_messages_is_told() -> None:
    def breaking() -> Iterator[pfs_pb2.FileInfo]:
        raise DamagedStoreError("a node is damaged")
        yield

    with serving(breaking) as stub, pytest.raises(grpc.RpcError) as refused:
        walked(stub)
    assert refused.value.code() == grpc.StatusCode.DATA_LOSS


def test_the_first_message_waits_for_no_other() -> None:
    go = threading.Event()

    def slow() -> Iterator[pfs_pb2.FileInfo]:
        yield from infos(1)
        go.wait(LONGEST_S)
        yield from infos(2)

    with serving(slow) as stub:
        call: Any = stub.WalkFile(REQUEST, timeout=LONGEST_S)
        assert next(call).size_bytes == 0
        go.set()
        assert [info.size_bytes for info in call] == [0, 1]


@pytest.mark.parametrize("padding", [0, 2000])
def test_a_client_that_goes_ends_the_listing(padding: int) -> None:
    over = threading.Event()

    def endless() -> Iterator[pfs_pb2.FileInfo]:
        try:
            while True:
                yield from infos(MANY, padding)
        finally:
            over.set()

    with serving(endless) as stub:
        for read in (1, 100, 1000):
            over.clear()
            call: Any = stub.WalkFile(REQUEST, timeout=LONGEST_S)
            for _ in range(read):
                next(call)
            call.cancel()
            assert over.wait(LONGEST_S)


def test_a_client_that_does_not_read_holds_up_nobody() -> None:
    with serving(lambda: infos(MANY, 2000)) as stub:
        call: Any = stub.WalkFile(REQUEST, timeout=LONGEST_S)
        assert next(call).size_bytes == 0
        assert walked(stub) == list(range(MANY))
        assert [info.size_bytes for info in call] == list(range(1, MANY))
