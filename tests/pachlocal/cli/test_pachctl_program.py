"""The program as a whole, as a process of its own."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pachctl_fake import FakeServer
from programs import Program

from pachlocal.proto import pfs_pb2, pps_pb2

PACHCTL = [
    sys.executable,
    "-c",
    "import sys; from pachlocal.cli.pachctl import main; sys.exit(main())",
]
LOADED = """
import sys
from pachlocal.cli.pachctl import main
main(sys.argv[1:])
print(*sys.modules, sep="\\n", file=sys.stderr)
"""


@pytest.fixture(params=["fake", "near_fake"])
def either_fake(request: pytest.FixtureRequest) -> FakeServer:
    """A server that is reached by TCP, and one that is reached by a Unix socket."""
    found: FakeServer = request.getfixturevalue(request.param)
    return found


def modules_after(*words: str) -> set[str]:
    command = [sys.executable, "-c", LOADED, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines())


def test_a_command_imports_what_it_needs(fake: FakeServer) -> None:
    loaded = modules_after("version", "--client-only")
    assert not {name for name in loaded if name.startswith(("grpc", "google.protobuf", "yaml"))}

    loaded = modules_after("version")
    assert "pachlocal.proto.version_pb2" in loaded
    assert "pachlocal.proto.pfs_pb2" not in loaded

    loaded = modules_after("list", "repo")
    assert "pachlocal.proto.pfs_pb2" in loaded
    assert "pachlocal.proto.pps_pb2" not in loaded
    assert "pachlocal.cli.pachctl.pps.pipelines" not in loaded
    assert "yaml" not in loaded


def test_the_daemon_of_this_user_is_called_without_grpc(near_fake: FakeServer) -> None:
    for words in (
        ["list", "repo"],
        ["inspect", "commit", "d@m"],
        ["create", "repo", "d"],
        ["version"],
    ):
        loaded = modules_after(*words)
        assert not {name for name in loaded if name.partition(".")[0] in ("grpc", "asyncio")}
    assert near_fake.called() == ["ListRepo", "InspectCommit", "CreateRepo", "GetVersion"]

    assert "grpc" in modules_after("list", "repo", "--project", "p" * 20_000)  # too long


def test_it_imports_nothing_of_the_server(fake: FakeServer) -> None:
    loaded = modules_after("list", "pipeline")

    own = {name for name in loaded if name.startswith("pachlocal.")}
    assert {name.split(".")[1] for name in own} == {
        "cli",
        "errors",
        "local_socket",
        "proto",
        "untrusted",
    }


def test_help_lists_everything() -> None:
    done = subprocess.run(PACHCTL, capture_output=True, text=True, check=True)
    for verb in ("create", "list", "put", "version", "logs"):
        assert f"\n  {verb} " in done.stdout
    for words in (["--help"], ["create", "-h"], ["list", "--help"], ["inspect"], ["delete"]):
        done = subprocess.run([*PACHCTL, *words], capture_output=True, text=True, check=True)
        assert "Commands:" in done.stdout


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # bound, and not listening: whoever dials is refused
        yield listener.getsockname()[1]


def test_no_server_is_told_at_once(closed_port: int, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PACHD_ADDRESS": f"localhost:{closed_port}",
        "PACHLOCAL_ROOT": str(tmp_path),
    }
    start = time.monotonic()
    done = subprocess.run(
        [*PACHCTL, "list", "repo"], capture_output=True, text=True, check=False, env=environment
    )

    assert time.monotonic() - start < 5
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"pachctl: no Pachyderm answers at grpc://localhost:{closed_port}; start one with: "
        f"pachlocal up --address localhost:{closed_port} (the address comes from PACHD_ADDRESS)\n"
    )


@pytest.mark.parametrize(
    ("address", "way"),
    [
        ("grpc://127.0.0.1:41234", "PACHD_ADDRESS=grpc://127.0.0.1:41234"),
        ("grpc://127.0.0.1:30650", "PACHD_ADDRESS=grpc://127.0.0.1:30650"),
        ("grpcs://127.0.0.1:41234", "PACH_CONFIG={root}/pachctl.json"),
    ],
)
def test_the_users_own_daemon_is_named_where_another_address_is_asked(
    closed_port: int, tmp_path: Path, address: str, way: str
) -> None:
    note = {"pid": 1, "address": address, "runtime": "process", "options": []}
    (tmp_path / "daemon.json").write_text(json.dumps(note))
    environment = {
        **os.environ,
        "PACHD_ADDRESS": f"localhost:{closed_port}",
        "PACHLOCAL_ROOT": str(tmp_path),
    }

    def said() -> str:
        command = [*PACHCTL, "list", "repo"]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment
        ).stderr

    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a daemon does
        assert said() == (
            f"pachctl: no Pachyderm answers at grpc://localhost:{closed_port}; your pachlocal "
            f"runs at another address: export {way.format(root=tmp_path)}\n"
        )
    assert "pachlocal up" in said(), "one that was killed is not named"


def test_what_is_no_pachyderm_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        environment = {**os.environ, "PACHD_ADDRESS": f"127.0.0.1:{listener.getsockname()[1]}"}
        command = [*PACHCTL, "list", "repo"]
        with Program(command, env=environment, stderr=subprocess.PIPE, text=True) as program:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            _, error = program.communicate(timeout=30)

    assert program.returncode == 1
    assert error.startswith("pachctl: no Pachyderm answers at ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "lost",
    [
        (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
        (grpc.StatusCode.UNKNOWN, "Stream removed (Socket closed)"),
        (grpc.StatusCode.UNAVAILABLE, "recvmsg:Connection reset by peer"),
    ],
)
def test_a_server_that_ends_is_told(
    fake: FakeServer, pachctl: Any, lost: tuple[grpc.StatusCode, str]
) -> None:
    fake.answers["ListRepo"] = lost

    assert pachctl("list", "repo").err == (
        f"pachctl: the connection to {fake.address} broke off before the answer: the server "
        "may have ended\n"
    )


def test_a_reader_may_leave(either_fake: FakeServer) -> None:
    info = pfs_pb2.FileInfo(file=pfs_pb2.File(path="/x" * 50))
    either_fake.answers["ListFile"] = [info] * 50_000

    with Program(
        [*PACHCTL, "list", "file", "d@m"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.readline()
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 141


def test_ctrl_c_ends_it_quietly(either_fake: FakeServer) -> None:
    released = []

    def forever(_request: object) -> Iterator[pps_pb2.LogMessage]:
        yield pps_pb2.LogMessage(user=True, message="first")
        while not released:
            time.sleep(0.05)

    either_fake.answers["GetLogs"] = lambda request: forever(request)
    with Program(
        [*PACHCTL, "logs", "-p", "m", "-f"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == "first\n"
        program.send_signal(signal.SIGINT)
        assert program.stderr.read() == ""
        assert program.wait(timeout=10) == 130
    released.append(True)


def ends_interrupted(program: str, *words: str) -> str:
    """Run a program that interrupts itself, and return what it says on its way out."""
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 130, done
    return done.stderr


def test_ctrl_c_while_a_stream_begins_ends_it(fake: FakeServer) -> None:
    """gRPC counts the stream, and only then starts the thread that ends it."""
    fake.answers["ListRepo"] = []
    program = """
import signal, sys
from grpc import _channel
from pachlocal.cli.pachctl import main
start = _channel._run_channel_spin_thread
def interrupted(state):
    signal.raise_signal(signal.SIGINT)
    start(state)
_channel._run_channel_spin_thread = interrupted
sys.exit(main())
"""
    assert ends_interrupted(program, "list", "repo") == ""


def test_ctrl_c_that_falls_into_a_destructor_is_not_lost() -> None:
    program = """
import signal, sys, threading
from pachlocal.cli.program import run
class Dying:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
def go_on():
    Dying()
    threading.Event().wait()
sys.exit(run("it", go_on))
"""
    assert ends_interrupted(program) == ""
