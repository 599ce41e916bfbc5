"""What a front is told when it is started: JSON on its standard input, for it holds secrets."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """How a front is to be.

    Attributes:
        address: The server's, as pachctl takes it.
        token: What lets the front in there; may be empty.
        certificates: PEM text, base64, of authorities to trust for the server; may be empty.
        origins: The addresses by which the front is known.
        page_token: What lets browsers in.
        cookie: The name of the cookie that holds it.
        lock: A file that the server's daemon has locked: the front ends when nobody has, for a
            while. Empty: it stays.
        certificate: The front's own certificate, a file; empty without TLS.
        key: Its key, a file.
    """

    address: str
    token: str
    certificates: str
    origins: list[str]
    page_token: str
    cookie: str
    lock: str = ""
    certificate: str = ""
    key: str = ""

    def written(self) -> str:
        """Return it as it is handed over."""
        return json.dumps(asdict(self))


def read(text: str) -> Order:
    """Return an order that was handed over."""
    return Order(**json.loads(text))
