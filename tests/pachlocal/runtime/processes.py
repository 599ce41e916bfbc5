"""Looks at processes from outside: each test marks its own by an argument that no other has."""

from __future__ import annotations

import subprocess
import threading
import time
import uuid
from collections.abc import Callable

from pachlocal.errors import InfrastructureError
from pachlocal.runtime.contract import Invocation, StopToken, Worker

DEADLINE_S = 10.0


class Marked:
    """Processes that run `sleep` for a length of time which only this test uses."""

    def __init__(self) -> None:
        # sleep(1) takes fractions: the digits are the mark.
        self.command = f"sleep 1000.{uuid.uuid4().int % 10**15:015d}"

    def count(self) -> int:
        listed = subprocess.run(["ps", "axwwo", "args"], capture_output=True, text=True, check=True)
        return sum(line.startswith(self.command) for line in listed.stdout.splitlines())


def taking(lines: list[str]) -> Callable[[str], None]:
    """Return what adds the lines of a command's output to a list, each by itself."""
    return lambda text: lines.extend(text.split("\n"))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.005)


def in_thread(
    worker: Worker, invocation: Invocation, stop: StopToken | None = None
) -> tuple[threading.Thread, list[object]]:
    said: list[object] = []

    def work() -> None:
        try:
            said.append(worker.run(invocation, lambda _: None, stop))
        except InfrastructureError as error:
            said.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, said
