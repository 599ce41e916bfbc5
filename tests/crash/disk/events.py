"""What was done to the files of a disk, as `recorder.c` writes it down."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

_HEAD = struct.Struct("=cHHIQ")


class Kind(Enum):
    """What a call did."""

    CREATE = b"C"
    WRITE = b"W"
    TRUNCATE = b"T"
    RENAME = b"R"
    LINK = b"L"
    REMOVE = b"U"
    MKDIR = b"M"
    SYNC = b"S"


class Event(NamedTuple):
    """A call that has succeeded.

    Attributes:
        kind: What it did.
        path: To which file or folder, relative to the disk.
        second: What it is called from now on, or also.
        number: Where it was written, or how long the file is now (bytes).
        data: What was written.
        end: Where the record of it ends in the log: by then it has happened.
    """

    kind: Kind
    path: str
    second: str
    number: int
    data: bytes
    end: int


def read(log: Path) -> Iterator[Event]:
    """Yields the events of a log; the last one may have been cut short by a kill."""
    with log.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            kind, path_length, second_length, size, number = _HEAD.unpack(head)
            path, second = file.read(path_length), file.read(second_length)
            data = file.read(size)
            if len(data) < size:
                return
            yield Event(Kind(kind), path.decode(), second.decode(), number, data, file.tell())
