"""Where the daemon of the user's store is, for those who look for it in another place."""

from __future__ import annotations

from pachlocal.cli.pachlocal.daemon import Failure, find_daemon
from pachlocal.cli.pachlocal.options import default_root

_PATIENCE_S = 0.5


def way_to_daemon(address: str) -> str:
    """Return the variable that leads clients to the daemon of the user's store.

    Args:
        address: Where nobody answers.

    Returns:
        NAME=VALUE; empty if no daemon is up, or it should be at that address.
    """
    try:
        daemon = find_daemon(default_root(), _PATIENCE_S)
    except (Failure, OSError, ValueError, KeyError, TypeError):
        return ""  # `pachlocal up` says what is wrong with it
    if daemon is None or daemon.address == address:
        return ""
    return daemon.export or f"PACHD_ADDRESS={daemon.address}"
