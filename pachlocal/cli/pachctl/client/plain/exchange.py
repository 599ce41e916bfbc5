"""One call by HTTP/2 on a connection of its own: a message there, and any number back."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import unquote

from hpack import Decoder, Encoder
from hpack.exceptions import HPACKError

from pachlocal.cli.pachctl.client.plain.status import CallFailedError, Code
from pachlocal.proto.limits import MAX_MESSAGE

Field = tuple[str, str]

LONGEST = 16_000
"""How long a message may be (bytes): as one frame it is never more than a server takes at once."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = (
    0, 1, 3, 4, 6, 7, 8, 9,
)  # fmt: skip
_END_STREAM = _ACK = 1
_END_HEADERS, _PADDED, _PRIORITY = 4, 8, 32
_PUSH, _WINDOW, _FRAME = 2, 4, 5  # settings
_FIRST_WINDOW = 65_535
_WINDOW_BYTES = 8 * 1024 * 1024  # on their way to us, at most
_FRAME_BYTES = 1024 * 1024
_HEADER_BYTES = 64 * 1024
_SILENCE_S = 20.0  # until the server is asked whether it is there, and until it has to answer
_RECEIVED = 256 * 1024
# What an error of the stream means, by its number; https://grpc.io/docs/guides/status-codes
_RESETS = {7: Code.UNAVAILABLE, 8: Code.CANCELLED, 11: Code.RESOURCE_EXHAUSTED}


class _Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


class Exchange:
    """A call that has been made. Belongs to one thread, but for `close`."""

    def __init__(
        self,
        path: Path,
        method: str,
        message: bytes,
        metadata: Sequence[Field],
        timeout_s: float | None,
    ) -> None:
        """Make the call.

        Args:
            path: The server's socket.
            method: `/service/Method`.
            message: The request, of `LONGEST` at most.
            metadata: What else the server is to know.
            timeout_s: How long it may take.

        Raises:
            CallFailedError: Nobody listens.
        """
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._received = bytearray()
        self._unconfirmed = 0  # bytes that the server doesn't know to have arrived
        self._is_asked = False  # whether it is there
        self._closed = False
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(_SILENCE_S)
            self._socket.connect(str(path))
            self._socket.sendall(_call(method, message, metadata, timeout_s))
        except OSError as error:
            self.close()
            told = f"failed to connect to {path}: {error.strerror or error}"
            raise CallFailedError(Code.UNAVAILABLE, told) from None

    def close(self) -> None:
        """Hang up; any thread may do so. A call that is under way is cancelled by that."""
        self._closed = True
        with suppress(OSError):  # it may not be connected
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
        self._socket.close()

    def messages(self) -> Iterator[bytes]:
        """Yield the answers; that may be done once.

        Raises:
            CallFailedError: The server refused, or broke off.
        """
        try:
            yield from self._messages()
        except HPACKError as error:
            told = f"the answer has a malformed header: {error}"
            raise CallFailedError(Code.INTERNAL, told) from None
        except ValueError as error:
            raise CallFailedError(Code.INTERNAL, str(error)) from None
        except OSError as error:
            if self._closed:
                raise CallFailedError(Code.CANCELLED, "Channel closed!") from None
            told = f"Socket closed: {error.strerror or error}"
            raise CallFailedError(Code.UNAVAILABLE, told) from None
        finally:
            self.close()

    def _messages(self) -> Iterator[bytes]:
        data, headers = bytearray(), Decoder()
        while True:
            kind, flags, _, payload = self._next()
            if kind == _HEADERS:
                fields = _texts(headers.decode(payload, raw=True))  # may refer to those before
                if flags & _END_STREAM:
                    _check(fields)
                    if data:
                        raise ValueError("the answer ends within a message")
                    return
            else:
                data += payload
                self._confirm(len(payload))
                yield from _taken(data)
                if flags & _END_STREAM:
                    raise CallFailedError(Code.UNKNOWN, "Stream removed: it has no status")

    def _next(self) -> _Frame:
        """Return the next frame of headers or data, and do what others ask for."""
        while True:
            frame = self._frame()
            if frame.kind == _DATA:
                return frame._replace(payload=_unpadded(frame, 0))
            if frame.kind == _HEADERS:
                return self._headers(frame)
            self._obey(frame)

    def _headers(self, first: _Frame) -> _Frame:
        block = bytearray(_unpadded(first, 5 if first.flags & _PRIORITY else 0))
        ends = first.flags & _END_HEADERS
        while not ends:
            frame = self._frame()
            block += frame.payload
            if frame.kind != _CONTINUATION or len(block) > _HEADER_BYTES:
                raise ValueError("the answer's header doesn't end")
            ends = frame.flags & _END_HEADERS
        return first._replace(payload=bytes(block))

    def _obey(self, frame: _Frame) -> None:
        if frame.kind == _SETTINGS and not frame.flags & _ACK:
            self._socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif frame.kind == _PING and not frame.flags & _ACK:
            self._socket.sendall(_frame(_PING, _ACK, 0, frame.payload))
        elif frame.kind == _RST_STREAM:
            _refuse(int.from_bytes(frame.payload, "big"))
        elif frame.kind == _GOAWAY and not int.from_bytes(frame.payload[:4], "big") & 0x7FFFFFFF:
            raise CallFailedError(Code.UNAVAILABLE, "GOAWAY received")  # and the call isn't taken

    def _frame(self) -> _Frame:
        head = self._read(9)
        length = int.from_bytes(head[:3], "big")
        if length > _FRAME_BYTES:
            raise ValueError("the server doesn't speak HTTP/2")
        stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        return _Frame(head[3], head[4], stream, self._read(length))

    def _read(self, count: int) -> bytes:
        while len(self._received) < count:
            self._receive()
        data = bytes(self._received[:count])
        del self._received[:count]
        return data

    def _receive(self) -> None:
        self._socket.settimeout(self._patience())
        try:
            data = self._socket.recv(_RECEIVED)
        except TimeoutError:
            if self._deadline is None:
                self._ask()
            return
        if not data:
            raise ConnectionError("the server has ended")
        self._is_asked = False
        self._received += data

    def _ask(self) -> None:
        """Ask the server, which is silent, whether it is there.

        Raises:
            ConnectionError: It was asked before.
        """
        if self._is_asked:
            raise ConnectionError("keepalive watchdog timeout")
        self._is_asked = True
        self._socket.sendall(_frame(_PING, 0, 0, bytes(8)))

    def _patience(self) -> float:
        """Return how long to wait for the server (s).

        Raises:
            CallFailedError: The call's time is over.
        """
        if self._deadline is None:
            return _SILENCE_S
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise CallFailedError(Code.DEADLINE_EXCEEDED, "Deadline Exceeded")
        return left

    def _confirm(self, count: int) -> None:
        """Let the server send more, when half of what it may has arrived."""
        self._unconfirmed += count
        if self._unconfirmed >= _WINDOW_BYTES // 2:
            more = self._unconfirmed.to_bytes(4, "big")
            self._unconfirmed = 0
            self._socket.sendall(
                _frame(_WINDOW_UPDATE, 0, 0, more) + _frame(_WINDOW_UPDATE, 0, 1, more)
            )


def _call(method: str, message: bytes, metadata: Sequence[Field], timeout_s: float | None) -> bytes:
    """Return all that is to be sent for a call."""
    settings = {_PUSH: 0, _WINDOW: _WINDOW_BYTES, _FRAME: _FRAME_BYTES}
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *metadata,
    ]
    if timeout_s is not None:
        fields.append(("grpc-timeout", f"{max(1, round(timeout_s * 1000))}m"))
    return b"".join(
        (
            _PREFACE,
            _frame(
                _SETTINGS,
                0,
                0,
                b"".join(
                    key.to_bytes(2, "big") + value.to_bytes(4, "big")
                    for key, value in settings.items()
                ),
            ),
            _frame(_WINDOW_UPDATE, 0, 0, (_WINDOW_BYTES - _FIRST_WINDOW).to_bytes(4, "big")),
            _frame(_HEADERS, _END_HEADERS, 1, Encoder().encode(fields)),
            _frame(_DATA, _END_STREAM, 1, b"\0" + len(message).to_bytes(4, "big") + message),
        )
    )


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def _unpadded(frame: _Frame, before: int) -> bytes:
    """Return what a frame has between its first bytes and its padding."""
    if not frame.flags & _PADDED:
        return frame.payload[before:]
    return frame.payload[1 + before : len(frame.payload) - frame.payload[0]]


def _taken(data: bytearray) -> Iterator[bytes]:
    """Yield the messages that have arrived whole, and remove them."""
    at = 0
    while len(data) - at >= 5:
        length = int.from_bytes(data[at + 1 : at + 5], "big")
        if data[at] or length > MAX_MESSAGE:
            raise ValueError("the answer has a message that is compressed, or too long")
        if len(data) - at - 5 < length:
            break
        yield bytes(data[at + 5 : at + 5 + length])
        at += 5 + length
    del data[:at]


def _texts(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in fields}


def _check(trailer: Mapping[str, str]) -> None:
    """Find the status that a call has ended with.

    Raises:
        CallFailedError: It isn't OK.
    """
    number = trailer.get("grpc-status", "")
    if not number.isdecimal():
        told = f"Received http2 header with status: {trailer.get(':status', 'none')}"
        raise CallFailedError(Code.UNKNOWN, told)
    code = Code(int(number)) if int(number) in set(Code) else Code.UNKNOWN
    if code is not Code.OK:
        raise CallFailedError(code, unquote(trailer.get("grpc-message", ""), errors="replace"))


def _refuse(number: int) -> NoReturn:
    code = _RESETS.get(number, Code.INTERNAL)
    raise CallFailedError(code, f"Received RST_STREAM with error code {number}")
