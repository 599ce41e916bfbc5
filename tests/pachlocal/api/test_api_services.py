"""Services as their users meet them: a program that answers at a port, from outside."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from walkthrough.leftovers import processes_of
from walkthrough.lines import wait_for_line
from walkthrough.machine import Daemon

from pachlocal.proto import pps_pb2, pps_pb2_grpc

TIMEOUT_S = 20.0

# Both say that they serve, once they listen; the second ends with its first answer, and puts what
# it is asked for into its own output.
WEB = ["python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", "/pfs/data"]
ONCE = """
import http.server, subprocess, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if sys.argv[2:]:
            subprocess.run(["pachctl", "put", "file", sys.argv[2] + ":" + self.path], check=True,
                           input=b"")
        self.send_response(204)
        self.end_headers()
with http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer) as server:
    print("Serving HTTP", flush=True)
    server.handle_request()
"""


def unused() -> int:
    """Return the number of a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Service:
    """A service that serves the files of a repo `data`."""

    def __init__(self, daemon: Daemon, name: str = "web", internal: int | None = None) -> None:
        self.daemon = daemon
        self.name = name
        self.internal, self.external = internal or unused(), unused()

    def create(self, cmd: list[str] | None = None, **more: Any) -> None:
        spec = {
            "pipeline": {"name": self.name},
            "transform": {"image": "machine", "cmd": cmd or [*WEB, str(self.internal)]},
            "service": {"internal_port": self.internal, "external_port": self.external},
            "input": {"pfs": {"repo": "data", "glob": "/"}},
            **more,
        }
        self.daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))

    def wait_for(self, text: str = "Serving HTTP", count: int = 1) -> str:
        return wait_for_line(self.daemon, self.name, text, count)

    def get(self, path: str) -> str:
        url = f"http://127.0.0.1:{self.external}{path}"
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return str(answer.read().decode())

    def is_open(self) -> bool:
        with socket.socket() as user:
            return user.connect_ex(("127.0.0.1", self.external)) == 0

    def inspect(self) -> dict[str, Any]:
        return dict(json.loads(self.daemon.pachctl("inspect", "pipeline", self.name, "--raw")))

    def wait_until_closed(self) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while self.is_open():
            assert time.monotonic() < deadline, "it is still open"
            time.sleep(0.005)

    def wait_until_well(self) -> None:
        """The state follows once the program runs: until then the reason stands there."""
        deadline = time.monotonic() + TIMEOUT_S
        while "reason" in self.inspect():
            assert time.monotonic() < deadline, "it still has a reason not to run"

    def jobs(self) -> list[pps_pb2.JobInfo]:
        """Return its jobs, the newest first."""
        with grpc.insecure_channel(self.daemon.address) as channel:
            request = pps_pb2.ListJobRequest(pipeline=pps_pb2.Pipeline(name=self.name))
            return list(pps_pb2_grpc.APIStub(channel).ListJob(request))

    def job_states(self) -> list[str]:
        return [pps_pb2.JobState.Name(info.state) for info in self.jobs()]


@pytest.fixture
def make(daemon: Daemon) -> Callable[..., Service]:
    daemon.pachctl("create", "repo", "data")
    daemon.pachctl("put", "file", "data@master:/greeting", stdin="hello\n")
    return lambda *parts: Service(daemon, *parts)


@pytest.fixture
def web(make: Callable[..., Service]) -> Service:
    service = make()
    service.create()
    service.wait_for()
    return service


def test_it_answers_with_the_newest_data(web: Service) -> None:
    assert web.get("/greeting") == "hello\n"
    web.daemon.pachctl("put", "file", "data@master:/greeting", stdin="good morning\n")
    web.wait_for(count=2)
    assert web.get("/greeting") == "good morning\n"
    assert web.job_states() == ["JOB_RUNNING", "JOB_SUCCESS"]


def test_it_says_where_it_is(web: Service) -> None:
    info = web.inspect()
    assert info["type"] == "PIPELINE_TYPE_SERVICE"
    assert info["state"] == "PIPELINE_RUNNING"
    assert info["details"]["service"] == {
        "internal_port": web.internal,
        "external_port": web.external,
        "ip": "127.0.0.1",
        "type": "NodePort",
    }
    ports = f"InternalPort: {web.internal}\n  ExternalPort: {web.external}\n"
    assert f"Service:\n  IP: 127.0.0.1\n  {ports}" in web.daemon.pachctl(
        "inspect", "pipeline", "web"
    )
    [job] = web.jobs()
    shown = web.daemon.pachctl("inspect", "job", f"web@{job.job.id}")
    assert f"Service:\n  {ports}" in shown


def test_it_is_closed_while_it_is_stopped_and_when_it_is_deleted(web: Service) -> None:
    web.daemon.pachctl("stop", "pipeline", "web")
    web.wait_until_closed()
    assert "ip" not in web.inspect()["details"]["service"]
    web.daemon.pachctl("start", "pipeline", "web")
    web.wait_for(count=2)
    assert web.get("/greeting") == "hello\n"
    web.daemon.pachctl("delete", "pipeline", "web")
    web.wait_until_closed()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_comes_back_with_the_daemon(web: Service, number: signal.Signals) -> None:
    web.daemon.stop(number)
    assert processes_of(web.daemon.root) == []
    assert not web.is_open()
    web.daemon.start()
    web.wait_for(count=2)
    assert web.get("/greeting") == "hello\n"


def test_a_program_that_ends_is_started_again(make: Callable[..., Service]) -> None:
    service = make()
    service.create(["python3", "-c", ONCE, str(service.internal)])
    for count in (1, 2):
        service.wait_for(count=count)
        assert service.get("/") == ""
    assert service.wait_for("it starts again").startswith("the program ended with exit code 0;")
    assert service.job_states() == ["JOB_RUNNING"]


@pytest.mark.slow
def test_a_taken_port_is_said_and_opened_when_it_is_free(make: Callable[..., Service]) -> None:
    service = make()
    with socket.create_server(("127.0.0.1", service.external)):
        service.create()
        line = service.wait_for("taken")
        info = service.inspect()
        assert info["state"] == "PIPELINE_CRASHING"
        assert info["reason"] in line
        assert info["reason"].startswith(f"port {service.external} is taken: another program")
    service.wait_for()
    assert service.get("/greeting") == "hello\n"
    service.wait_until_well()


def test_two_can_not_listen_on_one_port(web: Service, make: Callable[..., Service]) -> None:
    second = Service(web.daemon, "second", web.internal)
    second.create()
    taken = f"port {web.internal} is taken: worker default-web-v1-0 has it"
    assert taken in second.wait_for("taken")
    assert not second.is_open()
    assert web.get("/greeting") == "hello\n"


def test_a_spout_is_reached_and_fills_its_output(make: Callable[..., Service]) -> None:
    spout = make("drops")
    cmd = ["python3", "-c", ONCE, str(spout.internal), "drops@master"]
    port = {"internal_port": spout.internal, "external_port": spout.external}
    spec = {
        "pipeline": {"name": "drops"},
        "transform": {"image": "machine", "cmd": cmd},
        "spout": {"service": port},
    }
    spout.daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))
    spout.wait_for()
    spout.get("/drop")
    assert "/drop" in spout.daemon.pachctl("list", "file", "drops@master")
