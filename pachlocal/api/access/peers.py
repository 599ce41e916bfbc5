"""The users at the other end of a server's connections, each looked up once.

gRPC names a call's connection by the other end's address and port only, and these can be somebody
else's a moment after it has ended. So what was found counts while the kernel says that our end of
that very connection is open: nobody else can have its ports until then.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Collection
from contextlib import suppress
from urllib.parse import unquote

import grpc

from pachlocal.api.access.connections import Endpoint, end_of, place

_ESTABLISHED = 1  # the first byte of tcp_info, see tcp(7)
_DESCRIPTORS = "/proc/self/fd"
_SETTLE_S = 0.005  # in which gRPC tells that a connection has ended; mostly a tenth of it


class Peers:
    """Tells which calls come from certain users. Any thread may ask."""

    def __init__(self, uids: Collection[int]) -> None:
        """Begin without connections.

        Args:
            uids: The users.
        """
        self._uids = frozenset(uids)
        self._places: Collection[Endpoint] = ()
        self._lock = threading.Lock()
        self._ends: dict[str, socket.socket] = {}  # our ends of the users' connections

    def listen_at(self, places: Collection[Endpoint]) -> None:
        """Say at which addresses of the loopback interface the server is, all of them.

        At several of a kind there could be several connections with the same other end: nobody is
        known there.
        """
        alone = len({place.ip.version for place in places}) == len(places)
        self._places = places if alone else ()

    def made(self, context: grpc.ServicerContext) -> bool:
        """Whether one of the users made a call."""
        peer = context.peer()
        end = self._ends.get(peer)
        if end is None or not _is_open(end):
            end = self._find(peer)
            if end is None:
                return False
            if _has_ended(context):
                end.close()
                return False
            self._keep(peer, end)
        return bool(context.is_active())

    def close(self) -> None:
        """Forget all connections."""
        with self._lock:
            while self._ends:
                self._ends.popitem()[1].close()

    def _find(self, peer: str) -> socket.socket | None:
        """Return our end of a connection, if the other is one of the users'."""
        remote = _place(peer)
        for local in self._places:
            # Asked first, a stranger costs little; asked again, it is about the end that we hold.
            if remote is None or not self._is_users(remote, local):
                continue
            ours = end_of(local, remote)
            end = _open(ours.inode) if ours else None
            if end is None:
                continue
            if self._is_users(remote, local) and _is_open(end):
                return end
            end.close()
        return None

    def _is_users(self, remote: Endpoint, local: Endpoint) -> bool:
        theirs = end_of(remote, local) if remote.ip.version == local.ip.version else None
        return theirs is not None and theirs.uid in self._uids

    def _keep(self, peer: str, end: socket.socket) -> None:
        with self._lock:
            for name, kept in list(self._ends.items()):
                if name == peer or not _is_open(kept):
                    del self._ends[name]
                    kept.close()
            self._ends[peer] = end


def _place(peer: str) -> Endpoint | None:
    """Read gRPC's name of a connection's other end, such as `ipv6:%5B::1%5D:5000`."""
    kind, _, rest = unquote(peer).partition(":")
    host, _, port = rest.rpartition(":")
    if kind not in ("ipv4", "ipv6"):
        return None
    return place(host.strip("[]"), int(port))


def _open(inode: int) -> socket.socket | None:
    """Return a duplicate of a socket that this process has open."""
    name = f"socket:[{inode}]"
    for descriptor in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - a Path each takes five times as long
        with suppress(OSError):  # closed meanwhile
            if os.readlink(f"{_DESCRIPTORS}/{descriptor}") == name:  # noqa: PTH115
                end = socket.socket(fileno=os.dup(int(descriptor)))
                if os.fstat(end.fileno()).st_ino == inode:
                    return end
                end.close()
    return None


def _is_open(end: socket.socket) -> bool:
    """Whether a connection still is one; this neither waits nor lets other threads go first."""
    try:
        return end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED
    except OSError:  # closed by another thread
        return False


def _has_ended(context: grpc.ServicerContext) -> bool:
    """Whether a call's connection has ended; gRPC may hear of it only after its ports' new owner.

    Then it is a call of whoever had these ports before, which waited in the queue.
    """
    ended = threading.Event()
    return not context.add_callback(ended.set) or ended.wait(_SETTLE_S)
