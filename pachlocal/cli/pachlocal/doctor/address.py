"""The daemon's port, and where pachctl looks for it."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path

from pachlocal.cli.pachctl.client.config import Settings, load
from pachlocal.cli.pachlocal.doctor.finding import Finding, Verdict
from pachlocal.cli.pachlocal.options import at
from pachlocal.errors import CliError

_TIMEOUT_S = 3.0
_MAX_PORT = 65535


def check_address(address: str, holder: str | None, root: Path) -> Finding:
    """Whether the daemon can listen, or who does.

    Args:
        address: HOST:PORT.
        holder: The address of the daemon that has the store, if one does.
        root: The store.
    """
    elsewhere = f"choose another: pachlocal up{at(root)} --address 127.0.0.1:0"
    if holder is not None:
        return Finding(Verdict.PASS, "address", f"pachlocal runs on this store, at {holder}")
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and int(port) <= _MAX_PORT):
        cure = "an address is HOST:PORT, like 127.0.0.1:30650"
        return Finding(Verdict.FAIL, "address", f"{address!r} isn't an address", cure)
    try:
        _bind(host.strip("[]"), int(port))
    except OSError as error:
        who = _answering(address)
        if who:
            text = f"{address} is held by {who}"
            if who.startswith("pachlocal"):
                cure = "use it, stop it (pachlocal down --root …), or choose another address"
                return Finding(Verdict.FAIL, "address", text, cure)
            return Finding(Verdict.FAIL, "address", text, elsewhere)
        text = f"can't listen on {address}: {error.strerror}"
        return Finding(Verdict.FAIL, "address", text, elsewhere)
    return Finding(Verdict.PASS, "address", f"{address} is free")


def check_client(address: str, holder: str | None) -> Finding:
    """Whether `pachctl` is found, and looks where the daemon is, or is to be.

    Args:
        address: Where the daemon is to listen, HOST:PORT.
        holder: The address of the daemon that has the store, if one does.
    """
    ours = Path(sys.executable).parent
    found = shutil.which("pachctl")
    if found is None:
        cure = f"activate the environment: . {ours / 'activate'}"
        return Finding(Verdict.FAIL, "pachctl", "pachctl is not on PATH", cure)
    text = found if Path(found).parent == ours else f"{found}, which is not pachlocal's"
    try:
        settings = load()
    except CliError as error:
        cure = "correct or move the file, or export PACH_CONFIG=FILE"
        return Finding(Verdict.FAIL, "pachctl", str(error), cure)
    wanted = (holder or address).removeprefix("grpc://")
    if settings.address.removeprefix("grpc://") != wanted and (
        holder or settings.origin != "default"
    ):
        text += f"; it talks to {settings.address}"
        text += "" if settings.origin == "default" else f", as {settings.origin} says"
        cure = f"if you want pachlocal: export PACHD_ADDRESS=grpc://{wanted}"
        if wanted.endswith(":0") or wanted.startswith("grpcs://"):
            cure = "if you want pachlocal: do the export that `pachlocal up` prints"
        return Finding(Verdict.NOTE, "pachctl", text, cure)
    return Finding(Verdict.PASS, "pachctl", text)


def _bind(host: str, port: int) -> None:
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)


def _answering(address: str) -> str:
    """Return what kind of server has an address; empty if nothing listens there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT_S).close()
    except OSError:
        return ""
    import grpc  # takes a while to load
    from google.protobuf import empty_pb2

    from pachlocal.cli.pachctl.client.connection import APIClient

    server = APIClient(Settings(address=f"grpc://{address}"))
    try:
        version = server.version.GetVersion(empty_pb2.Empty(), timeout=_TIMEOUT_S)
        kind = "pachlocal, on another store" if server.local is not None else "another Pachyderm"
    except grpc.RpcError:
        return "a program that isn't Pachyderm"
    finally:
        server.close()
    return f"{kind} (API {version.major}.{version.minor}.{version.micro})"
