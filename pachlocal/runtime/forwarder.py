"""Passes TCP connections on from one port to another, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from asyncio import StreamReader, StreamWriter
from contextlib import closing, suppress

_PIECE = 1 << 16  # bytes passed on at once


class Forwarder:
    """Passes on what comes to a socket, from `with` to its end, which ends all connections.

    While nobody listens at the target, connections are taken and closed at once.
    """

    def __init__(self, listener: socket.socket, target: tuple[str, int]) -> None:
        """Take what is needed; nothing is passed on yet.

        Args:
            listener: A bound socket.
            target: The host and port to connect to.
        """
        self._listener = listener
        self._target = target
        self._connections: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name=f"forwarder to port {target[1]}")

    def __enter__(self) -> Forwarder:
        """Begin.

        Raises:
            OSError: It isn't possible to listen on the socket, or there are too many open files.
        """
        self._listener.listen()
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and wait for that."""
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        server = await asyncio.start_server(self._connected, sock=self._listener)
        await self._ending.wait()
        server.close()  # and asyncio.run ends the tasks

    def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._connections.add(task)  # asyncio itself would let it be collected
        task.add_done_callback(self._connections.discard)

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        with closing(writer), suppress(OSError):  # one side's end is told the other by closing it
            there, back = await asyncio.open_connection(*self._target)
            with closing(back):
                await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(source: StreamReader, target: StreamWriter) -> None:
    """Pass on what one side says, and that it has said all."""
    while piece := await source.read(_PIECE):
        target.write(piece)
        await target.drain()
    target.write_eof()
