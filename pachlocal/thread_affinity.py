"""The cores that a thread runs on, and whether it preempts other threads there.

Python runs one thread of a process at a time. Threads that do little but hand each other the turn
gain nothing from a second core, and to wake one there costs more than what it does: 6,000 batched
datums took 9.0 s on one core, and 10.3 s on both of a virtual machine. A put of one of 64 clients
took 1.7 ms of the daemon's time with the threads of all calls on one core, and 3 ms with both: a
hundred switches between threads are most of it.

Nor do threads gain from breaking in: the one they interrupt still has the interpreter. A batched
call that did nothing took 0.21 ms when they did, and 0.18 ms without. But beside programs that keep
all cores busy, each turn of a patient thread begins late: where a person waits, threads aren't.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_here = threading.local()


@contextmanager
def gathered() -> Iterator[None]:
    """Keep threads started in the block on one core, in each block the same."""
    if sys.platform != "linux":
        yield
        return
    cores = os.sched_getaffinity(0)  # this thread's; a new one begins with them
    os.sched_setaffinity(0, {_core()})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def on_one_core() -> Iterator[None]:
    """Gather threads started in the block, which are patient, too."""
    policy = os.sched_getscheduler(0) if sys.platform == "linux" else 0
    batch_scheduling()
    try:
        with gathered():
            yield
    finally:
        _schedule(policy)


def batch_scheduling() -> None:
    """Have this thread wait, when it wakes, until the one that runs on its core stops or is due.

    See sched(7), SCHED_BATCH.
    """
    if sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_OTHER:
        _schedule(os.SCHED_BATCH)


def gather() -> None:
    """Keep this thread on the core of `gathered`, with those it starts."""
    if sys.platform == "linux" and not getattr(_here, "is_gathered", False):
        os.sched_setaffinity(0, {_core()})
        _here.is_gathered = True


def spread() -> None:
    """Undo `gather`, if this thread has been gathered: what follows isn't Python's work alone."""
    if getattr(_here, "is_gathered", False):
        _here.is_gathered = False
        ordinary_scheduling()


def ordinary_scheduling() -> None:
    """Undo both for this thread: for one that serves whoever starts it."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, os.sched_getaffinity(os.getpid()))
        _schedule(os.sched_getscheduler(os.getpid()))


def _core() -> int:
    allowed = sorted(os.sched_getaffinity(os.getpid()))
    return allowed[os.getpid() % len(allowed)]


def _schedule(policy: int) -> None:
    if sys.platform == "linux" and os.sched_getscheduler(0) != policy:
        with suppress(OSError):  # a sandbox may forbid it; a little slower then, and no worse
            os.sched_setscheduler(0, policy, os.sched_param(0))
