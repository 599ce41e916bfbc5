"""The ports that workers' programs are reached at: each has one owner, and is on 127.0.0.1 only."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pachlocal.errors import PortUnavailableError

from .contract import LOOPBACK, Port
from .forwarder import Forwarder


class Ports:
    """Who has which port, among the workers of a runtime. Any thread may use it."""

    def __init__(self) -> None:
        """Take nothing yet."""
        self._lock = threading.Lock()
        self._owners: dict[int, str] = {}

    def open(self, port: Port, owner: str) -> ExitStack:
        """Lead users to a program in the machine's network, which begins to listen by itself.

        Both ports are taken: else users could be led to another program on the internal one.

        Args:
            port: Which.
            owner: The name of the worker.

        Returns:
            What closes it.

        Raises:
            PortUnavailableError: Another program has one of the ports, or it is forbidden.
        """
        with ExitStack() as opened:
            for number in sorted({port.internal, port.external}):
                opened.enter_context(self._taken(number, owner))
            if port.internal != port.external:
                listener = opened.enter_context(_bound(port.external))
                opened.enter_context(Forwarder(listener, (LOOPBACK, port.internal)))
            return opened.pop_all()

    def reserve(self, number: int, owner: str) -> ExitStack:
        """Take a port for something else to listen on; see `open`."""
        with ExitStack() as opened:
            opened.enter_context(self._taken(number, owner))
            return opened.pop_all()

    @contextmanager
    def _taken(self, number: int, owner: str) -> Iterator[None]:
        with self._lock:
            if number in self._owners:
                raise PortUnavailableError(
                    f"port {number} is taken: worker {self._owners[number]} has it"
                )
            self._owners[number] = owner
        try:
            _bound(number).close()  # nobody else has it
            yield
        finally:
            del self._owners[number]


def _bound(number: int) -> socket.socket:
    """Return a socket that is bound to a port.

    Raises:
        PortUnavailableError: That is not possible.
    """
    bound = socket.socket()
    try:
        # Ports of connections that have just ended count as free, and those listened on don't.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, number))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortUnavailableError(
                f"port {number} is taken: another program of this machine has it"
            ) from error
        reason = os.strerror(error.errno or 0).lower()
        raise PortUnavailableError(f"can't listen on port {number}: {reason}") from error
    return bound
