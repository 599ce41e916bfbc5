from __future__ import annotations

import gc
import os
import signal
import socket
import socketserver
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from programs import Program

from pachlocal.errors import EngineError

pytest.importorskip("docker", reason="needs the extra docker")

from pachlocal.errors import (
    ImageUnavailableError,
    InfrastructureError,
    RuntimeUnavailableError,
)
from pachlocal.runtime.contract import Invocation, Outcome, Resources, WorkerSpec
from pachlocal.runtime.docker.access import Access, access_to
from pachlocal.runtime.docker.container import Container
from pachlocal.runtime.docker.engine import Engine
from pachlocal.runtime.docker.images import Images as Pulls
from pachlocal.runtime.docker.records import ContainerSetup, Image
from pachlocal.runtime.docker.runtime import STORE_LABEL, DockerRuntime
from pachlocal.runtime.docker.start_failures import not_started
from pachlocal.runtime.docker.streams import Output
from pachlocal.runtime.docker.worker import DockerWorker

from .processes import Marked, in_thread, taking, wait_until

if TYPE_CHECKING:
    from images.busybox import Images

OK = Outcome(0)
Open = Callable[..., DockerWorker]


@pytest.fixture
def open_worker(docker_runtime: DockerRuntime, busybox_image: str) -> Iterator[Open]:
    workers: list[DockerWorker] = []

    def open_(image: str = busybox_image, **parts: object) -> DockerWorker:
        spec = WorkerSpec(f"worker{len(workers)}", image, **parts)  # type: ignore[arg-type]
        workers.append(docker_runtime.open_worker(spec))
        return workers[-1]

    yield open_
    for worker in workers:
        worker.close()


def run(worker: DockerWorker, *cmd: str, **parts: object) -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    return worker.run(Invocation(cmd, **parts), taking(lines)), lines  # type: ignore[arg-type]


def container_of(images: Images, worker: DockerWorker) -> str:
    labelled = {"label": f"{STORE_LABEL}={worker.pfs.parent.parent}"}
    [found] = images.api.containers(all=True, filters=labelled)
    return str(found["Id"])


def test_it_says_what_it_is(docker_runtime: DockerRuntime, images: Images) -> None:
    version = images.api.version()["Version"]
    assert docker_runtime.describe() == f"docker: {version}, one container a worker"


def test_a_command_that_says_nothing_before_it_has_read_gets_its_input(
    open_worker: Open,
) -> None:
    outcome, lines = run(open_worker(), "cat", stdin=b"line\n")
    assert (outcome, lines) == (OK, ["line"])


def test_the_images_folder_counts_and_its_entrypoint_does_not(
    images: Images, open_worker: Open
) -> None:
    image = images.make('ENTRYPOINT ["false"]', "WORKDIR /etc", "ENV MINE=yes")
    worker = open_worker(image)
    assert run(worker, "sh", "-c", 'echo "$PWD $MINE"') == (OK, ["/etc yes"])
    assert run(worker, "sh", "-c", "pwd", working_dir="/pfs") == (OK, ["/pfs"])


def test_whose_commands_it_runs_is_told_in_numbers_of_this_machine(
    images: Images, open_worker: Open
) -> None:
    assert open_worker().uid == os.getuid()
    if os.getuid() == 0:  # else no image's user is taken
        assert open_worker(images.make("USER guest")).uid == 1234


def test_the_daemons_address_is_the_same_inside(open_worker: Open) -> None:
    host = Path("/proc/net/route").read_text().splitlines()
    assert run(open_worker(), "cat", "/proc/net/route")[1] == host


def test_an_image_that_is_not_here(docker_runtime: DockerRuntime) -> None:
    with pytest.raises(ImageUnavailableError, match=r"^image nowhere\.invalid/x is not here$"):
        docker_runtime.open_worker(WorkerSpec("w", "nowhere.invalid/x"))
    expected = r"^image nowhere\.invalid/x is not here and can't be pulled: .*nowhere\.invalid"
    with pytest.raises(ImageUnavailableError, match=expected):
        docker_runtime.prepare("nowhere.invalid/x", lambda: False)


def test_a_name_that_is_none_is_not_taken_for_a_silent_docker(
    docker_runtime: DockerRuntime,
) -> None:
    with pytest.raises(ImageUnavailableError, match=r"^image -x/y ") as refused:
        docker_runtime.prepare("-x/y", lambda: False)
    assert "does not answer" not in str(refused.value)


def test_a_docker_of_another_machine_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Client:
        base_url = "https://198.51.100.1:2376"
        api = property(lambda self: self)

        def close(self) -> None:
            pass

    monkeypatch.setattr("docker.from_env", lambda **_: Client())
    words = r"^Docker can't be used: https://.* may be another machine, .*; use --runtime process$"
    with pytest.raises(RuntimeUnavailableError, match=words):
        DockerRuntime(tmp_path / "scratch")


def test_an_image_that_is_here_is_not_pulled(
    docker_runtime: DockerRuntime, busybox_image: str
) -> None:
    docker_runtime.prepare(busybox_image, pytest.fail)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"user": "nobody"}, "does not start: unable to find user nobody"),
        ({"limits": Resources(memory=1000)}, "does not start: Minimum memory limit"),
    ],
)
def test_a_container_that_docker_refuses(
    open_worker: Open, docker_runtime: DockerRuntime, parts: dict[str, object], words: str
) -> None:
    with pytest.raises(ImageUnavailableError, match=words):
        open_worker(**parts)
    assert open_worker().pfs.is_dir()  # under the same name: nothing was left


def test_an_image_without_the_programs_that_hold_a_container_open(
    images: Images, open_worker: Open
) -> None:
    words = r"does not start: it lacks the programs `sh` and `cat`, .* \(.*exec sh failed"
    with pytest.raises(ImageUnavailableError, match=words):
        open_worker(images.make(applets="cat"))


@pytest.mark.parametrize("user", [None, "guest", "4321:99", "root"])
def test_every_user_can_write_results_and_the_daemon_can_remove_them(
    images: Images, open_worker: Open, user: str | None
) -> None:
    worker = open_worker(images.make("USER 1234:77"), user=user)
    script = (
        "id -u; cd /pfs/out && mkdir -p a/b && echo x > a/b/c && chmod 700 a && echo y > /pfs/in/f"
    )
    for _ in range(2):
        for folder in ("in", "out"):
            (worker.pfs / folder).mkdir(mode=0o755)
        (worker.pfs / "in" / "f").write_text("old")
        outcome, lines = run(worker, "sh", "-c", script)
        assert outcome == OK
        default = "1234" if os.getuid() == 0 else str(os.getuid())
        assert lines == [{None: default, "guest": "1234", "4321:99": "4321", "root": "0"}[user]]
        assert (worker.pfs / "out" / "a" / "b" / "c").read_text() == "x\n"
        assert (worker.pfs / "in" / "f").read_text() == "y\n"
        for path in ("out/a/b/c", "in/f"):
            (worker.pfs / path).unlink()
        for path in ("out/a/b", "out/a", "out", "in"):
            (worker.pfs / path).rmdir()


def test_who_runs_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image("guest", {})
    for uid, spec_user, rootless, expected in (
        (0, None, False, Access("", open=True)),
        (0, "root", False, Access("root")),
        (0, "5:6", False, Access("5:6", open=True)),
        (8, None, False, Access("8:9", home="/tmp")),  # noqa: S108
        (8, "root", False, Access("root", owner="8:9")),
        (8, "5", False, Access("5", open=True, owner="8:9")),
        (8, None, True, Access("0:0")),
        (8, "root", True, Access("root")),
        (8, "5", True, Access("5", open=True, owner="0:0")),
    ):
        monkeypatch.setattr(os, "getuid", lambda uid=uid: uid)
        monkeypatch.setattr(os, "getgid", lambda: 9)
        assert access_to(image, spec_user, rootless=rootless) == expected
    assert access_to(Image("", {"HOME": "/h"}), None, rootless=False).home == ""


@pytest.mark.skipif(os.getuid() != 0, reason="another daemon does that all the time")
def test_what_another_user_left_is_given_to_a_daemon_without_rights(
    open_worker: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 8)
    monkeypatch.setattr(os, "getgid", lambda: 9)
    worker = open_worker(user="4321:99")
    (worker.pfs / "out").mkdir()
    for script, timeout_s in (("mkdir /pfs/out/a", None), ("mkdir /pfs/out/b; yes", 0.2)):
        run(worker, "sh", "-c", script, timeout_s=timeout_s)
    for name in ("a", "b"):
        left = (worker.pfs / "out" / name).stat()
        assert (left.st_uid, left.st_gid) == (8, 9)


def test_what_it_left_can_not_be_given_without_the_program_for_it(
    images: Images, open_worker: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = images.make(applets="cat sh")
    monkeypatch.setattr(os, "getuid", lambda: 8)
    worker = open_worker(image, user="4321")
    with pytest.raises(
        InfrastructureError, match="files can't be given to the daemon's: "
    ) as failed:
        run(worker, "sh", "-c", "exit 0")
    assert 'exec: "chown": executable file not found' in str(failed.value)


def test_limits_and_requests_reach_docker(images: Images, open_worker: Open) -> None:
    worker = open_worker(limits=Resources(0.5, 64 << 20), requests=Resources(0.25, 32 << 20))
    host = images.api.inspect_container(container_of(images, worker))["HostConfig"]
    assert (host["NanoCpus"], host["Memory"]) == (500_000_000, 64 << 20)
    assert host["MemorySwap"] == 64 << 20
    assert (host["CpuShares"], host["MemoryReservation"]) == (256, 32 << 20)


def test_docker_is_asked_for_gpus(images: Images, busybox_image: str) -> None:
    engine = Engine()
    setup = ContainerSetup("pachlocal-gpus", busybox_image, {}, ["cat"], gpus=2)
    container = engine.create(setup)  # which needs none yet
    try:
        (request,) = images.api.inspect_container(container)["HostConfig"]["DeviceRequests"]
    finally:
        engine.remove(container)
        engine.close()
    assert (request["Count"], request["Capabilities"]) == (2, [["gpu"]])


@pytest.mark.parametrize(("script", "code"), [("exec tail /dev/zero", 137), ("tail /dev/zero", 3)])
def test_out_of_memory_is_said(open_worker: Open, script: str, code: int) -> None:
    worker = open_worker(limits=Resources(memory=64 << 20))
    outcome, _ = run(worker, "sh", "-c", f"{script}; exit 3")
    assert outcome == Outcome(code, "out of memory: limit 64Mi")
    assert run(worker, "sh", "-c", "kill -9 $$") == (Outcome(137), [])


def test_what_stays_in_the_background_quietly_is_ended(open_worker: Open) -> None:
    marked, worker = Marked(), open_worker()
    script = f"(setsid {marked.command} >/dev/null 2>&1 &); exit 4"
    assert run(worker, "sh", "-c", script) == (Outcome(4), [])
    assert marked.count() == 0
    assert run(worker, "echo", "again") == (OK, ["again"])


def test_what_stays_is_found_also_where_dockers_processes_are_not_seen(
    open_worker: Open, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Container, "_watchable", lambda _, pid: 0)
    marked, worker = Marked(), open_worker()
    assert run(worker, "true") == (OK, [])
    started = images.api.inspect_container(container_of(images, worker))["State"]["StartedAt"]
    assert run(worker, "true") == (OK, [])
    assert run(worker, "sh", "-c", f"({marked.command} >/dev/null 2>&1 &)") == (OK, [])
    assert marked.count() == 0
    assert run(worker, "true") == (OK, [])
    state = images.api.inspect_container(container_of(images, worker))["State"]
    assert state["StartedAt"] != started


def test_a_command_that_leaves_nothing_does_not_cost_the_container(
    open_worker: Open, images: Images
) -> None:
    worker = open_worker()
    container = container_of(images, worker)
    before = images.api.inspect_container(container)["State"]["StartedAt"]
    for script in ("true", "exit 7", "true | sleep 0.01 & wait", "(sleep 0.02 >/dev/null 2>&1 &)"):
        run(worker, "sh", "-c", script)
    run(worker, "nosuch")
    assert images.api.inspect_container(container)["State"]["StartedAt"] == before


def test_a_container_ended_from_outside(open_worker: Open, images: Images) -> None:
    marked, worker = Marked(), open_worker()
    thread, said = in_thread(worker, Invocation(tuple(marked.command.split())))
    wait_until(lambda: marked.count() == 1)
    images.api.kill(container_of(images, worker))
    thread.join(20)
    [error] = said
    assert isinstance(error, InfrastructureError)
    assert str(error) == "the worker's container was ended from outside"
    assert run(worker, "echo", "again") == (OK, ["again"])
    images.api.remove_container(container_of(images, worker), force=True)
    assert run(worker, "echo", "again") == (OK, ["again"])


def test_a_program_that_docker_has_started_needs_no_exec_from_then_on(
    open_worker: Open, images: Images
) -> None:
    worker = open_worker()
    container = container_of(images, worker)

    def execs() -> int:
        events = images.api.events(
            since=0,
            until=time.time(),
            decode=True,
            filters={"container": container, "event": "exec_start"},
        )
        return len(list(events))

    (worker.pfs / "in").mkdir()
    for _ in range(3):
        given = {"working_dir": "/pfs/in", "env": {"A": "it's"}, "stdin": b"x\n"}
        _, said = run(worker, "sh", "-c", 'pwd; echo "$A"; cat', **given)
        assert said == ["/pfs/in", "it's", "x"]
    assert execs() == 1
    # What a shell can't be told is told to Docker.
    assert run(worker, "sh", "-c", "cat", stdin=b"no newline")[1] == ["no newline"]
    assert "a.b=1" in run(worker, "env", env={"a.b": "1"})[1]
    assert "a.b=1" in run(worker, "env", env={"a.b": "1"})[1]
    assert execs() == 4
    # As is what it can't do, so that it is told in the same words.
    (worker.pfs / "in").rmdir()
    outcome, _ = run(worker, "sh", working_dir="/pfs/in")
    assert outcome == Outcome(126, "/pfs/in: no such file or directory")
    program = worker.pfs / "program"
    program.write_text("#!/bin/sh\necho on\n")
    program.chmod(0o755)
    assert run(worker, "/pfs/program") == (OK, ["on"])
    program.unlink()
    outcome, said = run(worker, "/pfs/program")
    assert (outcome.exit_code, said) == (127, [])
    assert "no such file or directory" in (outcome.error or "")


def test_a_command_that_ends_its_process_group_ends_no_other(
    open_worker: Open, images: Images
) -> None:
    worker = open_worker()
    state = images.api.inspect_container(container_of(images, worker))["State"]
    for _ in range(2):
        assert run(worker, "sh", "-c", "sleep 60 & kill 0; wait")[0].exit_code == 143
    assert run(worker, "echo", "again") == (OK, ["again"])
    after = images.api.inspect_container(container_of(images, worker))["State"]
    assert after["StartedAt"] == state["StartedAt"]


def test_without_setsid_each_command_is_an_exec(open_worker: Open, images: Images) -> None:
    worker = open_worker(images.make(applets="sh cat echo"))
    for _ in range(2):
        assert run(worker, "echo", "on") == (OK, ["on"])


DAEMON = """
import sys
from pathlib import Path
from pachlocal.runtime.contract import Invocation, WorkerSpec
from pachlocal.runtime.docker.runtime import DockerRuntime

worker = DockerRuntime(Path(sys.argv[1])).open_worker(WorkerSpec("w", sys.argv[2]))
worker.run(Invocation(tuple(sys.argv[3].split())), print)
"""


def test_a_killed_daemon_leaves_nothing_running_and_the_next_one_nothing_at_all(
    images: Images, busybox_image: str, tmp_path: Path
) -> None:
    marked = Marked()
    argv = [sys.executable, "-c", DAEMON, str(tmp_path / "a"), busybox_image, marked.command]
    with Program(argv) as daemon:
        wait_until(lambda: marked.count() == 1)
        os.kill(daemon.pid, signal.SIGKILL)
    wait_until(lambda: marked.count() == 0)

    def left() -> int:
        filters = {"label": f"{STORE_LABEL}={tmp_path / 'a'}"}
        return len(images.api.containers(all=True, filters=filters))

    DockerRuntime(tmp_path / "b").close()
    assert left() == 1  # another store's
    DockerRuntime(tmp_path / "a").close()
    assert left() == 0
    assert not (tmp_path / "a" / "w").exists()


class Gathering(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Docker's socket, behind which a command's first words come in one piece with the answer."""

    daemon_threads = True

    class RequestHandlerClass(socketserver.BaseRequestHandler):
        is_command = False

        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as docker:
                docker.connect("/var/run/docker.sock")
                threading.Thread(target=self.ask, args=(docker,), daemon=True).start()
                while chunk := docker.recv(1 << 16):
                    if self.is_command:
                        while chunk.startswith(b"HTTP/1.1 101 ") and chunk.endswith(b"\r\n\r\n"):
                            chunk += docker.recv(1 << 16)
                    self.request.sendall(chunk)

        def ask(self, docker: socket.socket) -> None:
            with suppress(OSError):  # it is closed
                while chunk := self.request.recv(1 << 16):
                    self.is_command = b"/exec/" in chunk
                    docker.sendall(chunk)


def test_the_first_words_of_a_quick_command_are_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busybox_image: str
) -> None:
    path = tmp_path / "docker.sock"
    with Gathering(str(path), Gathering.RequestHandlerClass) as gathering:
        threading.Thread(target=gathering.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        runtime = DockerRuntime(tmp_path / "docker")
        worker = runtime.open_worker(WorkerSpec("worker", busybox_image))
        try:
            assert run(worker, "echo", "first") == (OK, ["first"])
        finally:
            worker.close()
            runtime.close()
            gathering.shutdown()


def test_docker_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing")
    expected = r"^Docker does not answer: No such file .*; start it, or use --runtime process$"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the SDK's socket that did not connect
        with pytest.raises(RuntimeUnavailableError, match=expected) as caught:
            DockerRuntime(tmp_path / "scratch")
        del caught
        gc.collect()
    assert not (tmp_path / "scratch").exists()


class Registry:
    """Stands in for the engine: an image that takes as long as the test wants."""

    def __init__(self, failure: str = "") -> None:
        self.pulls = 0
        self.arrived = threading.Event()
        self._failure = failure

    def image(self, name: str) -> Image | None:
        return None

    def pull(self, name: str) -> Iterator[str]:
        self.pulls += 1
        yield f"{name}: 0 of 1 layers"
        assert self.arrived.wait(10)
        if self._failure:
            raise EngineError(self._failure)


def test_who_gives_up_does_not_wait_and_others_share_the_download() -> None:
    registry = Registry()
    pulls = Pulls(registry)  # type: ignore[arg-type]
    pulls.get("x", lambda: True)
    waiting = threading.Thread(target=pulls.get, args=("x", lambda: False))
    waiting.start()
    registry.arrived.set()
    waiting.join(10)
    assert not waiting.is_alive()
    assert registry.pulls == 1


def test_a_failed_download_is_not_tried_again_at_once() -> None:
    registry = Registry("no\n such host")
    registry.arrived.set()
    pulls = Pulls(registry)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(ImageUnavailableError, match=r"^image x is not here .*: no such host$"):
            pulls.get("x", lambda: False)
    assert registry.pulls == 1


def frame(stream: int, payload: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_frames_in_any_pieces(size: int) -> None:
    lines: list[str] = []
    output = Output(taking(lines))
    data = frame(1, b"a\nb") + frame(2, b"x\ny") + frame(1, b"c\n") + frame(1, b"")
    for start in range(0, len(data), size):
        output.feed(data[start : start + size])
    output.finish(started=True)
    assert lines == ["a", "x", "bc", "y"]


@pytest.mark.parametrize("started", [False, True])
def test_what_docker_says_in_place_of_a_command(started: bool) -> None:
    lines: list[str] = []
    output = Output(taking(lines))
    output.feed(frame(1, b"OCI runtime exec failed: no\r\n"))
    output.finish(started=started)
    assert lines == (["OCI runtime exec failed: no"] if started else [])
    assert output.failure == ("" if started else "OCI runtime exec failed: no")


NOT_FOUND = 'exec: "nosuch": executable file not found in $PATH'


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (f"unable to start container process: {NOT_FOUND}: unknown", Outcome(127, NOT_FOUND)),
        (f"unable to start container process: {NOT_FOUND}", Outcome(127, NOT_FOUND)),
        (
            f"container_linux.go:380: starting container process caused: {NOT_FOUND}: unknown",
            Outcome(127, NOT_FOUND),
        ),
        (
            'unable to start container process: exec: "/x": permission denied: unknown',
            Outcome(126, 'exec: "/x": permission denied'),
        ),
        (
            'unable to start container process: chdir to cwd ("/x") set in config.json failed: '
            "no such file or directory: unknown",
            Outcome(126, "/x: no such file or directory"),
        ),
        ("something new", Outcome(126, "something new")),
    ],
)
def test_what_several_versions_say_of_a_command_that_does_not_start(
    said: str, expected: Outcome
) -> None:
    assert not_started(f"OCI runtime exec failed: exec failed: {said}", "linux/odd") == expected


def test_a_program_for_another_platform_is_called_that() -> None:
    said = (
        "exec failed: container_linux.go:367: starting container process caused: exec format error"
    )
    reason = not_started(f"OCI runtime exec failed: {said}: unknown", "linux/x86_64").error
    assert reason is not None
    assert reason.endswith(
        "exec format error: the program is for another platform than linux/x86_64, or no program"
    )


def test_more_cores_than_there_are_is_all_of_them(images: Images, open_worker: Open) -> None:
    worker = open_worker(limits=Resources(cpu=1000))
    config = images.api.inspect_container(container_of(images, worker))["HostConfig"]
    cores = images.api.info()["NCPU"]
    assert config["NanoCpus"] == cores * 10**9


def test_a_limit_that_the_machine_can_t_keep_is_remarked_on(
    images: Images, docker_runtime: DockerRuntime
) -> None:
    cores = images.api.info()["NCPU"]
    assert docker_runtime.remark("any", [], Resources(cpu=1000)) == (
        "resource_limits.cpu is 1000, more than this machine has: a worker gets all its "
        f"{cores} CPUs"
    )
    assert docker_runtime.remark("any", [], Resources(cpu=cores)) == ""
    assert docker_runtime.remark("any", [], Resources()) == ""


@pytest.mark.parametrize(
    "said",
    [
        "unable to start container process: fork/exec /proc/self/exe: resource temporarily "
        "unavailable: unknown",
        "unable to start container process: open /dev/pts: no space left on device: unknown",
        "pipe2: too many open files: unknown",
        "unable to start container process: clone: Cannot allocate memory: unknown",
    ],
)
def test_a_machine_that_can_not_start_a_command_is_not_its_fault(said: str) -> None:
    with pytest.raises(InfrastructureError, match=r"^[^:]"):
        not_started(f"OCI runtime exec failed: exec failed: {said}", "linux/odd")


def test_a_container_that_was_left_is_replaced(
    docker_runtime: DockerRuntime, images: Images, busybox_image: str
) -> None:
    worker = docker_runtime.open_worker(WorkerSpec("w", busybox_image))
    left = container_of(images, worker)
    worker._folder.remove()  # as when Docker was away while the worker was closed
    again = docker_runtime.open_worker(WorkerSpec("w", busybox_image))
    assert run(again, "echo", "it works") == (OK, ["it works"])
    assert container_of(images, again) != left
    again.close()
    worker.close()


def test_a_container_started_anew_by_somebody_is_not_taken_for_ours(
    open_worker: Open, images: Images
) -> None:
    marked, worker = Marked(), open_worker()
    thread, said = in_thread(worker, Invocation(tuple(marked.command.split())))
    wait_until(lambda: marked.count() == 1)
    images.api.restart(container_of(images, worker), timeout=0)
    thread.join(20)
    [error] = said
    assert isinstance(error, InfrastructureError)
    assert run(worker, "echo", "again") == (OK, ["again"])


def test_a_container_that_somebody_started_between_two_commands_is_started_anew(
    open_worker: Open, images: Images
) -> None:
    marked, worker = Marked(), open_worker()
    thread, _ = in_thread(worker, Invocation(tuple(marked.command.split())))
    wait_until(lambda: marked.count() == 1)
    images.api.kill(container_of(images, worker))
    thread.join(20)
    images.api.start(container_of(images, worker))
    assert run(worker, "echo", "again") == (OK, ["again"])
