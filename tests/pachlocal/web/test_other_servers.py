"""The front before another server than pachlocal: what that one doesn't know is left out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
    """Says of a spec what is wrong with it, as pachd does, and knows no other call."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        if handler_call_details.method != "/pps_v2.API/CreatePipelineV2":
            return None  # gRPC answers: Method not found!
        return grpc.unary_unary_rpc_method_handler(self._refuse)

    def _refuse(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        violation = error_details_pb2.BadRequest.FieldViolation(field="input", description="none")
        details = [AnyMessage(), AnyMessage(type_url="type.googleapis.com/none.Of.Ours")]
        details[0].Pack(error_details_pb2.BadRequest(field_violations=[violation]))
        status = status_pb2.Status(code=3, message=SENTENCE, details=details)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, SENTENCE)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    daemon = Daemon(tmp_path_factory.mktemp("other") / "store")  # is never started
    daemon.root.mkdir()
    server = grpc.server(ThreadPoolExecutor(4), [Cluster()])
    address = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
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
