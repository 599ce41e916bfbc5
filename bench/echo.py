"""gRPC alone: a server in a process of its own that takes and gives messages and does no more."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from google.protobuf.empty_pb2 import Empty

from pachlocal.api import GRPC_EXPERIMENTS
from pachlocal.proto import pfs_pb2

_PFS = pfs_pb2.DESCRIPTOR.services_by_name["API"].full_name


@dataclass(frozen=True, slots=True)
class Echo:
    """Calls of a server that does nothing.

    Attributes:
        address: Where it is, for clients that make calls of their own: ModifyFile is served.
        modify_file: Counts the messages of a stream.
        list_file: Streams its argument back, as long as that is: the first of it, many times.
    """

    address: str
    modify_file: Callable[[Iterator[pfs_pb2.ModifyFileRequest]], Empty]
    list_file: Callable[[list[pfs_pb2.FileInfo]], Iterable[pfs_pb2.FileInfo]]


@contextmanager
def echo(*, polling_as_ours: bool = False) -> Iterator[Echo]:
    """Start a server: as gRPC comes, or with the polling that pachlocal sets; stop it."""
    env = {**os.environ, **GRPC_EXPERIMENTS} if polling_as_ours else None
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as server:
        if server.stdout is None:
            raise AssertionError("Popen made no pipe")
        address = f"127.0.0.1:{int(server.stdout.readline())}"
        with grpc.insecure_channel(address) as channel:
            modify = channel.stream_unary(
                f"/{_PFS}/ModifyFile", pfs_pb2.ModifyFileRequest.SerializeToString, Empty.FromString
            )
            listed = channel.stream_stream(
                "/bench/list", pfs_pb2.FileInfo.SerializeToString, pfs_pb2.FileInfo.FromString
            )

            def list_file(infos: list[pfs_pb2.FileInfo]) -> Iterable[pfs_pb2.FileInfo]:
                return listed(iter(infos[:1]), metadata=[("number", str(len(infos)))])

            yield Echo(address, modify, list_file)
        server.terminate()


def _serve() -> None:
    def put(requests, context):  # type: ignore[no-untyped-def]
        for _ in requests:
            pass
        return Empty()

    def list_(requests, context):  # type: ignore[no-untyped-def]
        info = next(requests)
        number = int(dict(context.invocation_metadata())["number"])
        for _ in range(number):
            yield info

    server = grpc.server(futures.ThreadPoolExecutor(2))
    modifying = {
        "ModifyFile": grpc.stream_unary_rpc_method_handler(
            put, pfs_pb2.ModifyFileRequest.FromString, Empty.SerializeToString
        )
    }
    listing = {
        "list": grpc.stream_stream_rpc_method_handler(
            list_, pfs_pb2.FileInfo.FromString, pfs_pb2.FileInfo.SerializeToString
        )
    }
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(_PFS, modifying),
            grpc.method_handlers_generic_handler("bench", listing),
        ]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    _serve()
