"""How log lines are shown where several speak: with who it is that does, and when."""

from __future__ import annotations

from datetime import datetime
from zlib import crc32

from pachlocal.cli.pachctl.printing.words import paint
from pachlocal.proto import pps_pb2
from pachlocal.untrusted import printable

_COLOURS = ("cyan", "magenta", "blue", "green", "yellow")
_SHORT = 8  # digits of an ID


class LinePrefix:
    """Makes the beginnings of lines: when, and who, as far as that isn't the same for all.

    IDs are shown by their first digits.
    """

    def __init__(self, *, pipeline: bool, job: bool) -> None:
        """Say what to name.

        Args:
            pipeline: Whether lines are of several pipelines.
            job: Whether they may be of several jobs.
        """
        self._pipeline = pipeline
        self._job = job
        self._width = 0

    def lines(self, message: pps_pb2.LogMessage) -> list[str]:
        """Return the lines of a message, each with its beginning."""
        parts = [paint(_time(message), "dim")]
        if self._pipeline:
            name = printable(message.pipeline_name)
            self._width = max(self._width, len(name))
            parts.append(paint(name.ljust(self._width), _colour(name)))
        if self._job:
            parts.append((message.job_id or "-")[:_SHORT].ljust(_SHORT))
        parts.append((message.datum_id or "-")[:_SHORT].ljust(_SHORT))
        begin = " ".join(parts)
        texts = message.message.rstrip("\n").split("\n")
        if not message.user:
            texts = [paint(text, "dim") for text in texts]
        return [f"{begin} | {text}" for text in texts]


def _colour(name: str) -> str:
    """Return the colour of a pipeline, always the same."""
    return _COLOURS[crc32(name.encode()) % len(_COLOURS)]


def _time(message: pps_pb2.LogMessage) -> str:
    seconds = message.ts.seconds + message.ts.nanos / 1e9
    return datetime.fromtimestamp(seconds).strftime("%H:%M:%S.%f")[:-3]
