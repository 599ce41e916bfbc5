"""What `pachlocal dev` shows: lines that stay, and on a terminal a block that is drawn anew."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from pachlocal.cli.pachctl.printing.words import paint
from pachlocal.untrusted import printable

_UP_AND_CLEAR = "\x1b[{}A\r\x1b[J"


class Screen:
    """Standard output. Belongs to one thread."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty()
        self._drawn = 0

    def say(self, label: str, text: str, color: str = "") -> None:
        """Print a line that stays.

        Args:
            label: Whom it is about.
            text: What is to be said.
            color: The label's colour, on a terminal.
        """
        self._clear()
        label = printable(label)
        sys.stdout.write(f"{paint(label, color) if color else label}: {printable(text)}\n")
        sys.stdout.flush()

    def quote(self, lines: Sequence[str]) -> None:
        """Print what a program wrote."""
        self._clear()
        for line in lines:
            sys.stdout.write(f"  | {printable(line)}\n")
        sys.stdout.flush()

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines below the others, in place of those that were drawn before."""
        if not self.is_terminal:
            return
        self._clear()
        width = max(shutil.get_terminal_size().columns - 1, 20)
        for line in lines:
            sys.stdout.write(f"{printable(line)[:width]}\n")
        sys.stdout.flush()
        self._drawn = len(lines)

    def _clear(self) -> None:
        if self._drawn:
            sys.stdout.write(_UP_AND_CLEAR.format(self._drawn))
            self._drawn = 0
