"""The grammar of a server's address: [scheme://]host[:port], or unix:///path."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from pachlocal.errors import CliError

DEFAULT_PORT = 30650
_SCHEMES = {"grpc": False, "http": False, "grpcs": True, "https": True}
_FORM = "an address is [grpc://|grpcs://]host[:port]"


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes:
        host: A name or an IP address; empty for a Unix socket.
        port: The TCP port.
        secure: Whether it speaks TLS.
        socket: The path of a Unix socket, else empty.
    """

    host: str
    port: int = DEFAULT_PORT
    secure: bool = False
    socket: str = ""

    @property
    def target(self) -> str:
        """The address as gRPC takes it."""
        return f"unix:{self.socket}" if self.socket else self._host_and_port

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        if self.socket or self.host == "localhost":
            return True
        try:
            ip = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return ip.is_loopback or ip.is_unspecified

    def __str__(self) -> str:
        if self.socket:
            return f"unix://{self.socket}"
        return f"{'grpcs' if self.secure else 'grpc'}://{self._host_and_port}"

    @property
    def _host_and_port(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str, origin: str) -> Address:
    """Read an address.

    Args:
        text: The address.
        origin: Where it comes from, for the error message.

    Raises:
        CliError: It isn't an address.
    """
    try:
        return _parse(text.strip())
    except ValueError as error:
        raise CliError(f'{origin}: "{text}": {error}; {_FORM}') from None


def _parse(text: str) -> Address:
    url = urlsplit(text if "://" in text else f"grpc://{text}")
    if url.scheme == "unix":
        if not url.path or url.netloc:
            raise ValueError("a Unix socket needs an absolute path, as in unix:///run/pachd.sock")
        return Address(host="", socket=url.path)
    if url.scheme not in _SCHEMES:
        raise ValueError(f'unknown scheme "{url.scheme}"')
    for unwanted, name in (
        (url.path, "a path"),
        (url.query or url.fragment or "?" in text or "#" in text, "a query or fragment"),
        ("@" in url.netloc, "a user"),
    ):
        if unwanted:
            raise ValueError(f"{name} has no place here")
    if not url.hostname:
        raise ValueError("the host is missing")
    if any(character.isspace() for character in url.hostname):
        raise ValueError("the host has a space in it")
    port = url.port  # raises ValueError by itself when it is out of range
    if port == 0:
        raise ValueError("the port is 0")
    return Address(url.hostname, DEFAULT_PORT if port is None else port, _SCHEMES[url.scheme])
