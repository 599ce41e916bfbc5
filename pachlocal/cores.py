"""Which cores a thread may run on.

Python runs one thread of a process at a time. Threads that do little but hand each other the turn
gain nothing from a second core, and to wake one there costs more than what it does: 6,000 batched
datums took 9.0 s on one core, and 10.3 s on both of a virtual machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_core() -> Iterator[None]:
    """Keep threads that are started in the block on one core, in each block the same."""
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)  # this thread's; a new one begins with it
    allowed = sorted(os.sched_getaffinity(os.getpid()))
    os.sched_setaffinity(0, {allowed[os.getpid() % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def any_core() -> None:
    """Let this thread run wherever the process may: for one that serves whoever starts it."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, os.sched_getaffinity(os.getpid()))
