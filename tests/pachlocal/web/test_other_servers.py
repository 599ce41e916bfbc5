"""The front before another server than pachlocal: what that one doesn't know is left out."""

from __future__ import annotations

import base64
import json
import queue
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from programs import Program
from walkthrough.machine import Daemon

from .conftest import Front

SENTENCE = "could not make effective spec"


class Cluster(grpc.GenericRpcHandler):
    """Says of a spec what is wrong with it, as pachd does; others wait, or are unknown.

    Attributes:
        begun: The calls that wait.
        ended: Those whose clients have gone.
    """

    def __init__(self) -> None:
        self.begun: queue.Queue[str] = queue.Queue()
        self.ended: queue.Queue[str] = queue.Queue()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        name = handler_call_details.method
        if name == "/pps_v2.API/CreatePipelineV2":
            return grpc.unary_unary_rpc_method_handler(self._refuse)
        if name == "/pfs_v2.API/InspectCommit":
            return grpc.unary_unary_rpc_method_handler(partial(self._wait, name))
        if name == "/pfs_v2.API/SubscribeCommit":
            return grpc.unary_stream_rpc_method_handler(partial(self._wait, name))
        if name == "/pfs_v2.API/ModifyFile":
            return grpc.stream_unary_rpc_method_handler(partial(self._wait, name))
        return None  # gRPC answers: Method not found!

    def _wait(self, name: str, _: Any, context: grpc.ServicerContext) -> Any:
        gone = threading.Event()
        assert context.add_callback(gone.set)
        self.begun.put(name)
        gone.wait()
        self.ended.put(name)
        return iter(())

    def _refuse(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        violation = error_details_pb2.BadRequest.FieldViolation(field="input", description="none")
        details = [AnyMessage(), AnyMessage(type_url="type.googleapis.com/none.Of.Ours")]
        details[0].Pack(error_details_pb2.BadRequest(field_violations=[violation]))
        status = status_pb2.Status(code=3, message=SENTENCE, details=details)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, SENTENCE)


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Front]:
    daemon = Daemon(tmp_path_factory.mktemp("other") / "store")  # is never started
    daemon.root.mkdir()
    server = grpc.server(ThreadPoolExecutor(4), [cluster])
    address = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    # A context may hold all authorities that a machine trusts.
    authorities = base64.b64encode(b"\n" * 200_000).decode()
    contexts = {"any": {"pachd_address": address, "server_cas": authorities}}
    config = daemon.root / "config.json"
    config.write_text(json.dumps({"v2": {"active_context": "any", "contexts": contexts}}))
    daemon.env["PACH_CONFIG"] = str(config)
    server.start()
    command = ["pachlocal", "console", "--address", address, "--listen", "127.0.0.1:0"]
    with Program(command, env=daemon.env, stdout=subprocess.PIPE, text=True) as shown:
        assert shown.stdout is not None
        link = shown.stdout.readline().split()[-1]
        note = json.dumps({"pid": shown.pid, "link": link})
        daemon.root.joinpath("console.json").write_text(note)
        yield Front(daemon)
        shown.terminate()
    server.stop(None)


def test_details_of_an_error_are_passed_on(front: Front) -> None:
    answer = front.call("pps_v2.API/CreatePipelineV2", {"createPipelineRequestJson": "{}"})
    assert answer.status == 400
    violation = {"field": "input", "description": "none", "reason": "", "localizedMessage": None}
    assert answer.json == {
        "code": 3,
        "message": SENTENCE,
        "details": [
            {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
        ],
    }


@pytest.mark.parametrize(
    ("call", "status", "message"),
    [
        ("pachlocal.v1.Local/SubscribeChanges", 501, "Method not found!"),
        ("pachlocal.v1.Local/InspectCode", 501, "Method not found!"),
        ("pfs_v2.API/NewerThanUs", 404, "Not Found"),
        ("snapshot.API/ListSnapshot", 404, "Not Found"),
    ],
)
def test_what_it_doesnt_know_is_answered_in_a_sentence(
    front: Front, call: str, status: int, message: str
) -> None:
    answer = front.call(call)
    assert answer.status == status
    said = answer.json.get("error", answer.json)
    assert said["message"] == message
    assert said["code"] == {501: 12, 404: 5}[status]


@pytest.mark.parametrize(
    ("request_line", "body", "call"),
    [
        ("POST /api/pfs_v2.API/SubscribeCommit", "{}", "SubscribeCommit"),
        ("POST /api/pfs_v2.API/InspectCommit", '{"wait": "FINISHED"}', "InspectCommit"),
        ("POST /api/pfs_v2.API/ModifyFile", '{"deleteFile": {}}', "ModifyFile"),
        ("GET /pfs/default/data/master/file", "", "InspectCommit"),
    ],
)
def test_a_call_ends_when_its_client_goes_before_the_answer(
    front: Front, cluster: Cluster, request_line: str, body: str, call: str
) -> None:
    with socket.create_connection((front.host, front.port)) as client:
        own = f"Host: {front.host}:{front.port}\r\nAuthorization: Bearer {front.token}\r\n"
        length = f"Content-Length: {len(body)}\r\n\r\n"
        client.sendall(f"{request_line} HTTP/1.1\r\n{own}{length}{body}".encode())
        assert cluster.begun.get(timeout=30) == f"/pfs_v2.API/{call}"
    assert cluster.ended.get(timeout=30) == f"/pfs_v2.API/{call}"
