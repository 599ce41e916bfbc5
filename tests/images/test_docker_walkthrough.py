"""The daemon with `--runtime docker`, from the command line as a user works with it."""

from __future__ import annotations

import os
import re
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from walkthrough.lines import wait_for_line
from walkthrough.steps import STEPS, Step
from walkthrough.walk import Walk

from images.docker_machine import DEADLINE_S, GOOD, DockerDaemon, Machine
from images.sleeper import Sleeper
from images.slow_registry import slow_registry

pytestmark = pytest.mark.slow

busybox = pytest.importorskip("images.busybox", reason="needs the extra docker")

STAGES = (
    *("iris-train:python-svm", "iris-train:python-lda", "iris-infer:python"),
    "iris-report:python",
)


@pytest.fixture(scope="module")
def images() -> Iterator[Any]:
    with busybox.images() as made:
        yield made


@pytest.fixture(scope="module")
def image(images: Any) -> str:
    return str(images.make("USER 1234:1234"))


@pytest.fixture
def machine(tmp_path: Path, images: Any, image: str) -> Iterator[Machine]:
    machine = Machine(tmp_path / "store", images, image)
    machine.start()
    yield machine
    machine.daemon.end()
    print(machine.daemon.log)
    assert machine.containers() == []


def test_a_pipeline_runs_its_image(machine: Machine) -> None:
    machine.make("create", GOOD)
    assert machine.job()["state"] == "JOB_SUCCESS"
    assert machine.daemon.pachctl("get", "file", "p@master:b") == "content\n"
    [container] = machine.containers()
    assert container["Image"] == machine.image
    assert container["Labels"]["io.pachlocal.worker"] == "default-p-v1-0"
    machine.daemon.pachctl("delete", "pipeline", "p")


def test_the_pipeline_says_while_its_image_is_pulled(machine: Machine, images: Any) -> None:
    new = images.filesystem(more=os.urandom(2_000_000))  # of layers that it has, Docker takes none
    with slow_registry(new, {"PATH": "/bin"}) as registry:
        machine.make("create", GOOD, image=registry.image)
        assert registry.half.wait(DEADLINE_S)
        doing = f"pulling image {registry.image}"
        machine.wait_until(lambda it: it.get("reason", "").startswith(f"{doing}: 0 of 1 layers, "))
        assert machine.pipeline()["state"] == "PIPELINE_STARTING"
        registry.go.set()
        assert machine.job()["state"] == "JOB_SUCCESS"
        assert machine.wait_for("PIPELINE_RUNNING") == ""
        logged = machine.daemon.pachctl("logs", "--pipeline", "p", "--master", "--raw")
        assert re.search(rf'"{doing}: done after [0-9.]+ seconds"', logged), logged
        machine.daemon.pachctl("delete", "pipeline", "p")
        images.api.remove_image(registry.image, force=True)


def test_status_names_the_runtime_and_reset_keeps_it(machine: Machine) -> None:
    root = str(machine.daemon.root)
    for _ in range(2):
        status = machine.daemon.run("pachlocal", "status", "--root", root)
        assert "runtime  docker: " in status.stdout
        assert ", one container a worker\n" in status.stdout
        reset = machine.daemon.run("pachlocal", "reset", "--yes", "--root", root)
        assert reset.returncode == 0, reset.stderr


def test_an_image_that_is_nowhere_shows_in_the_pipeline_and_its_job_waits(
    machine: Machine,
) -> None:
    expected = "image nowhere.invalid/x:1 is not here and can't be pulled: "
    machine.make("create", GOOD, image="nowhere.invalid/x:1")
    reason = machine.wait_for("PIPELINE_CRASHING")
    assert reason.startswith(expected)
    assert "crashing / starting" in machine.daemon.pachctl("list", "pipeline")

    machine.daemon.restart(signal.SIGTERM)
    assert machine.wait_for("PIPELINE_CRASHING").startswith(expected)

    machine.make("update", GOOD)
    assert machine.job()["state"] == "JOB_SUCCESS"
    assert machine.wait_for("PIPELINE_RUNNING") == ""


def test_a_job_goes_on_when_its_image_has_come(machine: Machine, images: Any) -> None:
    name = f"pachlocal-test-late-{os.getpid()}:1"
    machine.make("create", GOOD, image=name)
    machine.wait_for("PIPELINE_CRASHING")
    images.make(name=name)
    assert machine.job()["state"] == "JOB_SUCCESS"
    assert machine.wait_for("PIPELINE_RUNNING") == ""


@pytest.mark.parametrize(
    ("cmd", "parts", "words"),
    [
        (["nosuch"], {}, 'seconds: exec: "nosuch": executable file not found in $PATH'),
        (["/etc/passwd"], {}, 'seconds: exec: "/etc/passwd": permission denied'),
        (
            ["sh", "-c", "tail /dev/zero"],
            {"resource_limits": {"memory": "64Mi"}},
            "seconds: out of memory: limit 64Mi",
        ),
    ],
)
def test_a_command_that_can_not_run_fails_its_job_and_says_why(
    machine: Machine, cmd: list[str], parts: dict[str, object], words: str
) -> None:
    machine.make("create", cmd, **parts)
    assert machine.job()["state"] == "JOB_FAILURE"
    assert words in machine.daemon.pachctl("logs", "--pipeline", "p", "--raw").replace('\\"', '"')
    assert machine.pipeline()["state"] == "PIPELINE_RUNNING"  # the image is good


def test_a_daemon_that_was_killed_takes_its_job_up_again(machine: Machine) -> None:
    sleeper = Sleeper()
    machine.make("create", ["sh", "-c", f"{sleeper.command}; {' '.join(GOOD)}"])
    sleeper.wait_for(1)
    machine.daemon.stop(signal.SIGKILL)
    sleeper.wait_for(0)
    [stale] = machine.containers()
    machine.daemon.start()
    sleeper.wait_for(1)
    [container] = machine.containers()
    assert container["Id"] != stale["Id"]
    sleeper.wake()
    assert machine.job()["state"] == "JOB_SUCCESS"
    assert machine.daemon.pachctl("get", "file", "p@master:b") == "content\n"


def test_a_service_is_reached_and_serves_new_data(machine: Machine, images: Any) -> None:
    image = images.make("USER 1234:1234", applets=f"{busybox.APPLETS} httpd")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    script = "httpd -p 80 -h /pfs/data; echo it serves; sleep 1000"
    service = {"internal_port": 80, "external_port": port}
    machine.make("create", ["sh", "-c", script], image=image, service=service)
    for count, content in enumerate(("content\n", "more\n"), start=1):
        if count > 1:
            machine.daemon.pachctl("put", "file", "data@master:a", stdin=content)
        wait_for_line(machine.daemon, "p", "it serves", count)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/a", timeout=20) as answer:
            assert answer.read().decode() == content
    machine.daemon.pachctl("delete", "pipeline", "p")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory, images: Any) -> Iterator[Walk]:
    names = [f"pachyderm/{stage}" for stage in STAGES]
    if missing := [name for name in names if not images.has(name)]:
        pytest.skip(f"not built: {', '.join(missing)}; see `make images`")
    folder = tmp_path_factory.mktemp("walk")
    walk = Walk(DockerDaemon(folder / "store"), folder)
    yield walk
    walk.daemon.end()
    print(walk.daemon.log)


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_step_in_docker(walk: Walk, step: Step) -> None:
    step.do(walk)
