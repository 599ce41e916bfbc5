"""The front as a process: `python -m pachlocal.web --fd N`, with its order on standard input."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import gc
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn

from pachlocal.cli.pachctl.client.address import parse_address
from pachlocal.cli.pachctl.client.config import Settings
from pachlocal.shutdown import leave
from pachlocal.web.app import application
from pachlocal.web.guard import Pass
from pachlocal.web.order import Order, read
from pachlocal.web.upstream import Upstream

_LOOK_S = 5.0
_MISSED = 6  # looks: a daemon that is started again finds its page still there
_GRACE_S = 2  # for streams when the front ends
_IDLE_S = 75  # longer than proxies keep a connection: one that we close just then loses a request


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal, or until the daemon has gone for good."""
    parser = argparse.ArgumentParser(prog="python -m pachlocal.web", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="the socket to listen at")
    arguments = parser.parse_args(argv)
    order = read(sys.stdin.read())
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    settings = Settings(
        address=order.address, token=order.token, certificates=order.certificates, origin="order"
    )
    upstream = Upstream(parse_address(order.address, "order"), settings)
    needed = Pass(frozenset(order.origins), order.page_token, order.token, order.cookie)
    config = uvicorn.Config(
        application(upstream, needed),
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=_IDLE_S,
        ssl_certfile=order.certificate or None,
        ssl_keyfile=order.key or None,
    )
    listener = socket.socket(fileno=arguments.fd)
    gc.freeze()
    with suppress(KeyboardInterrupt):  # uvicorn passes on the signal that it has ended for
        asyncio.run(_serve(uvicorn.Server(config), listener, order))
    return 0


async def _serve(server: uvicorn.Server, listener: socket.socket, order: Order) -> None:
    watching = asyncio.create_task(_watch(server, Path(order.lock))) if order.lock else None
    await server.serve(sockets=[listener])
    if watching is not None:
        watching.cancel()


async def _watch(server: uvicorn.Server, lock: Path) -> None:
    """End the server when nobody has held the daemon's lock for some time."""
    missed = 0
    while missed < _MISSED:
        await asyncio.sleep(_LOOK_S)
        missed = 0 if _is_held(lock) else missed + 1
    server.should_exit = True


def _is_held(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


if __name__ == "__main__":
    leave(main())
