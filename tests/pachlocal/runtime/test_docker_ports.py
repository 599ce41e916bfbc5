"""Programs in containers that listen: where they are reached, and from where they aren't."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("docker", reason="needs the extra docker")

from pachlocal.errors import PortUnavailableError
from pachlocal.runtime.contract import Invocation, Port, WorkerSpec
from pachlocal.runtime.docker.runtime import DockerRuntime
from pachlocal.runtime.docker.worker import DockerWorker

from .test_ports import connect, unused

if TYPE_CHECKING:
    from images.busybox import Images

DEADLINE_S = 20.0


@pytest.fixture(scope="module")
def image(images: Images) -> str:
    return images.make(applets="sh cat echo httpd sleep")


@pytest.fixture
def serve(docker_runtime: DockerRuntime, image: str) -> Iterator[Callable[[Port], DockerWorker]]:
    """Makes a worker that serves its own name as a file `/name`."""
    made: list[tuple[DockerWorker, threading.Thread]] = []

    def serve_(port: Port) -> DockerWorker:
        name = f"worker{len(made)}"
        worker = docker_runtime.open_worker(WorkerSpec(name, image, port=port))
        (worker.pfs / "name").write_text(name)
        script = f"httpd -p {port.internal} -h /pfs; echo it serves; sleep 1000"
        serves = threading.Event()
        invocation = Invocation(("sh", "-c", script))
        thread = threading.Thread(target=worker.run, args=(invocation, lambda _: serves.set()))
        made.append((worker, thread))
        thread.start()
        assert serves.wait(DEADLINE_S)
        return worker

    yield serve_
    for worker, thread in made:
        worker.close()
        thread.join()


def get(number: int) -> str:
    url = f"http://127.0.0.1:{number}/name"
    with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
        return str(answer.read().decode())


def test_two_listen_on_one_port_apart(serve: Callable[[Port], DockerWorker]) -> None:
    first, second = (Port(80, unused(), apart=True) for _ in range(2))
    serve(first)
    serve(second)
    assert [get(port.external) for port in (first, second)] == ["worker0", "worker1"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", first.external), DEADLINE_S)


def test_in_the_machine_s_network_it_is_forwarded(serve: Callable[[Port], DockerWorker]) -> None:
    port = Port(unused(), unused(), apart=False)
    serve(port)
    assert get(port.external) == "worker0"


def test_closing_frees_the_port(serve: Callable[[Port], DockerWorker]) -> None:
    port = Port(80, unused(), apart=True)
    serve(port).close()
    with pytest.raises(ConnectionRefusedError):
        connect(port.external)
    serve(port)
    assert get(port.external) == "worker1"


@pytest.mark.parametrize("apart", [False, True])
def test_a_port_that_is_taken(docker_runtime: DockerRuntime, image: str, *, apart: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        spec = WorkerSpec("w", image, port=Port(unused(), taken, apart))
        with pytest.raises(PortUnavailableError, match=f"^port {taken} is taken: another program"):
            docker_runtime.open_worker(spec)
    docker_runtime.open_worker(spec).close()
