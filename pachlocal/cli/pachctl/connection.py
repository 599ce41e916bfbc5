"""The connection to the server, and what to say when a call over it fails."""

from __future__ import annotations

import base64
import binascii
from functools import cached_property
from typing import TYPE_CHECKING, cast

import grpc

from pachlocal.cli.pachctl.address import Address, parse_address
from pachlocal.cli.pachctl.config import Settings
from pachlocal.cli.pachctl.errors import CliError

if TYPE_CHECKING:
    from pachlocal.cli.pachctl.session import Session
    from pachlocal.proto import (
        local_pb2_grpc,
        pfs_pb2_grpc,
        pps_pb2_grpc,
        transaction_pb2_grpc,
        version_pb2_grpc,
    )

_MAX_MESSAGE = 20 * 1024 * 1024  # both ways, as every client and server of Pachyderm has it
_LOCAL_SERVICE = "pachlocal.v1.Local"
_HEALTH_TIMEOUT_S = 5.0
_NO_HOST = ("dns resolution failed", "errors resolving")
_NO_SERVER = ("failed to connect", "handshake", "http1", "preface", "header with status")
_CONNECT_TIMEOUT_MS = 5_000  # for hosts that swallow packets; a refused connection fails at once


class Server:
    """The services of one server, each imported when first used."""

    def __init__(self, settings: Settings, transaction: str = "") -> None:
        """Dial.

        Args:
            settings: Where to, and as whom.
            transaction: The id of one that writes are added to, if there is one.
        """
        self.address = parse_address(settings.address, settings.origin)
        self._channel = _open_channel(self.address, settings)
        metadata = [("authn-token", settings.token), ("pach-transaction", transaction)]
        if given := [(key, value) for key, value in metadata if value]:
            from pachlocal.cli.pachctl.metadata import with_metadata

            self._channel = with_metadata(self._channel, given)

    @cached_property
    def pfs(self) -> pfs_pb2_grpc.APIStub:
        """Repos, branches, commits and files."""
        from pachlocal.proto import pfs_pb2_grpc

        return pfs_pb2_grpc.APIStub(self._channel)

    @cached_property
    def pps(self) -> pps_pb2_grpc.APIStub:
        """Pipelines, jobs, datums and logs."""
        from pachlocal.proto import pps_pb2_grpc

        return pps_pb2_grpc.APIStub(self._channel)

    @cached_property
    def transactions(self) -> transaction_pb2_grpc.APIStub:
        """Several writes in one."""
        from pachlocal.proto import transaction_pb2_grpc

        return transaction_pb2_grpc.APIStub(self._channel)

    @cached_property
    def version(self) -> version_pb2_grpc.APIStub:
        """Which release the server is."""
        from pachlocal.proto import version_pb2_grpc

        return version_pb2_grpc.APIStub(self._channel)

    @cached_property
    def local(self) -> local_pb2_grpc.LocalStub | None:
        """What pachlocal offers beyond Pachyderm's API; None if the server is another one."""
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        from pachlocal.proto import local_pb2_grpc

        request = health_pb2.HealthCheckRequest(service=_LOCAL_SERVICE)
        try:
            health = health_pb2_grpc.HealthStub(self._channel)
            answer = health.Check(request, timeout=_HEALTH_TIMEOUT_S)  # type: ignore[attr-defined]
        except grpc.RpcError:
            return None  # whatever it is, the call that is meant will say it
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            return None
        return local_pb2_grpc.LocalStub(self._channel)

    def close(self) -> None:
        """Hang up; calls that are under way are cancelled."""
        self._channel.close()


def _open_channel(address: Address, settings: Settings) -> grpc.Channel:
    options: list[tuple[str, int]] = [
        ("grpc.max_send_message_length", _MAX_MESSAGE),
        ("grpc.max_receive_message_length", _MAX_MESSAGE),
        ("grpc.min_reconnect_backoff_ms", _CONNECT_TIMEOUT_MS),
        # A stream that waits for days (`logs -f`) has to notice that its server has gone.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    if address.is_local:
        options.append(("grpc.enable_http_proxy", 0))  # a proxy can't reach this machine's loopback
    if address.secure:
        return grpc.secure_channel(address.target, _credentials(settings), options)
    return grpc.insecure_channel(address.target, options)


def _credentials(settings: Settings) -> grpc.ChannelCredentials:
    if not settings.certificates:
        return grpc.ssl_channel_credentials()
    try:
        authorities = base64.b64decode(settings.certificates, validate=True)
    except binascii.Error:
        raise CliError(f"{settings.origin}: server_cas: not base64") from None
    return grpc.ssl_channel_credentials(root_certificates=authorities)


def status_of(error: grpc.RpcError) -> grpc.StatusCode:
    """Tell a failed call's status code."""
    # Whatever a stub raises is a call as well; grpc's types don't say so.
    return cast("grpc.Call", error).code()


def explain(error: grpc.RpcError, session: Session) -> str:
    """Say in one line why a call failed.

    Args:
        error: What the call raised.
        session: The session that the call was made in.
    """
    details = " ".join((cast("grpc.Call", error).details() or "").split())
    code = status_of(error)
    address = session.server.address
    if code is grpc.StatusCode.UNAVAILABLE and _never_connected(details):
        line = f"no Pachyderm answers at {address}; {_advice(session, details)}"
    elif code is grpc.StatusCode.UNAVAILABLE and details in ("Socket closed", "GOAWAY received"):
        line = f"the connection to {address} broke off"
    elif code is grpc.StatusCode.UNIMPLEMENTED and details in ("", "Method not found!"):
        line = f"the server at {address} doesn't know this call"
    else:
        line = details or f"the call failed with status {code.name}"
        if code is grpc.StatusCode.NOT_FOUND and session.joined and session.joined in details:
            line += "; it is active here: leave it by pachctl stop transaction"
    return f"{line} [{code.name}: {details}]" if session.verbose else line


def _never_connected(details: str) -> bool:
    return any(sign in details.lower() for sign in (*_NO_HOST, *_NO_SERVER))


def _advice(session: Session, details: str) -> str:
    if any(sign in details.lower() for sign in _NO_HOST):
        return "there is no host of this name"
    if session.settings.origin == "default":
        return "start one with: pachlocal up"
    named = f"the address comes from {session.settings.origin}"
    if session.server.address.is_local:
        return f"start one with: pachlocal up ({named})"
    return named
