"""POST /api: the calls of gRPC as JSON, in the form of grpc-gateway v2."""

from __future__ import annotations

import base64
import json
import socket

import pytest

from .conftest import Front

REPO = {"name": "data", "type": "user", "project": {"name": "default"}}
MASTER = {"branch": {"name": "master", "repo": REPO}, "repo": REPO}


@pytest.fixture(scope="module", autouse=True)
def data(front: Front) -> None:
    assert front.call("pfs_v2.API/CreateRepo", {"repo": REPO}).json == {}
    changes = [
        {"setCommit": MASTER},
        {"addFile": {"path": "/a", "raw": base64.b64encode(b"one").decode()}},
        {"addFile": {"path": "/dir/b", "raw": base64.b64encode(b"two\n").decode()}},
    ]
    body = "\n".join(map(json.dumps, changes)).encode()
    answer = front.ask("POST", "/api/pfs_v2.API/ModifyFile", body)
    assert (answer.status, answer.json) == (200, {})


def test_an_answer_has_every_field_in_camel_case(front: Front) -> None:
    answer = front.call("pfs_v2.API/InspectRepo", {"repo": REPO})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    found = answer.json
    assert found["sizeBytesUpperBound"] == "7"  # 64 bits are text
    assert found["description"] == ""
    assert found["repo"] == REPO
    assert found["metadata"] == {}
    assert "authInfo" not in found or found["authInfo"] is None


def test_what_is_unset_is_empty_or_null(front: Front) -> None:
    found = front.call("pfs_v2.API/InspectCommit", {"commit": MASTER}).json
    assert found["error"] == ""
    assert found["childCommits"] == []
    assert found["parentCommit"] is None
    assert found["origin"] == {"kind": "USER"}
    assert found["finished"].endswith("Z")


def test_members_of_a_oneof_that_are_unset_are_left_out(front: Front) -> None:
    assert front.call("pfs_v2.API/CreateProject", {"project": {"name": "p"}}).status == 200
    spec = {
        "pipeline": {"name": "copy", "project": {"name": "p"}},
        "input": {"pfs": {"repo": "data", "project": "default", "glob": "/*"}},
        "transform": {"cmd": ["true"], "image": "i"},
    }
    body = {"createPipelineRequestJson": json.dumps(spec)}
    assert front.call("pps_v2.API/CreatePipelineV2", body).status == 200
    pipeline = {"pipeline": spec["pipeline"], "details": True}
    found = front.call("pps_v2.API/InspectPipeline", pipeline).json
    assert found["details"]["input"]["pfs"]["glob"] == "/*"
    assert found["details"]["input"]["cron"] is None
    assert found["state"].startswith("PIPELINE_")
    assert front.call("pps_v2.API/DeletePipeline", {"pipeline": spec["pipeline"]}).status == 200


def test_unknown_fields_are_dropped_and_both_spellings_read(front: Front) -> None:
    for body in ({"repo": REPO, "no": {"such": 1}}, {"repo": {**REPO, "colour": "red"}}):
        assert front.call("pfs_v2.API/InspectRepo", body).status == 200
    body = {"create_pipeline_request_json": "{}"}
    assert front.call("pps_v2.API/CreatePipelineV2", body).json["code"] == 3


def test_a_stream_is_lines_of_results(front: Front) -> None:
    answer = front.call("pfs_v2.API/ListFile", {"file": {"commit": MASTER, "path": "/"}})
    assert [line["result"]["file"]["path"] for line in answer.lines] == ["/a", "/dir/"]
    assert {line["result"]["fileType"] for line in answer.lines} == {"FILE", "DIR"}
    answer = front.call("pfs_v2.API/GetFile", {"file": {"commit": MASTER, "path": "/dir/b"}})
    content = b"".join(base64.b64decode(line["result"]) for line in answer.lines)
    assert content == b"two\n"


def test_a_stream_without_results_is_empty(front: Front) -> None:
    assert front.call("pfs_v2.API/ListBranch", {"repo": {**REPO, "name": "data"}}).lines
    answer = front.call("pps_v2.API/ListPipeline")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    ("call", "body", "status", "code", "text"),
    [
        ("pfs_v2.API/InspectRepo", {"repo": {"name": "no"}}, 404, 5, "repo default/no not found"),
        ("pfs_v2.API/CreateRepo", {"repo": REPO}, 409, 6, "already exists"),
        ("pfs_v2.API/CreateRepo", {"repo": {"name": "a b"}}, 400, 3, "a b"),
        ("pfs_v2.API/InspectRepo", b"{", 400, 3, ""),
        ("pfs_v2.API/InspectRepo", b"\xff", 400, 3, "UTF-8"),
        ("pfs_v2.API/InspectRepo", b'{"repo": 1}', 400, 3, "repo"),
        ("pfs_v2.API/InspectRepo", b"[" * 100_000, 400, 3, ""),
        ("pfs_v2.API/InspectRepo", b"null", 400, 3, "a JSON object is needed"),
        ("pfs_v2.API/ListRepo", b"[]", 400, 3, "a JSON object is needed"),
        ("pfs_v2.API/ListRepo", b'""', 400, 3, "a JSON object is needed"),
        ("pfs_v2.API/ListRepo", b'{"type": "a", "type": "b"}', 400, 3, '"type" stands twice'),
        ("pps_v2.API/CreateSecret", {"file": "a secret!"}, 400, 3, "file: not base64"),
        ("pfs_v2.API/ModifyFile", {"addFile": {"path": "/", "raw": "a b="}}, 400, 3, "not base64"),
        ("auth_v2.API/WhoAmI", {}, 501, 12, "the auth service is not activated"),
        ("pfs_v2.API/Nothing", {}, 501, 12, ""),
    ],
)
def test_a_refusal_has_code_and_message(
    front: Front, call: str, body: object, status: int, code: int, text: str
) -> None:
    answer = front.call(call, body)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert (answer.json["code"], answer.json["details"]) == (code, [])
    assert text in answer.json["message"]


def test_a_stream_that_fails_at_once_says_so_in_its_status(front: Front) -> None:
    answer = front.call("pfs_v2.API/ListBranch", {"repo": {"name": "none"}})
    assert answer.status == 404
    assert answer.json["error"]["code"] == 5


def test_a_stream_that_fails_in_the_middle_ends_with_an_error(front: Front) -> None:
    repo = {**REPO, "name": "waited"}
    assert front.call("pfs_v2.API/CreateRepo", {"repo": repo}).status == 200
    front.ask("PUT", "/pfs/default/waited/master/a", b"x")
    request = {"repo": repo, "branch": "master", "state": "STARTED"}
    connection = front.connect()
    headers = {"Authorization": f"Bearer {front.token}", "Grpc-Timeout": "700m"}
    connection.request("POST", "/api/pfs_v2.API/SubscribeCommit", json.dumps(request), headers)
    answer = connection.getresponse()
    lines = answer.read().decode().splitlines()
    assert answer.status == 200
    assert "result" in json.loads(lines[0])
    assert json.loads(lines[-1])["error"]["code"] == 4  # DEADLINE_EXCEEDED
    connection.close()


def test_a_clients_stream_that_breaks_off_changes_nothing(front: Front) -> None:
    head = front.call("pfs_v2.API/InspectCommit", {"commit": MASTER}).json["commit"]["id"]
    body = json.dumps({"setCommit": MASTER}) + '\n{"addFile": {"path": "/half", "raw": "eA=='
    answer = front.ask("POST", "/api/pfs_v2.API/ModifyFile", body.encode())
    assert (answer.status, answer.json["code"]) == (400, 3)
    with socket.create_connection((front.host, front.port)) as client:
        client.sendall(
            f"POST /api/pfs_v2.API/ModifyFile HTTP/1.1\r\nHost: {front.host}:{front.port}\r\n"
            f"Authorization: Bearer {front.token}\r\nContent-Length: 5000\r\n\r\n{body}".encode()
        )
    found = front.call("pfs_v2.API/InspectCommit", {"commit": MASTER}).json["commit"]["id"]
    assert found == head


def test_a_timeout_may_be_longer_than_anybody_lives(front: Front) -> None:
    headers = {"Grpc-Timeout": "99999999H"}
    assert front.call("pfs_v2.API/InspectRepo", {"repo": REPO}, **headers).status == 200


def test_values_needn_t_stand_in_lines(front: Front) -> None:
    body = json.dumps({"setCommit": MASTER}, indent=2) + json.dumps(
        {"addFile": {"path": "/c", "raw": ""}}, indent=1
    )
    answer = front.ask("POST", "/api/pfs_v2.API/ModifyFile", body.encode())
    assert (answer.status, answer.text) == (200, "{}")


def test_headers_become_metadata(front: Front) -> None:
    started = front.call("transaction_v2.API/StartTransaction").json
    repo = {**REPO, "name": "later"}
    body = {"repo": repo}
    answer = front.call("pfs_v2.API/CreateRepo", body, **{"pach-transaction": started["id"]})
    assert answer.status == 200
    assert front.call("pfs_v2.API/InspectRepo", body).status == 404
    finish = {"transaction": started}
    assert front.call("transaction_v2.API/FinishTransaction", finish).status == 200
    assert front.call("pfs_v2.API/InspectRepo", body).status == 200


def test_other_methods_and_paths_have_the_gateways_answers(front: Front) -> None:
    answer = front.ask("GET", "/api/pfs_v2.API/ListRepo")
    assert (answer.status, answer.json["message"]) == (501, "Method Not Allowed")
    answer = front.ask("POST", "/api/nothing")
    assert (answer.status, answer.json["message"]) == (404, "Not Found")
    assert front.ask("GET", "/healthz", known=False).text == "healthy\n"


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("default/none/1/2.tar.gz", 404, "not found"),
        ("default/none/1/2.zip", 404, "only .tar.gz is a capsule"),
    ],
)
def test_a_capsule_that_cant_be_packed_says_why(
    front: Front, path: str, status: int, text: str
) -> None:
    answer = front.ask("GET", f"/capsule/{path}")
    assert answer.status == status
    assert text in answer.text


def test_requests_have_schemas(front: Front) -> None:
    found = front.ask("GET", "/jsonschema/pps_v2/CreatePipelineRequest.schema.json").json
    top = found["definitions"]["CreatePipelineRequest"]["properties"]
    assert found["$ref"] == "#/definitions/CreatePipelineRequest"
    assert top["transform"]["$ref"] == "#/definitions/pps_v2.Transform"
    assert top["datumTries"] == {"type": "integer"}
    assert front.ask("GET", "/jsonschema/pps_v2/No.schema.json").status == 404
