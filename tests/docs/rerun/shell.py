"""One shell for a page: variables live from block to block, as in the reader's terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from .page import Block

_TIMEOUT_S = 180.0  # for one block; what takes longer hangs
_MARK = "--- end of block, exit code"


class BlockError(Exception):
    """A block did not end as the page says."""


class Shell:
    """A shell that runs blocks; a context manager."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["sh"],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self._process.communicate()

    def run(self, block: Block) -> str:
        """Runs a block, and returns what it prints.

        Raises:
            BlockError: It ended with another exit code than the page says.
        """
        commands = f"{block.commands}\n"
        if block.code:  # in a shell of its own, because it ends there
            commands = f"(set -e\n{commands})\n"
        script = f"{{ set {'+' if block.code else '-'}e\n{commands}}} </dev/null\n"
        printed, code = self._send(f"{script}printf '\\n{_MARK} %s\\n' $?\n")
        if code != block.code:
            raise BlockError(
                f"line {block.line}: exit code {code} instead of {block.code}:\n"
                f"{block.commands}{printed}"
            )
        return printed

    def _send(self, script: str) -> tuple[str, int]:
        assert self._process.stdin
        assert self._process.stdout
        lines: list[str] = []
        limit = threading.Timer(_TIMEOUT_S, self._kill)
        limit.daemon = True
        limit.start()
        try:
            self._process.stdin.write(script)
            self._process.stdin.flush()
            for line in self._process.stdout:
                if line.startswith(_MARK):
                    return _without_mark(lines), int(line.removeprefix(_MARK))
                lines.append(line)
        finally:
            limit.cancel()
        return "".join(lines), self._process.wait()

    def _kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)


def _without_mark(lines: list[str]) -> str:
    """Takes away the line break that the mark is preceded by."""
    text = "".join(lines)[:-1]
    return text if not text or text.endswith("\n") else f"{text}\n"
