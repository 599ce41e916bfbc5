"""The ways into a daemon: which there are, who may take each, and how clients learn of them."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from shlex import quote

import grpc

from pachlocal import contexts, local_socket
from pachlocal.api.access.certificates import identity
from pachlocal.api.access.connections import Endpoint, is_told
from pachlocal.api.access.gate import Gate
from pachlocal.api.access.peers import Peers
from pachlocal.api.server import APIServer
from pachlocal.errors import AddressInUseError, ConfigError, InvalidArgumentError
from pachlocal.private_files import write_private

CONFIG = "pachctl.json"
"""The file in the store that tells clients of Pachyderm where the daemon is and what they need."""

_TLS = "tls"  # the folder of what TLS needs
_LOOPBACK = "127.0.0.1"
_ANY = ("0.0.0.0", "[::]")  # noqa: S104 - compared only

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What a daemon is asked to listen on.

    Attributes:
        address: HOST:PORT.
        tls: Whether to encrypt, and ask everybody for a token.
        insecure: Whether to let in everybody.
    """

    address: str
    tls: bool = False
    insecure: bool = False

    @property
    def host(self) -> str:
        """The address without the port."""
        return self.address.rpartition(":")[0]


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a daemon is reached.

    Attributes:
        address: By TCP, with its scheme.
        export: What makes any client find it: an argument for a shell's `export`.
        socket: The Unix socket of its user's own clients; empty when there is none.
        warning: What the user should know; empty for nothing.
        peer: Variables by which the programs of workers find it.
    """

    address: str
    export: str
    socket: str
    warning: str
    peer: dict[str, str] = field(repr=False)


def listen(server: APIServer, request: Request, root: Path, deployment: str) -> Listening:
    """Open all ways in.

    Args:
        server: What is reached by them.
        request: What was asked for.
        root: The store's folder.
        deployment: The store's ID.

    Raises:
        InvalidArgumentError: Other machines reach the address, and nobody said what that takes.
        AddressInUseError: It isn't possible to listen on the address.
        RuntimeUnavailableError: What TLS needs isn't installed.
        OSError: The store can't be written.
    """
    if request.tls:
        way = _with_tls(server, request, root)
    elif request.insecure:
        way = _for_everybody(server, request)
    else:
        way = _on_loopback(server, request.address)
    own = _open_socket(server, request.host, way.port)
    config = root / CONFIG
    fields = contexts.context(way.address, way.token, way.certificate, deployment)
    try:
        contexts.put(config, fields, active=True)
    except ConfigError as error:  # whatever has come into it, it is the daemon's
        _log.warning("%s; it is rewritten", error)
        write_private(config, contexts.content(fields))
    by_address = request.insecure or (is_told() and not request.tls)
    known = f"PACHD_ADDRESS={way.address}" if by_address else f"PACH_CONFIG={quote(str(config))}"
    warning = f"whoever reaches {request.address} can run commands as you and read your files"
    return Listening(way.address, known, own, warning if request.insecure else "", way.peer)


@dataclass(frozen=True, slots=True)
class _Way:
    """How clients get in, and those of workers."""

    address: str
    port: int
    peer: dict[str, str]
    token: str = ""
    certificate: bytes = b""


def _on_loopback(server: APIServer, address: str) -> _Way:
    """Listen where nobody but this machine's users can be, and let in one of them."""
    host = address.rpartition(":")[0]
    try:
        ips = _loopback(host)
    except socket.gaierror:
        raise AddressInUseError(address) from None
    if not ips:
        raise InvalidArgumentError(
            f"other machines reach {address}: use --tls, which requires a token, "
            "or --insecure, which lets in everybody"
        )
    token = secrets.token_urlsafe()  # of this daemon only: it is sent without TLS
    peers = Peers({os.geteuid()})
    port = server.open(address, Gate(peers, token))
    peers.listen_at([Endpoint(ip, port) for ip in ips])
    return _Way(f"grpc://{host}:{port}", port, _peer(host, port, token), token)


def _with_tls(server: APIServer, request: Request, root: Path) -> _Way:
    """Let in whoever has the token, which is kept as long as the store."""
    host = socket.gethostname() if request.host in _ANY else request.host
    ours = identity(root / _TLS, host.strip("[]"))
    credentials = grpc.ssl_server_credentials([(ours.key, ours.certificate)])
    port = server.open(request.address, Gate(None, ours.token), credentials)
    # In a worker clients take an address without TLS, as on a cluster.
    peer = _on_loopback(server, f"{_LOOPBACK}:0").peer
    return _Way(f"grpcs://{host}:{port}", port, peer, ours.token, ours.certificate)


def _for_everybody(server: APIServer, request: Request) -> _Way:
    port = server.open(request.address)
    host = _LOOPBACK if request.host in _ANY else request.host
    return _Way(f"grpc://{host}:{port}", port, _peer(host, port, ""))


def _open_socket(server: APIServer, host: str, port: int) -> str:
    """Let in the user's own clients without a look at them: nobody else reaches the socket."""
    path = local_socket.make_place(_LOOPBACK if host in (*_ANY, "localhost") else host, port)
    if path is None:
        _log.info("there is no folder for a Unix socket; clients use %s:%d", host, port)
        return ""
    server.open(f"unix:{path}")
    path.chmod(0o600)
    return str(path)


def _peer(host: str, port: int, token: str) -> dict[str, str]:
    """Return the variables by which programs in workers find the server, and are let in."""
    peer = {"PACHD_PEER_SERVICE_HOST": host, "PACHD_PEER_SERVICE_PORT": str(port)}
    if host in (_LOOPBACK, "localhost"):
        peer["PEER_PORT"] = str(port)  # where pachctl in a worker looks, on this machine
    if token:
        peer["PACH_PYTHON_AUTH_TOKEN"] = token  # a container's user is another
    return peer


def _loopback(host: str) -> list[IPv4Address | IPv6Address]:
    """Return the addresses of a host; none if one isn't of the loopback interface."""
    if host == "localhost":  # gRPC listens at both, whatever /etc/hosts says
        return [ip_address(_LOOPBACK), ip_address("::1")]
    found = {entry[4][0] for entry in socket.getaddrinfo(host.strip("[]"), None)}
    ips = [ip_address(entry) for entry in found]
    return ips if all(ip.is_loopback for ip in ips) else []
