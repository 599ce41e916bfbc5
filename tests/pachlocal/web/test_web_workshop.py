"""/workshop: what the page shows of the workshop, through HTTP."""

from __future__ import annotations

from walkthrough.machine import ROOT

from .conftest import Front


def test_steps_and_room_follow_each_project(front: Front) -> None:
    assert front.ask("GET", "/workshop/room").json == []
    for name in ("anna", "boris", "idle"):
        front.daemon.pachctl("create", "project", name)
        for repo in ("training", "attributes"):
            front.daemon.pachctl("create", "repo", repo, "--project", name)
    front.daemon.pachctl("delete", "repo", "attributes", "--project", "idle")
    data = str(ROOT / "data/iris.csv")
    front.daemon.pachctl("put", "file", "training@master", "-f", data, "--project", "boris")

    room = front.ask("GET", "/workshop/room").json
    assert [(one["project"], one["step"], one["progress"]) for one in room] == [
        ("anna", "3 Commit the training data", "open"),
        ("boris", "4 Create the training pipeline", "open"),
        ("idle", "2 Create the input repositories", "open"),
    ]
    assert room[0]["lastCommit"] is None
    assert room[1]["lastCommit"].endswith("+00:00")
    assert room[2]["found"] == "there is no repo attributes"

    steps = front.ask("GET", "/workshop/steps/boris").json
    assert [step["number"] for step in steps] == list(range(1, 14))
    assert [step["progress"] for step in steps] == ["done"] * 3 + ["open"] * 10
    assert [step["number"] for step in steps if step["next"]] == [4]
    assert "/iris.csv, 4551 bytes" in steps[2]["found"]
    assert steps[3]["commands"][0] == "pachctl create pipeline -f python_train.json"
    assert [step["number"] for step in steps if step["optional"]] == [12, 13]
    cure = front.ask("GET", "/workshop/steps/idle").json[1]["commands"]
    assert cure == ["pachctl create repo attributes"]


def test_a_project_that_is_not_there_is_not_found(front: Front) -> None:
    answer = front.ask("GET", "/workshop/steps/NOSUCH")
    assert (answer.status, answer.headers["grpc-status"]) == (404, "5")
    assert "NOSUCH" in answer.text


def test_who_has_no_token_sees_nothing_of_it(front: Front) -> None:
    for path in ("/workshop/room", "/workshop/steps/default"):
        assert front.ask("GET", path, known=False).status == 401
