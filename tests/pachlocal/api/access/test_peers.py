"""Calls whose connection has just ended, when its ports have another user already."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pachlocal.api.access.connections import place
from pachlocal.api.access.peers import Peers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


class Call:
    """A call that waits in the server's queue."""

    def __init__(self, client: socket.socket) -> None:
        host, port = client.getsockname()
        self._peer = f"ipv4:{host}:{port}"
        self.callbacks: list[Callable[[], None]] = []
        self.takes_callbacks = True
        self.active = True

    def peer(self) -> str:
        return self._peer

    def is_active(self) -> bool:
        return self.active

    def add_callback(self, callback: Callable[[], None]) -> bool:
        self.callbacks.append(callback)
        return self.takes_callbacks


class EndsMeanwhile(Call):
    def add_callback(self, callback: Callable[[], None]) -> bool:
        callback()
        return True


@pytest.fixture
def connection() -> Iterator[tuple[Peers, socket.socket]]:
    peers = Peers({os.geteuid()})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peers.listen_at([place(*listener.getsockname())])
        with socket.create_connection(listener.getsockname()) as client, listener.accept()[0]:
            yield peers, client
        peers.close()


def made(peers: Peers, call: Any) -> bool:
    return peers.made(call)


def test_a_call_of_a_connection_that_is_open_is_its_users(
    connection: tuple[Peers, socket.socket],
) -> None:
    peers, client = connection
    assert made(peers, Call(client))
    assert made(peers, Call(client))


def test_a_call_of_a_connection_that_ends_meanwhile_is_nobodys(
    connection: tuple[Peers, socket.socket],
) -> None:
    peers, client = connection
    assert not made(peers, EndsMeanwhile(client))
    over = Call(client)
    over.takes_callbacks = False
    assert not made(peers, over)


def test_a_call_that_was_cancelled_is_nobodys_though_its_ports_are_known(
    connection: tuple[Peers, socket.socket],
) -> None:
    peers, client = connection
    assert made(peers, Call(client))
    stale = Call(client)
    stale.active = False
    assert not made(peers, stale)


def test_at_two_addresses_of_a_kind_nobody_is_known(
    connection: tuple[Peers, socket.socket],
) -> None:
    peers, client = connection
    here = place(*client.getpeername())
    peers.listen_at([here, place("127.0.0.2", here.port)])
    assert not made(peers, Call(client))
