"""The program as a whole, as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from pachctl_fake import FakeServer

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
    assert "pachlocal.cli.pachctl.pipelines" not in loaded
    assert "yaml" not in loaded


def test_it_imports_nothing_of_the_server(fake: FakeServer) -> None:
    loaded = modules_after("list", "pipeline")

    own = {name for name in loaded if name.startswith("pachlocal.")}
    assert {name.split(".")[1] for name in own} == {"cli", "proto"}


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


def test_no_server_is_told_at_once(closed_port: int) -> None:
    environment = {**os.environ, "PACHD_ADDRESS": f"localhost:{closed_port}"}
    start = time.monotonic()
    done = subprocess.run(
        [*PACHCTL, "list", "repo"], capture_output=True, text=True, check=False, env=environment
    )

    assert time.monotonic() - start < 5
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"pachctl: no Pachyderm answers at grpc://localhost:{closed_port}; start one with: "
        "pachlocal up (the address comes from PACHD_ADDRESS)\n"
    )


def test_what_is_no_pachyderm_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        environment = {**os.environ, "PACHD_ADDRESS": f"127.0.0.1:{listener.getsockname()[1]}"}
        command = [*PACHCTL, "list", "repo"]
        with subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, text=True
        ) as program:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            _, error = program.communicate(timeout=30)

    assert program.returncode == 1
    assert error.startswith("pachctl: no Pachyderm answers at ")
    assert error.count("\n") == 1


def test_a_reader_may_leave(fake: FakeServer) -> None:
    info = pfs_pb2.FileInfo(file=pfs_pb2.File(path="/x" * 50))
    fake.answers["ListFile"] = [info] * 50_000

    with subprocess.Popen(
        [*PACHCTL, "list", "file", "d@m"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.readline()
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 141


def test_ctrl_c_ends_it_quietly(fake: FakeServer) -> None:
    released = []

    def forever(_request: object) -> Iterator[pps_pb2.LogMessage]:
        yield pps_pb2.LogMessage(user=True, message="first")
        while not released:
            time.sleep(0.05)

    fake.answers["GetLogs"] = lambda request: forever(request)
    with subprocess.Popen(
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
