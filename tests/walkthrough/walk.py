"""Somebody who goes through the workshop: types commands, reads what they print, checks it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from .machine import TIMEOUT_S, Daemon, workshop_copy

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TICK_S = 2.0


class DifferenceError(Exception):
    """What came isn't what the workshop promises; the message says what differs."""


class Walk:
    """The state of one walk through the steps.

    Attributes:
        daemon: Whom the commands talk to.
        folder: Where files that the steps make go; the workshop's are in `iris` there.
        other: The language that the walk changes to for a while; empty if it doesn't.
        svm: The commit of the first model.
        svm_files: That model's files.
    """

    def __init__(
        self, daemon: Daemon, folder: Path, *, other: str = "", out: TextIO | None = None
    ) -> None:
        self.daemon = daemon
        self.daemon.place = workshop_copy(folder / "iris")
        self.folder = folder
        self.other = other
        self.svm = ""
        self.svm_files: dict[str, bytes] = {}
        self._out = out or sys.stdout

    def say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def type(self, command: str, *, until: str = "", code: int = 0) -> str:
        """Runs a line of shell, shows it and what it prints, and returns that.

        Args:
            command: The line.
            until: What it waits for, when that takes long.
            code: The exit code that it must have.

        Raises:
            DifferenceError: It has another.
        """
        self.say(f"$ {command}")
        with self._alive(until):
            printed, found = self._stream(command)
        if found == -signal.SIGKILL:
            raise DifferenceError(f"`{command}` did not end in {TIMEOUT_S:.0f} s")
        if found != code:
            last = printed.strip().rpartition("\n")[2] or "and printed nothing"
            raise DifferenceError(f"`{command}` ended with exit code {found}: {last}")
        self.typed(command)
        return printed

    def typed(self, command: str) -> None:
        """Called when a command has succeeded; tests do here what they want to happen then."""

    def raw(self, command: str) -> list[Any]:
        """Returns the messages that a pachctl command gets, without showing them."""
        text = self.quiet(f"{command} --raw").decode()
        decoder, messages, at = json.JSONDecoder(), [], 0
        while text[at:].strip():
            at += len(text[at:]) - len(text[at:].lstrip())
            message, at = decoder.raw_decode(text, at)
            messages.append(message)
        return messages

    def quiet(self, command: str) -> bytes:
        """Returns what a pachctl command prints, without showing it."""
        result = subprocess.run(
            ["pachctl", *command.split()],
            cwd=self.daemon.place,
            env=self.daemon.env,
            capture_output=True,
        )
        if result.returncode:
            raise DifferenceError(f"`pachctl {command}` fails: {result.stderr.decode().strip()}")
        return result.stdout

    def _stream(self, command: str) -> tuple[str, int]:
        if command.startswith("pachlocal"):  # half a start could be left behind
            with uninterrupted():
                return self._read(command)
        return self._read(command)

    def _read(self, command: str) -> tuple[str, int]:
        process = subprocess.Popen(
            ["sh", "-c", command],
            cwd=self.daemon.place,
            env=self.daemon.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is ours to handle
        )
        assert process.stdout is not None
        lines = []
        limit = threading.Timer(TIMEOUT_S, os.killpg, (process.pid, signal.SIGKILL))
        limit.daemon = True
        limit.start()
        try:
            for line in process.stdout:
                lines.append(line)
                self.say(line.rstrip("\n"))
        except BaseException:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGTERM)
            raise
        finally:
            process.stdout.close()
            process.wait()
            limit.cancel()
        return "".join(lines), process.returncode

    @contextlib.contextmanager
    def _alive(self, until: str) -> Iterator[None]:
        """Shows signs of life while a command prints nothing."""
        if not until:
            yield
            return
        self.say(f"  (waiting for {until})")
        done = threading.Event()

        def tick() -> None:
            seconds = 0.0
            while not done.wait(_TICK_S):
                seconds += _TICK_S
                self.say(f"  (still waiting: {seconds:.0f} s)")

        ticker = threading.Thread(target=tick, daemon=True)
        try:
            ticker.start()
            yield
        finally:
            done.set()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds Ctrl-C and the like back until the end."""
    held = []
    before = {
        number: signal.signal(number, lambda number, _: held.append(number)) for number in STOPPING
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if held:
        raise KeyboardInterrupt


def expect(what: str, found: object, wanted: object) -> None:
    """Compares.

    Raises:
        DifferenceError: They differ; the message is one line.
    """
    if found != wanted:
        raise DifferenceError(f"{what} should be {wanted!r}, but is {found!r}")


def expect_in(what: str, text: str, *parts: str) -> None:
    """Looks for parts in what was printed.

    Raises:
        DifferenceError: One is missing.
    """
    for part in parts:
        if part not in text:
            raise DifferenceError(f"{what} should show {part!r}, but is {text.strip()!r}")
