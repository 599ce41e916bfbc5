"""Who gets the datums of a worker: its program, and no other user's."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from walkthrough.lines import wait_for_line
from walkthrough.machine import Daemon

from .stranger import stranger

GUEST = 1234  # a user of the image


def port_of_batch(daemon: Daemon, image: str) -> str:
    """Start a program that is to ask for datums, and doesn't; return where it would ask."""
    spec = {
        "pipeline": {"name": "wait"},
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
        "transform": {
            "image": image,
            "cmd": ["sh", "-c", "echo port $PPS_WORKER_GRPC_PORT; sleep 100"],
            "datum_batching": True,
        },
    }
    daemon.pachctl("create", "repo", "data")
    daemon.pachctl("put", "file", "data@master:/file", stdin="")
    daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))
    return "127.0.0.1:" + wait_for_line(daemon, "wait", "port ").split()[-1]


def started_with_docker(new_daemon: Callable[[], Daemon]) -> Daemon:
    daemon = new_daemon()
    arguments = ("--root", str(daemon.root), "--address", "127.0.0.1:0", "--runtime", "docker")
    result = daemon.run("pachlocal", "up", *arguments)
    assert result.returncode == 0, result.stderr
    daemon.started()
    return daemon


def test_another_user_gets_no_datum(daemon: Daemon) -> None:
    assert stranger("next_datum", port_of_batch(daemon, "none")) == "UNAUTHENTICATED"


@pytest.mark.slow
def test_pachctl_in_a_spouts_container_finds_what_it_needs(
    new_daemon: Callable[[], Daemon],
) -> None:
    busybox = pytest.importorskip("images.busybox", reason="needs the extra docker")
    with busybox.images() as images:
        daemon = started_with_docker(new_daemon)
        spec = {
            "pipeline": {"name": "tell"},
            "spout": {},
            "transform": {
                "image": images.make("USER guest"),
                "cmd": ["sh", "-c", "cat /pachctl/config.json; echo; sleep 100"],
            },
        }
        daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))
        config = json.loads(wait_for_line(daemon, "tell", "session_token"))
        context = config["v2"]["contexts"][config["v2"]["active_context"]]
        address = context["pachd_address"].removeprefix("grpc://")
        token = context["session_token"]
        tried = stranger("ask_all", address, f"{token}@{address}", uid=GUEST)
        assert tried[0].startswith("UNAUTHENTICATED")
        assert tried[1] == "OK"
        daemon.end()


@pytest.mark.slow
def test_the_user_of_a_container_gets_its_datums(new_daemon: Callable[[], Daemon]) -> None:
    busybox = pytest.importorskip("images.busybox", reason="needs the extra docker")
    with busybox.images() as images:
        daemon = started_with_docker(new_daemon)
        port = port_of_batch(daemon, images.make("USER guest"))
        assert stranger("next_datum", port) == "UNAUTHENTICATED"
        assert stranger("next_datum", port, uid=GUEST) == "OK"
        daemon.end()
