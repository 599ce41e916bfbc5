"""A server for tests of the client: it answers what it is told to, and keeps what it was asked."""

import io
import tarfile
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
from google.protobuf import empty_pb2, wrappers_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pachlocal import local_socket
from pachlocal.proto import (
    admin_pb2,
    admin_pb2_grpc,
    local_pb2,
    local_pb2_grpc,
    pfs_pb2,
    pfs_pb2_grpc,
    pps_pb2,
    pps_pb2_grpc,
    transaction_pb2,
    transaction_pb2_grpc,
    version_pb2,
    version_pb2_grpc,
)


class FakeServer:
    """Answers calls with what a test has put into `answers`, and keeps the requests.

    An answer is a message, a list of messages for a stream, an RPC status as (code, text), or a
    function of the request. Files are kept: what is put can be read.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.answers: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self.metadata: list[tuple[str, Any]] = []  # of the last call
        self.offers_local = False  # pachlocal.v1.Local, which a cluster doesn't have
        self.batches: list[int] = []  # how many requests were in each
        self.address = ""
        self.socket: Path | None = None

    def last(self, method: str) -> Any:
        return [request for name, request in self.requests if name == method][-1]

    def called(self) -> list[str]:
        return [name for name, _ in self.requests]

    def answer(self, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append((method, request))
        self.metadata = [tuple(pair) for pair in context.invocation_metadata()]
        answer = self.answers.get(method)
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, tuple):
            context.abort(*answer)
        return answer

    def check_health(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append(("Check", request))
        if not self.offers_local or request.service != "pachlocal.v1.Local":
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    def modify_files(self, batches: Iterator[Any], context: grpc.ServicerContext) -> Any:
        def each() -> Iterator[Any]:
            for batch in batches:
                self.batches.append(len(batch.requests))
                yield from batch.requests

        return self.modify_file(each(), context)

    def modify_file(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        received = []
        files = dict(self.files)
        for request in requests:  # raises when the stream is broken off
            received.append(request)
            if request.HasField("delete_file"):
                files.pop(_absolute(request.delete_file.path), None)
            elif request.HasField("add_file"):
                path = _absolute(request.add_file.path)
                files[path] = files.get(path, b"") + request.add_file.raw.value
        self.files = files
        return self.answer("ModifyFile", received, context) or empty_pb2.Empty()

    def get_file(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self.answer("GetFile", request, context)
        content = self.files.get(_absolute(request.file.path))
        if content is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"file {request.file.path} not found")
            return
        for start in range(0, len(content), 3):
            yield wrappers_pb2.BytesValue(value=content[start : start + 3])

    def get_file_tar(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        made = self.answer("GetFileTAR", request, context)
        content = made or tar_of(self.files)
        for start in range(0, len(content), 1000):
            yield wrappers_pb2.BytesValue(value=content[start : start + 1000])


def _absolute(path: str) -> str:
    return "/" + path.lstrip("/")


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            entry.mode = 0
            if path.endswith("/"):
                entry.type = tarfile.DIRTYPE
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


_SERVICES = (
    (admin_pb2, admin_pb2_grpc),
    (pfs_pb2, pfs_pb2_grpc),
    (pps_pb2, pps_pb2_grpc),
    (transaction_pb2, transaction_pb2_grpc),
    (version_pb2, version_pb2_grpc),
)


def _servicer(fake: FakeServer, messages: Any) -> Any:
    special = {
        "ModifyFile": fake.modify_file,
        "GetFile": fake.get_file,
        "GetFileTAR": fake.get_file_tar,
    }
    methods = {}
    for method in messages.DESCRIPTOR.services_by_name["API"].methods:
        methods[method.name] = special.get(method.name) or _method(fake, method)
    return SimpleNamespace(**methods)


def _method(fake: FakeServer, method: Any) -> Any:
    empty = empty_pb2.Empty if method.output_type.name == "Empty" else None

    def unary(request: Any, context: grpc.ServicerContext) -> Any:
        answer = fake.answer(method.name, request, context)
        return answer if answer is not None else (empty or method.output_type._concrete_class)()

    def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield from fake.answer(method.name, request, context) or []

    return stream if method.server_streaming else unary


@contextmanager
def serve(*, has_socket: bool = False) -> Iterator[FakeServer]:
    """Serve what a test asks for.

    Args:
        has_socket: Whether its clients find a Unix socket, as that of their own daemon.
    """
    server = FakeServer()
    host = grpc.server(
        futures.ThreadPoolExecutor(4),
        options=[("grpc.max_receive_message_length", 20 << 20)],
    )
    local = {
        method.name: _method(server, method)
        for method in local_pb2.DESCRIPTOR.services_by_name["Local"].methods
    }
    local["ModifyFiles"] = server.modify_files
    local_pb2_grpc.add_LocalServicer_to_server(SimpleNamespace(**local), host)
    health = SimpleNamespace(Check=server.check_health, Watch=None, List=None)
    health_pb2_grpc.add_HealthServicer_to_server(health, host)
    for messages, stubs in _SERVICES:
        stubs.add_APIServicer_to_server(_servicer(server, messages), host)
    port = host.add_insecure_port("127.0.0.1:0")
    server.address = f"grpc://127.0.0.1:{port}"
    if has_socket:
        server.socket = local_socket.make_place("127.0.0.1", port)
        host.add_insecure_port(f"unix:{server.socket}")
    host.start()
    yield server
    host.stop(None).wait()
