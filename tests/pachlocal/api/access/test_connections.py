"""What the kernel tells of connections, asked in either way."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pachlocal.api.access import connections
from pachlocal.api.access.connections import End, Endpoint, place

from .stranger import UID, relaying

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")

WAYS = [connections._ask, connections._read]


@pytest.fixture(params=WAYS, ids=["sock_diag", "proc"])
def only_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leaves one of the two."""

    def fail(*_: object) -> None:
        raise OSError

    for way in WAYS:
        if way is not request.param:
            monkeypatch.setattr(connections, way.__name__, fail)
    connections._way.cache_clear()
    yield
    connections._way.cache_clear()


def ends(client: socket.socket) -> tuple[Endpoint, Endpoint]:
    return place(*client.getsockname()[:2]), place(*client.getpeername()[:2])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.usefixtures("only_way")
def test_both_ends_of_a_connection_are_told(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    served = "127.0.0.1" if "." in host else host
    with ExitStack() as stack:
        listener = stack.enter_context(
            socket.create_server((served, 0), family=socket.AF_INET if "." in host else family)
        )
        client = stack.enter_context(socket.socket(family))
        client.connect((host, listener.getsockname()[1]))
        server = stack.enter_context(listener.accept()[0])
        local, remote = ends(client)
        for one, here, there in ((client, local, remote), (server, remote, local)):
            inode = os.fstat(one.fileno()).st_ino
            assert connections.end_of(here, there) == End(os.geteuid(), inode)


@pytest.mark.usefixtures("only_way")
def test_who_listens_at_a_port_is_not_who_has_a_connection_from_it() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        here, there = place(*other.getsockname()), place(*listener.getsockname())
        assert connections.end_of(here, there) is None


@pytest.mark.usefixtures("only_way")
def test_an_end_that_was_closed_has_no_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        with listener.accept()[0]:
            here, there = ends(client)
            client.close()  # the other end isn't: it stays in the kernel
            assert connections.end_of(here, there) is None


@pytest.mark.usefixtures("only_way")
def test_one_connection_is_found_among_thousands() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        clients = [
            stack.enter_context(socket.create_connection(listener.getsockname()))
            for _ in range(min(2000, _most_files() // 2))
        ]
        for client in clients[:: len(clients) // 3]:
            inode = os.fstat(client.fileno()).st_ino
            assert connections.end_of(*ends(client)) == End(os.geteuid(), inode)


@pytest.mark.usefixtures("only_way")
def test_another_users_end_is_that_users() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, target = _free_port(), f"127.0.0.1:{listener.getsockname()[1]}"
        with relaying(port, target, UID) as way:
            host, _, number = way.rpartition(":")
            with socket.create_connection((host, int(number))), listener.accept()[0] as server:
                there, here = ends(server)
                found = connections.end_of(here, there)
                assert found is not None
                assert found.uid == UID


def test_a_user_without_a_number_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_nobody", os.geteuid)  # as in a user namespace
    connections._way.cache_clear()
    assert not connections.is_told()
    connections._way.cache_clear()


def _most_files() -> int:
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
