"""What a daemon needs to talk to other machines: a key, a certificate and a token.

They are kept in the store, so that a client which was given them once can go on using them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from pachlocal.errors import RuntimeUnavailableError
from pachlocal.own_names import own_names
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
        made = signing.sign_itself([host, *own_names()])
        write_private(key, made.key)
        write_private(certificate, made.certificate)
    if not token.is_file():
        write_private(token, secrets.token_urlsafe().encode())
    return Identity(key.read_bytes(), certificate.read_bytes(), token.read_text())
