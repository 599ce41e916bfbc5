"""Another user of this machine: stranger.py UID TASK ARGUMENT…; prints what comes of it as JSON.

Everything is loaded before the user is changed: that one may not be able to read the checkout.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from pachlocal.api.server import services
from pachlocal.proto import enterprise_pb2, enterprise_pb2_grpc, worker_pb2
from tests.programs import Program

ROOT = Path(__file__).parents[4]
UID = 4321  # nobody's
_TIMEOUT_S = 30.0


def stranger(task: str, *arguments: str, uid: int = UID) -> Any:
    """Do one of the tasks below as another user; return what it returns."""
    with _started(uid, task, *arguments) as process:
        out, _ = process.communicate(timeout=_TIMEOUT_S)
    assert process.returncode == 0
    return json.loads(out)


@contextmanager
def relaying(port: int, target: str, uid: int) -> Iterator[str]:
    """Have another user pass on one connection, from a port of its own; yield where it listens."""
    with _started(uid, "relay", str(port), target) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.kill()


@contextmanager
def _started(uid: int, *words: str) -> Iterator[subprocess.Popen[str]]:
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    command = [sys.executable, "-m", "tests.pachlocal.api.access.stranger", str(uid), *words]
    with Program(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        yield process


def every_call(address: str) -> dict[str, str]:
    """Make all calls that a server knows, with empty messages; return how each ended."""
    known = [which for which, _ in services(MagicMock(), MagicMock(), MagicMock())]
    known += [
        health_pb2.DESCRIPTOR.services_by_name["Health"],
        reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
    ]
    with grpc.insecure_channel(address) as channel:
        return {
            method.full_name: _call(channel, method)
            for service in known
            for method in service.methods
        }


def ask_all(*addresses: str) -> list[str]:
    """Ask for something at addresses, `TOKEN@HOST:PORT`; return what came of it each time."""
    results = []
    for address in addresses:
        token, _, place = address.rpartition("@")
        with grpc.insecure_channel(place) as channel:
            results.append(ask(channel, token))
    return results


def next_datum(address: str) -> str:
    """Ask a worker for a datum; return what came of it."""
    with grpc.insecure_channel(address) as channel:
        return _call(channel, worker_pb2.DESCRIPTOR.services_by_name["Worker"].methods[0])


def connect(path: str) -> str:
    """Connect to a Unix socket; return what came of it."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError as error:
            return type(error).__name__
    return "OK"


def relay(port: str, target: str) -> None:
    """Pass on one connection, from a port; the end of the process resets it."""
    host, _, target_port = target.rpartition(":")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(json.dumps(f"127.0.0.1:{listener.getsockname()[1]}"), flush=True)
        client, _ = listener.accept()
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # no FIN, but RST
    server.bind(("127.0.0.1", int(port)))
    server.connect((host, int(target_port)))
    threading.Thread(target=_pump, args=(server, client), daemon=True).start()
    _pump(client, server)


def _pump(source: socket.socket, target: socket.socket) -> None:
    while piece := source.recv(1 << 16):
        target.sendall(piece)


def ask(channel: grpc.Channel, token: str = "") -> str:
    """Make a call that does nothing; return OK, or the code and what it says."""
    metadata = [("authn-token", token)] if token else []
    try:
        enterprise_pb2_grpc.APIStub(channel).GetState(
            enterprise_pb2.GetStateRequest(), timeout=_TIMEOUT_S, metadata=metadata
        )
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"
    return "OK"


def _call(channel: grpc.Channel, method: MethodDescriptor) -> str:
    kinds = ("unary", "stream")
    kind = f"{kinds[method.client_streaming]}_{kinds[method.server_streaming]}"
    request = GetMessageClass(method.input_type)()
    make = getattr(channel, kind)(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    try:
        answer = make(iter([request]) if method.client_streaming else request, timeout=_TIMEOUT_S)
        if method.server_streaming:
            next(answer, None)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


if __name__ == "__main__":
    _, _uid, _task, *_arguments = sys.argv
    os.setgroups([])
    os.setresgid(int(_uid), int(_uid), int(_uid))
    os.setresuid(int(_uid), int(_uid), int(_uid))
    print(json.dumps(globals()[_task](*_arguments)))
