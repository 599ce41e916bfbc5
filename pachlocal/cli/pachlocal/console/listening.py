"""Where a front listens, and by which addresses browsers may know it."""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from dataclasses import dataclass

from pachlocal.own_names import own_names

PORT = 30080
"""Where Pachyderm's proxy is by default."""

_LOOPBACK = "127.0.0.1"
_OTHERS = 10  # ports after a taken one that are tried before any that is free
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")
_USUAL = {"http": 80, "https": 443}  # ports that a browser doesn't say


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that is listened at: who connects before the front reads waits for it.

    Attributes:
        socket: It.
        scheme: http or https.
        host: The host that links name.
        port: The port that it has.
        is_any: Whether it is all addresses of this machine that are listened at.
    """

    socket: socket.socket
    scheme: str
    host: str
    port: int
    is_any: bool = False

    @property
    def origin(self) -> str:
        """The address of the front in links."""
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def origins(self) -> list[str]:
        """All addresses that the front is known by."""
        hosts = {self.host}
        if is_loopback(self.host):
            hosts |= {_LOOPBACK, "localhost", "[::1]"}
        elif self.is_any:
            hosts |= {f"[{name}]" if ":" in name else name.lower() for name in own_names()}
        else:
            hosts.add(socket.gethostname().lower())
        found = {f"{self.scheme}://{host}:{self.port}" for host in hosts}
        if self.port == _USUAL[self.scheme]:
            found |= {f"{self.scheme}://{host}" for host in hosts}
        return sorted(found)

    def link(self, token: str) -> str:
        """Return the link that lets a browser in."""
        return f"{self.origin}/?token={token}"


def parse(text: str) -> tuple[str, int]:
    """Read HOST:PORT.

    Raises:
        ValueError: It is not of this form.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[2]) > 65535:
        raise ValueError(f"{text!r} isn't an address: it must be HOST:PORT, like 127.0.0.1:30080")
    return match[1].lower(), int(match[2])


def is_loopback(host: str) -> bool:
    """Whether other machines can't reach a host's address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int, scheme: str = "http") -> Listener:
    """Listen at an address.

    Raises:
        OSError: It is taken, or no address of this machine.
    """
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((bare, port))
        found.listen(128)
    except OSError:
        found.close()
        raise
    is_any = bare in ("0.0.0.0", "::")  # noqa: S104 - compared only
    shown = socket.gethostname().lower() if is_any else host
    return Listener(found, scheme, shown, found.getsockname()[1], is_any)


def listen_nearby(usual: int = PORT, first: int = 0) -> Listener:
    """Listen at a port of this machine, or one near it when that is taken.

    Args:
        usual: That port; 0 is any that is free.
        first: What is tried before: where pages that are open look for their front; 0 for none.

    Raises:
        OSError: None is free.
    """
    near = range(usual, min(usual + _OTHERS, 65536)) if usual else ()
    for port in dict.fromkeys((*((first,) if first else ()), *near)):
        with suppress(OSError):
            return listen(_LOOPBACK, port)
    return listen(_LOOPBACK, 0)
