"""Waits, up to a time limit, for calls that may never return."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)


def run_bounded(name: str, task: Callable[[], object], limit_s: float) -> bool:
    """Do something in a thread of its own; leave it behind when it takes too long.

    Args:
        name: What it is, for the log.
        task: What to do.
        limit_s: How long to wait for it.

    Returns:
        Whether it has ended.

    Raises:
        Exception: What it raised.
    """
    failures: list[Exception] = []

    def run() -> None:
        try:
            task()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no more threads
        task()
        return True
    thread.join(limit_s)
    if thread.is_alive():
        _log.error("%s did not end within %gs, and is left behind", name, limit_s)
        return False
    if failures:
        raise failures[0]
    return True
