"""What a daemon needs to talk to other machines: a key, a certificate and a token.

They are kept in the store, so that a client which was given them once can go on using them.
"""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pachlocal.errors import RuntimeUnavailableError
from pachlocal.private_files import write_private


@dataclass(frozen=True, slots=True)
class Identity:
    """What a daemon needs for TLS.

    Attributes:
        key: Its private key, PEM.
        certificate: Its certificate, PEM.
        token: What clients must send.
    """

    key: bytes
    certificate: bytes
    token: str


def identity(folder: Path, host: str) -> Identity:
    """Return the identity that is kept in a folder; make what is missing, or doesn't fit any more.

    Args:
        folder: Where; made if it isn't there.
        host: The name or IP address by which clients know this machine.

    Raises:
        RuntimeUnavailableError: The library isn't installed.
        OSError: The folder can't be read or written.
    """
    try:
        from pachlocal.api.access import signing  # an extra, and slow to load
    except ModuleNotFoundError as error:
        raise RuntimeUnavailableError(
            f"--tls needs the module {error.name}: pip install 'pachlocal[tls]'"
        ) from error
    folder.mkdir(mode=0o700, exist_ok=True)
    key, certificate, token = (folder / name for name in ("key.pem", "cert.pem", "token"))
    if not (key.is_file() and signing.names(certificate, host)):
        made = signing.sign_itself([host, *_own_names()])
        write_private(key, made.key)
        write_private(certificate, made.certificate)
    if not token.is_file():
        write_private(token, secrets.token_urlsafe().encode())
    return Identity(key.read_bytes(), certificate.read_bytes(), token.read_text())


def _own_names() -> list[str]:
    """Return the names and IP addresses that this machine knows of itself."""
    found = ["localhost", "127.0.0.1", "::1", socket.gethostname()]
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        # The address that it has for others; nothing is sent. These belong to nobody (RFC 5737).
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            found.append(str(probe.getsockname()[0]))
    return found
