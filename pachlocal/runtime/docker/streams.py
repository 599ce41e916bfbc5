"""The output of a command in a container: frames on a connection, as lines.

A frame is a byte that names the stream (1 output, 2 errors), three zeros, a length (big-endian),
and that many bytes; see "Attach to a container" in
https://docs.docker.com/reference/api/engine/version/v1.47/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..lines import LineSplitter

_HEADER = 8
_START_FAILURE = b"OCI runtime exec failed: "


class Frames:
    """Takes frames apart, in whatever pieces they come."""

    def __init__(self) -> None:
        self._pending = bytearray()

    @property
    def is_whole(self) -> bool:
        """Whether all frames that have begun have come to their end."""
        return not self._pending

    def of(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """Take the next bytes of a connection; yield the streams and payloads of whole frames."""
        self._pending += chunk
        while len(self._pending) >= _HEADER:
            end = _HEADER + int.from_bytes(self._pending[4:_HEADER], "big")
            if len(self._pending) < end:
                return
            frame = self._pending[0], bytes(self._pending[_HEADER:end])
            del self._pending[:end]
            yield frame


class Output:
    """What comes of an exec. Lines of output and errors don't mix, their order is that of arrival.

    Attributes:
        failure: What Docker said in the place of the command: why it did not start; "" otherwise.
    """

    def __init__(self, on_lines: Callable[[str], None]) -> None:
        self.failure = ""
        self._frames = Frames()
        self._begun = False
        self._streams = {number: LineSplitter(on_lines) for number in (1, 2)}

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the connection."""
        for stream, payload in self._frames.of(chunk):
            if not self._begun and payload.startswith(_START_FAILURE):
                self.failure = payload.decode(errors="replace").strip()
            elif stream in self._streams:
                self._streams[stream].feed(payload)
            self._begun = True

    def finish(self, *, started: bool) -> None:
        """Pass on last lines that have no newline.

        Args:
            started: Whether the command ran at all; if so it was its own line that looked like
                Docker's.
        """
        if started and self.failure:
            self._streams[1].feed(f"{self.failure}\n".encode())
            self.failure = ""
        for stream in self._streams.values():
            stream.finish()
