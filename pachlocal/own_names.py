"""By which names and IP addresses this machine is reached, as far as it knows."""

from __future__ import annotations

import socket
from contextlib import suppress

# Addresses that belong to nobody (RFC 5737, RFC 3849).
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def own_names() -> list[str]:
    """Return the names and IP addresses that this machine knows of itself."""
    found = ["localhost", "127.0.0.1", "::1", socket.gethostname()]
    for family, elsewhere in _ELSEWHERE:
        # The address that it has for others; nothing is sent.
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            found.append(str(probe.getsockname()[0]))
    return found
