"""The service pachyderm.worker.Worker: what a program in a worker asks for its datums.

A program knows its worker by nothing but the port, so each has a server of its own, while it runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from pachlocal.api import service
from pachlocal.api.access.connections import is_told, place
from pachlocal.api.access.gate import Gate
from pachlocal.api.access.peers import Peers
from pachlocal.api.service import Context
from pachlocal.bounded import run_bounded
from pachlocal.errors import InfrastructureError
from pachlocal.pps.worker.batching import DatumSource
from pachlocal.proto import worker_pb2
from pachlocal.runtime.contract import LOOPBACK
from pachlocal.thread_affinity import on_one_core

_CURE = "only the program of this worker gets its datums"
_STOP_LIMIT_S = 5.0  # gRPC may hang in it
_THREADS = 4  # a program asks for one datum at a time


class GrpcDatumServer:
    """Brings a program's calls to a datum source by gRPC."""

    @contextmanager
    def open(self, source: DatumSource, uid: int | None) -> Iterator[int]:
        """Serve a source at a free port; see `pachlocal.pps.worker.batching.DatumServer`."""
        # Clients send no token here.
        callers = None if uid is None or not is_told() else Peers({uid, os.geteuid()})
        gates: list[grpc.ServerInterceptor] = [Gate(callers, cure=_CURE)] if callers else []
        descriptor = worker_pb2.DESCRIPTOR.services_by_name["Worker"]
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="worker api")
        options = (("grpc.so_reuseport", 0),)
        server = grpc.server(pool, options=options, interceptors=gates)
        server.add_generic_rpc_handlers([service.handlers([(descriptor, WorkerApi(source))])])
        try:
            port = server.add_insecure_port(f"{LOOPBACK}:0")
        except RuntimeError as error:  # all that gRPC tells
            raise InfrastructureError("no port can be had for datum batching") from error
        if callers:
            callers.listen_at([place(LOOPBACK, port)])
        with on_one_core():
            server.start()  # the thread that starts those of the pool

        def stop() -> None:
            server.stop(None).wait()
            pool.shutdown()
            if callers:
                callers.close()

        try:
            yield port
        finally:
            run_bounded("the server of a worker's datums", stop, _STOP_LIMIT_S)


class WorkerApi:
    """pachyderm.worker.Worker."""

    def __init__(self, source: DatumSource) -> None:
        self._source = source

    def next_datum(
        self, request: worker_pb2.NextDatumRequest, context: Context
    ) -> worker_pb2.NextDatumResponse:
        """Say how the datum before went, and wait for the next one."""
        return worker_pb2.NextDatumResponse(
            env=self._source.next_datum(request.error, _GrpcCaller(context))
        )


class _GrpcCaller:
    """A call that waits."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def is_there(self) -> bool:
        return bool(self._context.is_active())

    def when_gone(self, tell: Callable[[], None]) -> None:
        self._context.add_callback(tell)
