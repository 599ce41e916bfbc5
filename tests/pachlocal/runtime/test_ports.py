from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pachlocal.errors import PortUnavailableError
from pachlocal.runtime.contract import LOOPBACK, Port, WorkerSpec
from pachlocal.runtime.ports import Ports
from pachlocal.runtime.process import ProcessRuntime

DEADLINE_S = 20.0


def unused() -> int:
    """Return the number of a port that nobody listens on."""
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])


def listen(number: int = 0) -> socket.socket:
    listener = socket.create_server((LOOPBACK, number))
    listener.settimeout(DEADLINE_S)
    return listener


def connect(number: int) -> socket.socket:
    return socket.create_connection((LOOPBACK, number), DEADLINE_S)


@pytest.fixture
def ports() -> Iterator[Ports]:
    ports = Ports()
    yield ports
    assert ports._owners == {}


def test_both_sides_and_their_ends_are_passed_on(ports: Ports) -> None:
    port = Port(unused(), unused(), apart=False)
    with ports.open(port, "w"), listen(port.internal) as program, connect(port.external) as user:
        there, _ = program.accept()
        with there:
            large = b"x" * (1 << 20)
            user.sendall(b"question")
            user.shutdown(socket.SHUT_WR)
            with there.makefile("rb") as asked:
                assert asked.read() == b"question"
            there.sendall(large)
        with user.makefile("rb") as answered:
            assert answered.read() == large


def test_a_connection_ends_while_nobody_listens(ports: Ports) -> None:
    port = Port(unused(), unused(), apart=False)
    with ports.open(port, "w"), connect(port.external) as user:
        assert user.recv(1) == b""


def test_closing_ends_connections_and_frees_the_port(ports: Ports) -> None:
    port = Port(unused(), unused(), apart=False)
    opened = ports.open(port, "w")
    with listen(port.internal) as program, connect(port.external) as user:
        there, _ = program.accept()
        opened.close()
        assert (there.recv(1), user.recv(1)) == (b"", b"")
        there.close()
    with listen(port.external), pytest.raises(PortUnavailableError):
        ports.open(port, "w")
    ports.open(port, "w").close()


def test_only_this_machine_gets_in(ports: Ports) -> None:
    port = Port(unused(), unused(), apart=False)
    with ports.open(port, "w"), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port.external), DEADLINE_S)


def test_a_program_on_the_port_itself_needs_nobody_between(ports: Ports) -> None:
    number = unused()
    with ports.open(Port(number, number, apart=False), "w"), listen(number), connect(number):
        pass


@pytest.mark.parametrize("field", ["internal", "external"])
def test_another_program_has_it(ports: Ports, field: str) -> None:
    with listen() as other:
        taken = other.getsockname()[1]
        numbers = {"internal": unused(), "external": unused(), field: taken}
        words = f"^port {taken} is taken: another program of this machine has it$"
        with pytest.raises(PortUnavailableError, match=words):
            ports.open(Port(**numbers, apart=False), "w")


def test_another_worker_has_it_before_it_listens(ports: Ports) -> None:
    internal = unused()
    with ports.open(Port(internal, unused(), apart=False), "first"):
        words = f"^port {internal} is taken: worker first has it$"
        with pytest.raises(PortUnavailableError, match=words):
            ports.open(Port(internal, unused(), apart=False), "second")
        with pytest.raises(PortUnavailableError, match=words):
            ports.reserve(internal, "second")


def test_a_refused_worker_leaves_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    runtime = ProcessRuntime(tmp_path_factory.mktemp("scratch"), {})
    with listen() as other:
        port = Port(other.getsockname()[1], unused(), apart=True)
        with pytest.raises(PortUnavailableError):
            runtime.open_worker(WorkerSpec("w", "image", port=port))
    worker = runtime.open_worker(WorkerSpec("w", "image", port=port))
    worker.close()
    runtime.open_worker(WorkerSpec("w", "image", port=port)).close()
