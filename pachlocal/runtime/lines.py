"""Cuts a command's output into lines, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable

LINE_LIMIT = 1 << 20
"""Bytes after which a line is cut."""

_PIECE = 1 << 16


class LineSplitter:
    """Calls a function with the lines of what it is fed: those that one piece completes, at once.

    So output costs by its bytes, however short its lines are. Bytes that are not UTF-8 become
    U+FFFD; a line above `LINE_LIMIT` comes in parts, cut between characters.
    """

    def __init__(self, on_lines: Callable[[str], None]) -> None:
        """Begin.

        Args:
            on_lines: Called with one line or more, joined by newlines, without the last one's.
        """
        self._on_lines = on_lines
        self._rest = bytearray()  # of a line that is not complete

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of output, and pass on the lines that they complete."""
        for start in range(0, len(chunk), _PIECE):
            self._feed(chunk[start : start + _PIECE])

    def finish(self) -> None:
        """Pass on a last line that has no newline."""
        if self._rest:
            self._pass_on(len(self._rest))

    def _feed(self, piece: bytes) -> None:
        first, newline, others = piece.partition(b"\n")
        self._rest += first
        while len(self._rest) > LINE_LIMIT:
            self._pass_on(_character_start(self._rest, LINE_LIMIT))
        if newline:
            whole, newline, last = others.rpartition(b"\n")
            if newline:
                self._rest += b"\n" + whole
            self._pass_on(len(self._rest))
            self._rest += last

    def _pass_on(self, size: int) -> None:
        lines = self._rest[:size].decode(errors="replace")
        del self._rest[:size]
        self._on_lines(lines)


def _character_start(text: bytearray, at: int) -> int:
    """The last place up to `at` where a UTF-8 character starts (RFC 3629: at most 4 bytes)."""
    for back in range(4):
        if text[at - back] & 0b1100_0000 != 0b1000_0000:
            return at - back
    return at
