"""A line that says how far a long transfer is, for those who look at a terminal."""

from __future__ import annotations

import sys
import time

from pachlocal.cli.pachctl.printing.words import size

_FIRST_S = 1.0  # what is over sooner needs no line
_INTERVAL_S = 0.2
_CLEAR = "\r\x1b[K"


class TransferProgress:
    """Counts files and bytes, and shows them on standard error while more come."""

    def __init__(self, *, wanted: bool, files: int = 0, size_bytes: int = 0) -> None:
        """Start to count.

        Args:
            wanted: Whether to show anything, on a terminal.
            files: How many are to come; 0 if that isn't known.
            size_bytes: How many bytes are to come; 0 if that isn't known.
        """
        self._shown = wanted and _is_seen()
        self._files, self._all_files = 0, files
        self._bytes, self._all_bytes = 0, size_bytes
        self._start = time.monotonic()
        self._next = self._start + _FIRST_S
        self._drawn = False

    def __enter__(self) -> TransferProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()

    def advance(self, files: int, size_bytes: int) -> None:
        """Add to the count; meant to be called for many files or bytes at once."""
        if not self._shown:
            return
        self._files += files
        self._bytes += size_bytes
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _INTERVAL_S
            self._drawn = True
            sys.stderr.write(_CLEAR + self._line(now))
            sys.stderr.flush()

    def _line(self, now: float) -> str:
        parts = []
        if self._all_files > 1:
            parts.append(f"{self._files:,} of {self._all_files:,} files")
        if self._all_bytes:
            parts.append(f"{size(self._bytes)} of {size(self._all_bytes)}")
        else:
            parts.append(size(self._bytes))
        parts.append(f"{size(int(self._bytes / (now - self._start)))}/s")
        return ", ".join(parts)


def _is_seen() -> bool:
    """Tell whether somebody looks."""
    return sys.stderr.isatty()
