"""What a connection to a server needs: its target, what proves who it is, and gRPC's options."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from pachlocal import local_socket
from pachlocal.cli.pachctl.client.address import Address
from pachlocal.cli.pachctl.client.config import Settings
from pachlocal.cli.pachctl.client.interrupts import UninterruptedStart
from pachlocal.cli.pachctl.client.metadata import with_metadata
from pachlocal.errors import CliError
from pachlocal.proto.limits import MAX_MESSAGE

_CONNECT_TIMEOUT_MS = 5_000  # for hosts that swallow packets; a refused connection fails at once


@dataclass(frozen=True, slots=True)
class Dialing:
    """How to open a channel.

    Attributes:
        target: The server, as gRPC takes it.
        credentials: How TLS is made; None without it.
        options: Of the channel.
    """

    target: str
    credentials: grpc.ChannelCredentials | None
    options: list[tuple[str, int]]


def dialing(address: Address, settings: Settings) -> Dialing:
    """Return how a server is reached: by its Unix socket when it is this user's daemon.

    Raises:
        CliError: The certificates of the settings can't be read.
    """
    options: list[tuple[str, int]] = [
        ("grpc.max_send_message_length", MAX_MESSAGE),
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        ("grpc.min_reconnect_backoff_ms", _CONNECT_TIMEOUT_MS),
        # A stream that waits for days (`logs -f`) has to notice that its server has gone.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    if address.is_local:
        options.append(("grpc.enable_http_proxy", 0))  # a proxy can't reach this machine's loopback
    if own := local_socket.find(address.host, address.port):
        return Dialing(f"unix:{own}", None, options)
    credentials = _credentials(settings) if address.secure else None
    return Dialing(address.target, credentials, options)


def open_channel(
    address: Address, settings: Settings, metadata: Sequence[tuple[str, str]]
) -> grpc.Channel:
    """Open a channel to a server.

    Args:
        address: The server's.
        settings: What else is known of it.
        metadata: What goes with each call.

    Raises:
        CliError: The certificates of the settings can't be read.
    """
    how = dialing(address, settings)
    if how.credentials is None:
        channel = grpc.insecure_channel(how.target, how.options)
    else:
        channel = grpc.secure_channel(how.target, how.credentials, how.options)
    channel = grpc.intercept_channel(channel, UninterruptedStart())
    return with_metadata(channel, metadata) if metadata else channel


def _credentials(settings: Settings) -> grpc.ChannelCredentials:
    if not settings.certificates:
        return grpc.ssl_channel_credentials()
    try:
        authorities = base64.b64decode(settings.certificates, validate=True)
    except binascii.Error:
        raise CliError(f"{settings.origin}: server_cas: not base64") from None
    return grpc.ssl_channel_credentials(root_certificates=authorities)
