"""Who gets in over TCP without TLS: the daemon's user, and who has its token."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from walkthrough.machine import Daemon

from .stranger import UID, ask, relaying, stranger

REFUSAL = (
    "UNAUTHENTICATED: no authentication token (try logging in): "
    "this pachlocal's user gets one by `pachlocal context`, and others from that user"
)
STALE = (
    "UNAUTHENTICATED: provided auth token is corrupted or has expired (try logging in again): "
    "this pachlocal's user gets one by `pachlocal context`, and others from that user"
)


def token_of(daemon: Daemon) -> str:
    config = json.loads((daemon.root / "pachctl.json").read_text())
    return str(config["v2"]["contexts"]["pachlocal"]["session_token"])


def port_of(daemon: Daemon) -> int:
    return int(daemon.address.rpartition(":")[2])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("users") / "store")
    daemon.start()
    yield daemon
    daemon.end()


def test_another_user_can_make_no_call_but_two(shared: Daemon) -> None:
    outcomes = stranger("every_call", shared.address)
    for harmless in ("grpc.health.v1.Health.Check", "versionpb_v2.API.GetVersion"):
        assert outcomes.pop(harmless) == "OK"
    assert set(outcomes.values()) == {"UNAUTHENTICATED"}
    assert len(outcomes) > 100


def test_a_token_lets_any_user_in_and_another_token_nobody(shared: Daemon) -> None:
    address, wrong = shared.address, "x" * 43
    tried = [address, f"{token_of(shared)}@{address}", f"{wrong}@{address}"]
    assert stranger("ask_all", *tried) == [REFUSAL, "OK", STALE]
    with grpc.insecure_channel(address) as channel:  # it may be that of another server
        assert ask(channel, wrong) == "OK"


def test_a_token_dies_with_its_daemon(daemon: Daemon) -> None:
    token = token_of(daemon)
    daemon.restart(signal.SIGTERM)
    tried = [f"{token}@{daemon.address}", f"{token_of(daemon)}@{daemon.address}"]
    assert stranger("ask_all", *tried) == [STALE, "OK"]


@pytest.mark.parametrize(
    ("host", "ways"),
    [
        ("127.0.0.2", ["127.0.0.2", "[::ffff:127.0.0.2]"]),
        ("localhost", ["127.0.0.1", "[::1]"]),
    ],
)
def test_users_are_known_however_the_address_is_written(
    host: str, ways: list[str], new_daemon: Callable[[], Daemon]
) -> None:
    daemon = new_daemon()
    result = daemon.run("pachlocal", "up", "--root", str(daemon.root), "--address", f"{host}:0")
    assert result.returncode == 0, result.stderr
    daemon.started()
    if not _has_ipv6():
        ways = ways[:1]
    addresses = [f"{way}:{port_of(daemon)}" for way in ways]
    for address in addresses:
        with grpc.insecure_channel(address) as channel:
            assert ask(channel) == "OK"
    assert stranger("ask_all", *addresses) == [REFUSAL] * len(ways)


def test_a_port_that_was_the_users_is_not_another_users_way_in(shared: Daemon) -> None:
    port = _free_port()
    with relaying(port, shared.address, os.geteuid()) as way, grpc.insecure_channel(way) as channel:
        assert ask(channel) == "OK"
        assert ask(channel) == "OK"
    with relaying(port, shared.address, UID) as way, grpc.insecure_channel(way) as channel:
        assert ask(channel) == REFUSAL
        assert ask(channel) == REFUSAL
    with relaying(port, shared.address, os.geteuid()) as way, grpc.insecure_channel(way) as channel:
        assert ask(channel) == "OK"


def test_connections_that_have_ended_leave_nothing(shared: Daemon) -> None:
    descriptors = Path(f"/proc/{shared.note['pid']}/fd")
    counts = []
    for _ in range(60):
        with grpc.insecure_channel(shared.address, [("grpc.use_local_subchannel_pool", 1)]) as one:
            assert ask(one) == "OK"
        counts.append(len(list(descriptors.iterdir())))
    assert max(counts[30:]) < min(counts[:30]) + 15


def test_programs_of_workers_find_the_token_in_their_environment(shared: Daemon) -> None:
    spec: dict[str, Any] = {
        "pipeline": {"name": "tell"},
        "input": {"pfs": {"repo": "data", "glob": "/"}},
        "transform": {
            "image": "none",
            "cmd": ["sh"],
            "stdin": ['printf "$PACHD_PEER_SERVICE_PORT $PACH_PYTHON_AUTH_TOKEN" >/pfs/out/it'],
        },
    }
    shared.pachctl("create", "repo", "data")
    shared.pachctl("put", "file", "data@master:/file", stdin="")
    shared.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))
    shared.pachctl("wait", "commit", "tell@master")
    port, token = shared.pachctl("get", "file", "tell@master:/it").split()
    assert stranger("ask_all", f"{token}@127.0.0.1:{port}") == ["OK"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
