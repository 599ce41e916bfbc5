"""Docker fails under the daemon's hands: nothing counts, and work goes on when it is back."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from walkthrough.lines import wait_for_line
from walkthrough.machine import Daemon

from images.docker_machine import DEADLINE_S, GOOD, DockerDaemon, Machine
from images.sleeper import Sleeper

pytestmark = pytest.mark.slow

busybox = pytest.importorskip("images.busybox", reason="needs the extra docker")
from docker.errors import APIError  # noqa: E402 - needs it too

from images.dockerd import Dockerd, dockerd  # noqa: E402

_DOWN_LIMIT_S = 60.0  # for a machine that is busy with other tests
AWAY = "Docker does not answer: "


@pytest.fixture(scope="module")
def engine() -> Iterator[Dockerd]:
    with dockerd() as engine:
        yield engine


@pytest.fixture
def docker(engine: Dockerd) -> Dockerd:
    engine.start()
    return engine


@pytest.fixture
def images(docker: Dockerd) -> Iterator[Any]:
    made = docker.images()
    yield made
    docker.start()
    made.end()


@pytest.fixture
def machine(tmp_path: Path, docker: Dockerd, images: Any) -> Iterator[Machine]:
    machine = Machine(tmp_path / "store", images, images.make("USER 1234:1234"))
    machine.daemon.env["DOCKER_HOST"] = docker.host
    machine.start()
    yield machine
    docker.start()
    machine.daemon.end()
    print(machine.daemon.log)


@pytest.fixture
def sleeper() -> Sleeper:
    return Sleeper()


def copies_after(sleeper: Sleeper) -> list[str]:
    return ["sh", "-c", f"{sleeper.command}; {' '.join(GOOD)}"]


def assert_sound(machine: Machine, processed: int = 1) -> None:
    job = machine.job()
    assert (job["state"], job.get("reason", "")) == ("JOB_SUCCESS", "")
    assert (job["data_processed"], job.get("data_failed", "0")) == (str(processed), "0")
    assert machine.wait_for("PIPELINE_RUNNING") == ""
    assert machine.daemon.pachctl("get", "file", "p@master:b") == "content\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_dockerd_that_is_started_anew_under_a_command(
    machine: Machine, docker: Dockerd, sleeper: Sleeper, number: signal.Signals
) -> None:
    machine.make("create", copies_after(sleeper))
    sleeper.wait_for(1)
    docker.stop(number)
    assert machine.wait_for("PIPELINE_CRASHING").startswith(AWAY)
    docker.start()
    sleeper.wait_for(1)
    assert machine.wait_for("PIPELINE_RUNNING") == ""  # it is seen to run again
    sleeper.wake()
    assert_sound(machine)


@pytest.mark.parametrize("how", ["kill", "stop", "restart", "remove_container"])
def test_a_container_that_somebody_ends_under_a_command(
    machine: Machine, images: Any, sleeper: Sleeper, how: str
) -> None:
    machine.make("create", copies_after(sleeper))
    sleeper.wait_for(1)
    [container] = machine.containers()
    parts = {"stop": {"timeout": 0}, "restart": {"timeout": 0}, "remove_container": {"force": True}}
    # Once it has ended we remove it, which may be before Docker starts it again.
    with suppress(*([APIError] if how == "restart" else ())):
        getattr(images.api, how)(container["Id"], **parts.get(how, {}))
    sleeper.wait_for(1)
    sleeper.wake()
    assert_sound(machine)
    line = "the worker's container was ended from outside; this isn't counted as a try"
    assert line in machine.daemon.pachctl("logs", "--pipeline", "p", "--raw")


def test_an_image_removed_in_mid_job_is_waited_for(
    machine: Machine, images: Any, sleeper: Sleeper
) -> None:
    machine.make("create", copies_after(sleeper))
    sleeper.wait_for(1)
    [container] = machine.containers()
    images.api.remove_container(container["Id"], force=True)
    images.api.remove_image(machine.image, force=True)
    reason = machine.wait_for("PIPELINE_CRASHING")
    assert reason.startswith(f"image {machine.image} is not here and can't be pulled: ")
    images.make(name=machine.image)
    sleeper.wait_for(1)
    sleeper.wake()
    assert_sound(machine)


@pytest.mark.skipif(
    which("nvidia-container-runtime-hook") is not None, reason="Docker may have GPUs here"
)
def test_a_pipeline_that_asks_for_gpus_crashes_without_them_before_there_is_work(
    machine: Machine,
) -> None:
    machine.daemon.pachctl("create", "repo", "empty")
    parts = {"input": {"pfs": {"repo": "empty", "glob": "/"}}}
    gpu = {"type": "nvidia.com/gpu", "number": "1"}
    machine.make("create", GOOD, resource_limits={"gpu": gpu}, **parts)
    assert "Docker has no GPUs for containers" in machine.wait_for("PIPELINE_CRASHING")
    machine.make("update", GOOD, **parts)
    machine.wait_for("PIPELINE_RUNNING")


def test_commits_that_come_while_docker_is_away(machine: Machine, docker: Dockerd) -> None:
    machine.make("create", GOOD)
    assert_sound(machine)
    docker.stop()
    pachctl = machine.daemon.pachctl
    pachctl("put", "file", "data@master:a", stdin="more\n")
    assert machine.wait_for("PIPELINE_CRASHING").startswith(AWAY)
    # It asks Docker which code the image is, before it starts.
    assert re.search("crashing / (starting|running)", pachctl("list", "pipeline"))
    ended: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: ended.append(machine.job()))
    waiting.start()
    pachctl("put", "file", "data@master:a", stdin="content\n")
    assert waiting.is_alive()
    docker.start()
    waiting.join(DEADLINE_S)
    assert [job["state"] for job in ended] == ["JOB_SUCCESS"]
    assert_sound(machine)


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_pipelines_are_stopped_and_deleted_while_docker_is_away(
    machine: Machine, docker: Dockerd, sleeper: Sleeper, how: str
) -> None:
    machine.make("create", copies_after(sleeper))
    sleeper.wait_for(1)
    pachctl = machine.daemon.pachctl
    away = docker.frozen()
    if how == "stopped":
        docker.stop()
    else:
        away.__enter__()
    try:
        pachctl("stop", "pipeline", "p")
        assert machine.pipeline()["state"] == "PIPELINE_PAUSED"
        assert "killed" in pachctl("list", "job", "--pipeline", "p")
        pachctl("delete", "pipeline", "p")
        assert pachctl("list", "pipeline", "--raw") == ""
    finally:
        if how == "stopped":
            docker.start()
        else:
            away.__exit__(None, None, None)
    sleeper.wait_for(0)
    machine.make("create", GOOD)
    assert_sound(machine)


def test_down_ends_while_docker_hangs_and_the_next_start_cleans_up(
    machine: Machine, docker: Dockerd, sleeper: Sleeper
) -> None:
    machine.make("create", copies_after(sleeper))
    sleeper.wait_for(1)
    root = str(machine.daemon.root)
    plain = Daemon(machine.daemon.root)
    plain.env = machine.daemon.env
    with docker.frozen():
        begun = time.monotonic()
        down = machine.daemon.run("pachlocal", "down", "--root", root)
        assert (down.returncode, down.stdout) == (0, "pachlocal is down\n")
        assert "is killed" not in down.stderr
        # Containers can't be removed; another runtime says so, and starts.
        up = plain.run("pachlocal", *plain.up_arguments)
        assert time.monotonic() - begun < _DOWN_LIMIT_S
        assert up.returncode == 0
        assert "containers of an earlier run may remain" in up.stderr
        assert AWAY in up.stderr
        reset = plain.run("pachlocal", "reset", "--yes", "--root", root)
        assert reset.returncode == 0
        assert "containers of an earlier run may remain" in reset.stderr
        plain.run("pachlocal", "down", "--root", root)
    assert len(machine.containers()) == 1
    plain.start()
    assert machine.containers() == []
    plain.end()


@pytest.fixture
def killed(machine: Machine, sleeper: Sleeper) -> Machine:
    """A daemon that was killed, and has left a container."""
    machine.make("create", copies_after(sleeper))
    sleeper.wait_for(1)
    machine.daemon.stop(signal.SIGKILL)
    sleeper.wait_for(0)
    assert len(machine.containers()) == 1
    return machine


def test_reset_removes_what_a_killed_daemon_left(killed: Machine) -> None:
    reset = killed.daemon.run("pachlocal", "reset", "--yes", "--root", str(killed.daemon.root))
    assert (reset.returncode, reset.stderr) == (0, "")
    assert killed.containers() == []
    assert not (killed.daemon.root / "scratch").exists()


def test_a_start_with_the_process_runtime_removes_what_a_killed_daemon_left(
    killed: Machine,
) -> None:
    plain = Daemon(killed.daemon.root)
    plain.env = {name: value for name, value in killed.daemon.env.items() if name != "DOCKER_HOST"}
    up = plain.run("pachlocal", *plain.up_arguments)
    assert (up.returncode, up.stderr) == (0, "")
    assert killed.containers() == []
    plain.end()


def test_a_start_while_docker_is_down_says_what_it_can_not_remove(
    killed: Machine, docker: Dockerd
) -> None:
    docker.stop()
    plain = Daemon(killed.daemon.root)
    plain.env = killed.daemon.env
    up = plain.run("pachlocal", *plain.up_arguments)
    assert up.returncode == 0
    [line] = up.stderr.splitlines()
    assert line.startswith("pachlocal: containers of an earlier run may remain")
    assert AWAY in line
    plain.end()


def test_a_socket_that_never_answers_keeps_no_start_waiting(tmp_path: Path) -> None:
    daemon = DockerDaemon(tmp_path / "store")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        daemon.env["DOCKER_HOST"] = f"unix://{tmp_path}/s"
        up = daemon.run("pachlocal", *daemon.up_arguments)
    assert up.returncode == 1
    expected = f"{AWAY}no response in time; start it, or use --runtime process\n"
    assert up.stderr == f"pachlocal: {expected}"


def test_a_service_is_reached_again_when_docker_is_back(
    machine: Machine, images: Any, docker: Dockerd
) -> None:
    image = images.make("USER 1234:1234", applets=f"{busybox.APPLETS} httpd")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    script = "httpd -p 80 -h /pfs/data; echo it serves; sleep 1000"
    service = {"internal_port": 80, "external_port": port}
    machine.make("create", ["sh", "-c", script], image=image, service=service)
    for count in (1, 2):
        wait_for_line(machine.daemon, "p", "it serves", count)
        assert get(f"http://127.0.0.1:{port}/a") == "content\n"
        if count == 1:
            docker.stop(signal.SIGKILL)
            assert machine.wait_for("PIPELINE_CRASHING").startswith(AWAY)
            docker.start()
    assert machine.wait_for("PIPELINE_RUNNING") == ""
    machine.daemon.pachctl("delete", "pipeline", "p")


def test_a_spout_goes_on_when_its_container_was_ended(
    machine: Machine, images: Any, sleeper: Sleeper
) -> None:
    spec = {
        "pipeline": {"name": "p"},
        "transform": {"image": machine.image, "cmd": ["sh", "-c", sleeper.command]},
        "spout": {},
    }
    machine.daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))
    for _ in range(2):
        sleeper.wait_for(1)
        [container] = machine.containers()
        images.api.kill(container["Id"])
    sleeper.wait_for(1)
    machine.daemon.pachctl("delete", "pipeline", "p")


def get(url: str) -> str:
    def ask() -> str:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - http only
            return str(answer.read().decode())

    return until(ask)


def until(ask: Callable[[], str]) -> str:
    """Asks until there is an answer."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return ask()
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < deadline
            time.sleep(0.05)
