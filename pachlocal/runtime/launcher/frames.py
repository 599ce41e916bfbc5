"""Messages between a worker and its launcher, over a pipe in each direction.

A frame is one byte that says its kind, four bytes of length (big-endian), and the payload. A list
of byte strings is packed as length and content of each, so that any byte may occur in them.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # the typing module would double the launcher's start
if TYPE_CHECKING:
    from collections.abc import Iterable

# Worker to launcher.
# Folder to start in, b"" or that an interpreter may be kept warm and which variables vary (see
# `pack_names`), the arguments, NAME=VALUE ... (both see `pack_words`), standard input.
RUN = b"R"
KILL = b"K"  # end the running command

# Launcher to worker.
# Before READY or after it, once, where there is a PID namespace: its first process, in the worker's
# numbers. It has ended when all in the namespace have.
GUARDED = b"G"
READY = b"Y"  # once: commands can be run
FAILED = b"F"  # once, instead of READY: why it can't work; it ends after this
STARTED = b"S"  # the command's process group, for the worker to kill if the launcher dies
# Exit code, an error in words if the command could not be started, how many nanoseconds its start
# took, what is to be noted of that.
EXITED = b"E"
# The same, and that the next command needs another launcher: this one's mounts have been changed.
SPENT = b"L"
UNABLE = b"U"  # no command was started: what the machine lacks, in words

_LENGTH = 4


def pack_names(names: Iterable[bytes] | None) -> bytes:
    """Make one field of a set of variables' names, or of None."""
    return b"" if names is None else b"=" + b"=".join(names)


def unpack_names(field: bytes) -> set[bytes] | None:
    """Read what `pack_names` made."""
    return set(field.split(b"=")) if field else None


def pack_words(words: Iterable[str]) -> bytes:
    """Make one field of words that a program is started with: they hold no NUL character."""
    return os.fsencode("".join([f"{word}\0" for word in words]))


def unpack_words(field: bytes) -> list[bytes]:
    """Read what `pack_words` made."""
    return field.split(b"\0")[:-1]


def write_frame(fd: int, kind: bytes, fields: Iterable[bytes] = ()) -> None:
    """Write one frame.

    Raises:
        OSError: The other side is gone (BrokenPipeError), or the write failed.
    """
    _write_all(fd, kind + _packed(fields))


def write_fields(fd: int, fields: Iterable[bytes]) -> None:
    """Write the rest of a frame whose kind has been sent already.

    Raises:
        OSError: See `write_frame`.
    """
    _write_all(fd, _packed(fields))


def _packed(fields: Iterable[bytes]) -> bytes:
    payload = b"".join(
        part for field in fields for part in (len(field).to_bytes(_LENGTH, "big"), field)
    )
    return len(payload).to_bytes(_LENGTH, "big") + payload


def _write_all(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def read_frame(fd: int) -> tuple[bytes, list[bytes]] | None:
    """Read one frame, waiting for it.

    Returns:
        The frame's kind and fields; None when the other side is gone.
    """
    head = _read_exactly(fd, 1 + _LENGTH)
    if head is None:
        return None
    payload = _read_exactly(fd, int.from_bytes(head[1:], "big"))
    if payload is None:
        return None
    fields = []
    at = 0
    while at < len(payload):
        start = at + _LENGTH
        at = start + int.from_bytes(payload[start - _LENGTH : start], "big")
        fields.append(payload[start:at])
    return head[:1], fields


def _read_exactly(fd: int, size: int) -> bytes | None:
    parts = []
    while size:
        part = os.read(fd, min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
