"""The front beside the daemon: it starts with it, ends with it, and doesn't matter to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from urllib.parse import urlsplit

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from programs import Program
from walkthrough.machine import Daemon

from pachlocal.proto import version_pb2_grpc

from .conftest import Front, with_console


def refused(front: Front) -> bool:
    try:
        socket.create_connection((front.host, front.port)).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.slow
def test_each_daemon_has_its_own_and_a_restart_keeps_its_place(
    new_daemon: Callable[[str], Daemon],
) -> None:
    daemon = new_daemon("store")
    front = with_console(daemon)
    other = new_daemon("other")  # has a port near it, and says that this one is taken
    del other.env["PACHLOCAL_NO_CONSOLE"]
    options = ("--console-port", str(front.port))
    result = other.run("pachlocal", *other.up_arguments, *options)
    other.started()
    line = next(line for line in result.stdout.splitlines() if line.startswith("console"))
    assert line.endswith(f"(port {front.port} is taken)")
    assert urlsplit(line.split()[1]).port != front.port
    assert other.run("pachlocal", "down", "--root", str(other.root)).returncode == 0

    os.kill(front.note["pid"], signal.SIGKILL)
    daemon.pachctl("create", "repo", "data")
    daemon.restart(signal.SIGKILL)  # another front takes the place of the one before
    again = Front(daemon)
    assert again.token == front.token
    assert again.call("pfs_v2.API/ListRepo").lines[0]["result"]["repo"]["name"] == "data"
    daemon.restart(signal.SIGTERM)
    last = Front(daemon)
    assert last.port == again.port
    result = daemon.run("pachlocal", "reset", "--yes", "--root", str(daemon.root))
    assert result.returncode == 0, result.stderr
    daemon.started()
    last = Front(daemon)
    assert f"console  {last.note['link']}" in result.stdout
    assert last.call("pfs_v2.API/ListRepo").lines == []  # of the daemon that runs now
    result = daemon.run("pachlocal", "down", "--root", str(daemon.root))
    assert result.returncode == 0
    assert refused(last)


def test_a_front_is_left_out_on_demand(new_daemon: Callable[[str], Daemon]) -> None:
    daemon = new_daemon("store")
    del daemon.env["PACHLOCAL_NO_CONSOLE"]
    result = daemon.run("pachlocal", *daemon.up_arguments, "--no-console")
    daemon.started()
    assert "console" not in result.stdout
    assert not (daemon.root / "console.json").exists()
    command = ["pachlocal", "console", "--listen", "127.0.0.1:0"]
    with Program(command, env=daemon.env, stdout=subprocess.PIPE, text=True) as shown:
        assert shown.stdout is not None
        try:
            said = shown.stdout.readline()
            assert said.startswith(f"grpc://{daemon.address} is shown at http://127.0.0.1:")
            link = urlsplit(said.split()[-1])
            daemon.root.joinpath("console.json").write_text(
                json.dumps({"pid": shown.pid, "link": said.split()[-1]})
            )
            front = Front(daemon)
            assert front.port == link.port
            assert front.call("version_pb2.API/None").status in (404, 501)
            assert front.call("versionpb_v2.API/GetVersion").json["major"] == 2
            daemon.stop()
            answer = front.call("pfs_v2.API/InspectCluster")
            assert answer.status == 404  # of a server that is gone it isn't known to be ours
            assert front.call("versionpb_v2.API/GetVersion").json["code"] == 14
        finally:
            shown.send_signal(signal.SIGINT)
        assert shown.wait(10) in (0, 130)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--listen", "0.0.0.0:0"), "other machines reach 0.0.0.0:0"),
        (("--listen", "[::]:0"), "other machines reach [::]:0"),
        (("--listen", "192.0.2.1:0"), "other machines reach"),
        (("--listen", "nonsense"), "isn't an address"),
        (("--certificate", "/dev/null"), ""),
        (("--address", "ftp://x"), "unknown scheme"),
    ],
)
def test_what_isnt_safe_is_refused(
    new_daemon: Callable[[str], Daemon], options: tuple[str, ...], text: str
) -> None:
    result = new_daemon("store").run("pachlocal", "console", *options)
    assert result.returncode != 0
    assert text in result.stderr


def test_up_starts_it_and_down_ends_it(new_daemon: Callable[[str], Daemon]) -> None:
    daemon = new_daemon("store")
    front = with_console(daemon)
    status = daemon.run("pachlocal", "status", "--root", str(daemon.root)).stdout
    assert f"console  {front.note['link']}\n" in status
    assert front.ask("GET", "/").status == 200
    assert daemon.run("pachlocal", "down", "--root", str(daemon.root)).returncode == 0
    assert refused(front)


def test_the_daemon_doesnt_need_it(new_daemon: Callable[[str], Daemon]) -> None:
    daemon = new_daemon("store")
    front = with_console(daemon)
    os.kill(front.note["pid"], signal.SIGKILL)
    with grpc.insecure_channel(daemon.address) as channel:
        stub = version_pb2_grpc.APIStub(channel)
        assert stub.GetVersion(Empty()).major == 2
    assert (
        daemon.run("pachlocal", "down", "--root", str(daemon.root)).stdout == "pachlocal is down\n"
    )
