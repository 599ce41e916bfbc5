"""Where the programs `pachlocal` and `pachctl` begin.

Until a program handles an interrupt itself, Ctrl-C ends it at once and in silence: its imports take
a good part of a short command's time, and a traceback of them would tell nobody anything.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


def pachlocal() -> int:
    """Run `pachlocal`; return its exit code."""
    with _quiet_interrupt():
        from pachlocal.cli.pachlocal import main
    return main()


def pachctl() -> int:
    """Run `pachctl`; return its exit code."""
    with _quiet_interrupt():
        from pachlocal.cli.pachctl import main
        from pachlocal.cli.pachctl.client import session  # noqa: F401 - most of its imports
    return main()


@contextmanager
def _quiet_interrupt() -> Iterator[None]:
    """Let SIGINT end the process meanwhile, unless whoever started it has it ignored."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, before)
