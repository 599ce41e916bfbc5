"""Cuts a command's output into lines, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable

LINE_LIMIT = 1 << 20
"""Bytes after which a line is cut."""


class LineSplitter:
    """Calls a function for each line of what it is fed.

    Bytes that are not UTF-8 become U+FFFD; a line above `LINE_LIMIT` comes in parts, cut between
    characters.
    """

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of output, and pass on the lines that it completes."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._append(part)
            self._pass_on(len(self._rest))
        self._append(rest)

    def finish(self) -> None:
        """Pass on a last line that has no newline."""
        if self._rest:
            self._pass_on(len(self._rest))

    def _append(self, part: bytes) -> None:
        self._rest += part
        while len(self._rest) > LINE_LIMIT:
            self._pass_on(_character_start(self._rest, LINE_LIMIT))

    def _pass_on(self, size: int) -> None:
        line = self._rest[:size].decode(errors="replace")
        del self._rest[:size]
        self._on_line(line)


def _character_start(text: bytearray, at: int) -> int:
    """The last place up to `at` where a UTF-8 character starts (RFC 3629: at most 4 bytes)."""
    for back in range(4):
        if text[at - back] & 0b1100_0000 != 0b1000_0000:
            return at - back
    return at
