"""What a program said of why it ended: its last line, as a rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_KEPT = 16 * 1024  # characters: Julia's list of calls is long
_LONGEST = 1000  # characters of a line: it stands in tables of jobs
# After the message of an error, R says that it halts, and Julia where it was.
_HALTS = "Execution halted"
_PLACE = re.compile(r"\s*\[\d+\] |\s+@ |in expression starting at |\s*\.\.\. \(the last ")
_ERROR = re.compile(r"(?:ERROR|Error(?: in .*)?) ?:")


class LastWords:
    """Passes lines on, and keeps those that were written last."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._end = ""

    def __call__(self, lines: str) -> None:
        """Take one line or more, joined by newlines, without the last one's."""
        if lines.strip():
            self._end = f"{self._end}\n{lines[-_KEPT:]}"[-_KEPT:]
        self._write(lines)

    @property
    def text(self) -> str:
        """The line that says why the program ended, or its end; empty if it said nothing."""
        lines = [line for line in self._end.split("\n") if line.strip()]
        if not lines:
            return ""
        last = lines[-1].strip()
        if last == _HALTS or _PLACE.match(lines[-1]):
            last = _error(lines) or last
        return last[-_LONGEST:]


def _error(lines: Sequence[str]) -> str:
    """Return the message of the last error in lines; empty if there is none."""
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number].strip()
        if _ERROR.match(line):
            # R writes it below a call that is long.
            return f"{line} {lines[number + 1].strip()}" if line.endswith(":") else line
    return ""
