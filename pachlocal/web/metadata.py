"""Request headers become the metadata of a call, and what comes back becomes headers."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from starlette.requests import Request

# Of the connection and of HTTP itself; what gRPC sets itself; and the cookies, which are for us.
_NOT_SENT = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"),
        *("trailer", "host", "content-type", "content-length", "content-encoding", "expect"),
        *("accept", "accept-encoding", "user-agent", "cookie", "range"),
    )
)
_KEY = re.compile(r"[0-9a-z_.-]+")
_VALUE = re.compile(r"[ -~]*")
_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_LONGEST_S = 366 * 24 * 3600.0  # gRPC can't reckon with much more
_UNITS_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}

Pairs = list[tuple[str, str | bytes]]


def of_request(request: Request, token: str) -> Pairs:
    """Return the metadata for the calls that answer a request.

    Args:
        request: It. The guard has taken out of it what only proves that it may come in.
        token: Proves to the server who the user is, where the request doesn't say that itself.
    """
    found: Pairs = []
    for key, value in request.headers.items():
        name = key.removeprefix("grpc-metadata-")
        if name in _NOT_SENT or name.startswith(("grpc-", "sec-")) or not _KEY.fullmatch(name):
            continue
        if name.endswith("-bin"):
            try:
                found.append((name, base64.b64decode(value, validate=True)))
            except binascii.Error:
                continue
        elif _VALUE.fullmatch(value):
            found.append((name, value))
    asked = request.query_params.get("authn-token", "")
    if asked and not any(name == "authn-token" for name, _ in found):
        found.append(("authn-token", asked))
    if token and not any(name == "authn-token" for name, _ in found):
        found.append(("authn-token", token))
    return found


def timeout_s(request: Request) -> float | None:
    """Return how long a call may take, as the header Grpc-Timeout says it."""
    match = _TIMEOUT.fullmatch(request.headers.get("grpc-timeout", ""))
    return min(int(match[1]) * _UNITS_S[match[2]], _LONGEST_S) if match else None


def as_headers(metadata: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str]:
    """Return the headers for the metadata that a server begins its answer with."""
    return {
        f"grpc-metadata-{key}": base64.b64encode(value).decode()
        if isinstance(value, bytes)
        else value
        for key, value in metadata or ()
    }
