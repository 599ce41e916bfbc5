"""The daemon with `--runtime docker`, from the command line as a user works with it."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from walkthrough.lines import wait_for_line
from walkthrough.machine import Daemon
from walkthrough.steps import STEPS, Step
from walkthrough.walk import Walk

from images.sleeper import Sleeper

pytestmark = pytest.mark.slow

busybox = pytest.importorskip("images.busybox", reason="needs the extra docker")

GOOD = ["cp", "/pfs/data/a", "/pfs/out/b"]
STAGES = ("iris-train:python-svm", "iris-train:python-lda", "iris-infer:python")


class DockerDaemon(Daemon):
    @property
    def up_arguments(self) -> tuple[str, ...]:
        return (*super().up_arguments, "--runtime", "docker")


class Machine:
    """A daemon with one repo `data` that holds one file, and an image."""

    def __init__(self, root: Path, images: Any, image: str) -> None:
        self.daemon = DockerDaemon(root)
        self.image = image
        self._images = images

    def start(self) -> None:
        self.daemon.start()
        self.daemon.pachctl("create", "repo", "data")
        self.daemon.pachctl("put", "file", "data@master:a", stdin="content\n")

    def make(self, verb: str, cmd: list[str], image: str = "", **parts: object) -> None:
        spec = {
            "pipeline": {"name": "p"},
            "transform": {"image": image or self.image, "cmd": cmd},
            "input": {"pfs": {"repo": "data", "glob": "/"}},
            "datum_tries": "1",
            **parts,
        }
        self.daemon.pachctl(verb, "pipeline", "-f", "-", stdin=json.dumps(spec))

    def job(self) -> dict[str, Any]:
        """Waits for the newest job, and returns it."""
        listed = self.daemon.pachctl("list", "job", "--pipeline", "p", "--raw")
        newest, _ = json.JSONDecoder().raw_decode(listed)
        name = f"p@{newest['job']['id']}"
        self.daemon.run("pachctl", "wait", "job", name)
        return dict(json.loads(self.daemon.pachctl("inspect", "job", name, "--raw")))

    def pipeline(self) -> dict[str, Any]:
        return dict(json.loads(self.daemon.pachctl("inspect", "pipeline", "p", "--raw")))

    def containers(self) -> list[dict[str, Any]]:
        filters = {"label": f"io.pachlocal.store={self.daemon.root / 'scratch'}"}
        return list(self._images.api.containers(all=True, filters=filters))


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


def test_status_names_the_runtime_and_reset_keeps_it(machine: Machine) -> None:
    root = str(machine.daemon.root)
    for _ in range(2):
        status = machine.daemon.run("pachlocal", "status", "--root", root)
        assert "runtime  docker: " in status.stdout
        assert ", one container a worker\n" in status.stdout
        reset = machine.daemon.run("pachlocal", "reset", "--yes", "--root", root)
        assert reset.returncode == 0, reset.stderr


def test_an_image_that_is_nowhere_fails_the_job_and_shows_in_the_pipeline(machine: Machine) -> None:
    expected = "image nowhere.invalid/x:1 is not here and can't be pulled: "
    machine.make("create", GOOD, image="nowhere.invalid/x:1")
    job = machine.job()
    assert (job["state"], job["reason"][: len(expected)]) == ("JOB_FAILURE", expected)
    pipeline = machine.pipeline()
    assert (pipeline["state"], pipeline["reason"]) == ("PIPELINE_CRASHING", job["reason"])
    assert "crashing / failure" in machine.daemon.pachctl("list", "pipeline")

    machine.daemon.restart(signal.SIGTERM)
    assert machine.pipeline()["state"] == "PIPELINE_CRASHING"

    machine.make("update", GOOD)
    assert machine.job()["state"] == "JOB_SUCCESS"
    pipeline = machine.pipeline()
    assert (pipeline["state"], pipeline.get("reason", "")) == ("PIPELINE_RUNNING", "")


def test_an_image_that_came_later_is_taken_by_the_next_job(machine: Machine, images: Any) -> None:
    name = f"pachlocal-test-late-{os.getpid()}:1"
    machine.make("create", GOOD, image=name)
    assert machine.job()["state"] == "JOB_FAILURE"
    images.make(name=name)
    machine.daemon.pachctl("put", "file", "data@master:a", stdin="more\n")
    assert machine.job()["state"] == "JOB_SUCCESS"
    assert machine.pipeline()["state"] == "PIPELINE_RUNNING"


@pytest.mark.parametrize(
    ("cmd", "parts", "words"),
    [
        (["nosuch"], {}, 'datum failed: exec: "nosuch": executable file not found in $PATH'),
        (["/etc/passwd"], {}, 'datum failed: exec: "/etc/passwd": permission denied'),
        (
            ["sh", "-c", "tail /dev/zero"],
            {"resource_limits": {"memory": "64Mi"}},
            "datum failed: out of memory: limit 64Mi",
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
