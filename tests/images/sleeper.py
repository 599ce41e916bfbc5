"""A command that sleeps until the test ends it, and can be told from all others of the machine."""

from __future__ import annotations

import os
import signal
import time
import uuid
from pathlib import Path

DEADLINE_S = 20.0


class Sleeper:
    def __init__(self) -> None:
        # sleep takes fractions: the digits are the mark.
        self.command = f"sleep 1000.{uuid.uuid4().int % 10**15:015d}"

    def wait_for(self, count: int) -> list[int]:
        """Waits until as many of them sleep; returns their numbers on this machine."""
        deadline = time.monotonic() + DEADLINE_S
        while len(pids := self._pids()) != count:
            assert time.monotonic() < deadline, f"{len(pids)} sleep instead of {count}"
            time.sleep(0.005)
        return pids

    def wake(self) -> None:
        """Ends those that sleep; the shell that waits for them goes on."""
        for pid in self._pids():
            os.kill(pid, signal.SIGTERM)

    def _pids(self) -> list[int]:
        wanted = self.command.replace(" ", "\0").encode() + b"\0"
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cmdline").read_bytes() == wanted:
                    found.append(int(process.name))
            except OSError:  # it has ended
                continue
        return found
