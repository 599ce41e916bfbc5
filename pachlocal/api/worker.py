"""The service pachyderm.worker.Worker: what a program in a worker asks for its datums.

A program knows its worker by nothing but the port, so each has a server of its own, while it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from pachlocal.api import service
from pachlocal.api.service import Context
from pachlocal.cores import one_core
from pachlocal.pps.batching import Desk
from pachlocal.proto import worker_pb2

_ADDRESS = "127.0.0.1:0"
_THREADS = 4  # a program asks for one datum at a time


class WorkerDoor:
    """Brings a program's calls to a desk by gRPC."""

    @contextmanager
    def open(self, desk: Desk) -> Iterator[int]:
        """Serve a desk at a free port of this machine; see `pachlocal.pps.batching.Door`."""
        descriptor = worker_pb2.DESCRIPTOR.services_by_name["Worker"]
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="worker api") as pool:
            server = grpc.server(pool, options=(("grpc.so_reuseport", 0),))
            server.add_generic_rpc_handlers([service.handlers(descriptor, WorkerApi(desk))])
            port = server.add_insecure_port(_ADDRESS)
            with one_core():
                server.start()  # the thread that starts those of the pool
            try:
                yield port
            finally:
                server.stop(None).wait()


class WorkerApi:
    """pachyderm.worker.Worker."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def next_datum(
        self, request: worker_pb2.NextDatumRequest, context: Context
    ) -> worker_pb2.NextDatumResponse:
        """Say how the datum before went, and wait for the next one."""
        return worker_pb2.NextDatumResponse(
            env=self._desk.next_datum(request.error, _GrpcCaller(context))
        )


class _GrpcCaller:
    """A call that waits."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def is_there(self) -> bool:
        return bool(self._context.is_active())

    def when_gone(self, tell: Callable[[], None]) -> None:
        self._context.add_callback(tell)
