"""Who has an end of a TCP connection of this machine, as Linux tells.

The kernel is asked about one connection (sock_diag(7)), which takes 20 us however many there are.
Where it doesn't answer that, all of them are read from /proc/net/tcp and /proc/net/tcp6 (proc(5)),
which takes milliseconds. Other systems don't tell.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

_ESTABLISHED = 1  # linux/net/tcp_states.h; a socket in another state may be closed already

# linux/netlink.h and linux/inet_diag.h
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_FLAG = 1
_MESSAGE = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, number, port
_REQUEST = struct.Struct("=BBBxI4s16s16sIII")  # inet_diag_req_v2, its ports as they are sent
_ANSWER = struct.Struct("=BBxx4s16s16sIII12xII")  # inet_diag_msg
_PORTS = struct.Struct("!HH")
_ANY = (0, 0xFFFFFFFF, 0xFFFFFFFF)  # any interface, any of two numbers that tell sockets apart
_ALL_STATES = 0xFFFFFFFF
_TIMEOUT_S = 1.0

_TABLES = (("/proc/net/tcp", False), ("/proc/net/tcp6", True))
_TRIES = 3  # a row can be left out when others vanish while the table is read


class Endpoint(NamedTuple):
    """An address and a port; an IPv4 address that is written as IPv6 is IPv4."""

    ip: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int


class End(NamedTuple):
    """One end of a connection.

    Attributes:
        uid: The user who made it, as this process's user namespace numbers users.
        inode: The number of the open socket.
    """

    uid: int
    inode: int


_Way: TypeAlias = Callable[[Endpoint, Endpoint], "End | None"]


def place(host: str, port: int) -> Endpoint:
    """Make a place of an IP address and a port.

    Raises:
        ValueError: It is not an IP address.
    """
    ip = ipaddress.ip_address(host)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return Endpoint(mapped or ip, port)


def end_of(local: Endpoint, remote: Endpoint) -> End | None:
    """Find one end of an established connection.

    Args:
        local: Where this end is.
        remote: Where the other end is.

    Returns:
        None if there is no such connection (any more), or nobody has this end open, or its user has
        no number in this user namespace, or the system tells nothing.
    """
    way = _way()
    end = way(local, remote) if way else None
    # The end of a process that has gone has no inode, and on older kernels seems to be root's.
    return end if end and end.inode and end.uid != _nobody() else None


def is_told() -> bool:
    """Whether this system tells who has an end of a connection."""
    return _way() is not None


@cache
def _way() -> _Way | None:
    """Return how to find out, tried on a connection of our own."""
    if sys.platform != "linux" or os.geteuid() == _nobody():
        return None
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as ours,
    ):
        local, remote = place(*ours.getsockname()), place(*ours.getpeername())
        truth = End(os.geteuid(), os.fstat(ours.fileno()).st_ino)
        for way in (_ask, _read):
            with suppress(OSError):
                if way(local, remote) == truth:
                    return way
    return None


@cache
def _nobody() -> int:
    """Return what stands for all users who have no number here; see user_namespaces(7)."""
    with suppress(OSError):
        return int(Path("/proc/sys/kernel/overflowuid").read_text())
    return 65534


def _ask(local: Endpoint, remote: Endpoint) -> End | None:
    """Ask the kernel about one connection.

    Raises:
        OSError: It doesn't answer.
    """
    family = {4: socket.AF_INET, 6: socket.AF_INET6}[local.ip.version]
    wanted = (_PORTS.pack(local.port, remote.port), local.ip.packed, remote.ip.packed)
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, _ALL_STATES, *wanted, *_ANY)
    length = _MESSAGE.size + len(request)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_TIMEOUT_S)
        kernel.send(_MESSAGE.pack(length, _SOCK_DIAG_BY_FAMILY, _REQUEST_FLAG, 0, 0) + request)
        answer = kernel.recv(8192)
    if _MESSAGE.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return None  # an error: there is none
    family, state, ports, source, target, *_, uid, inode = _ANSWER.unpack_from(
        answer, _MESSAGE.size
    )
    length = 4 if family == socket.AF_INET else 16
    source_port, target_port = _PORTS.unpack(ports)
    found = (_place(source[:length], source_port), _place(target[:length], target_port))
    # Where there is no connection the answer is about who listens.
    return End(uid, inode) if state == _ESTABLISHED and found == (local, remote) else None


def _read(local: Endpoint, remote: Endpoint) -> End | None:
    """Look for one connection among all.

    Raises:
        OSError: They can't be read.
    """
    for _ in range(_TRIES):
        for table, mapped in _TABLES:
            row = f" {_row(local, mapped)} {_row(remote, mapped)} {_ESTABLISHED:02X} "
            _, found, rest = Path(table).read_text().partition(row)
            if found:
                _, _, _, uid, _, inode, _ = rest.split(maxsplit=6)
                return End(int(uid), int(inode))
    return None


def _row(where: Endpoint, mapped: bool) -> str:
    """Write a place as the tables do: words in the machine's order of bytes."""
    packed = where.ip.packed
    if mapped and len(packed) == 4:
        packed = bytes(10) + b"\xff\xff" + packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{where.port:04X}"


def _place(packed: bytes, port: int) -> Endpoint:
    return place(str(ipaddress.ip_address(packed)), port)
