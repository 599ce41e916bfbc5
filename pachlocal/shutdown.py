"""Shuts the daemon down: cleanly if possible, and within a time limit in any case.

Whatever was acknowledged is on disk, so a part that hangs must not keep the others from ending, nor
the process: `pachlocal down` would wait, and the next daemon could not have the store.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from pachlocal.bounded import run_bounded

LIMIT_S = 30.0
"""How long the end takes at most."""


class Shutdown:
    """Ends the parts of the daemon one after the other.

    Attributes:
        in_order: Whether all parts have ended that were to end so far. If not, something may still
            be using the store.
    """

    def __init__(self) -> None:
        self.in_order = True

    def begin(self) -> None:
        """Begin to end: from now on the process lives for `LIMIT_S` at most.

        The watch needs nothing of Python's: a part may hang and never let another thread run. What
        all threads do then is written to standard error.
        """
        faulthandler.dump_traceback_later(LIMIT_S, exit=True)

    def end(self, name: str, stop: Callable[[], object], limit_s: float) -> None:
        """End a part, or leave it behind.

        Args:
            name: The part, for the log.
            stop: What ends it.
            limit_s: How long to wait for it.

        Raises:
            Exception: What came of that.
        """
        if not run_bounded(name, stop, limit_s):
            self.in_order = False

    def end_in_order(self, name: str, stop: Callable[[], object], limit_s: float) -> None:
        """End a part that others use, if these have ended; else it ends with the process."""
        if self.in_order:
            self.end(name, stop, limit_s)


def leave(code: int) -> NoReturn:
    """End the process, and don't wait for threads that hang."""
    with suppress(OSError):  # the disk of the log is full
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
