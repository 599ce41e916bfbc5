"""How 1.4 put things in words: wider columns, and a blank before the unit of a size."""

from __future__ import annotations

import re

from google.protobuf.message import Message

from pachlocal.cli.pachctl.printing import words
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.proto import pfs_pb2

_ONE_SECOND = re.compile(r"^1 second\b")


def table(header: str, *, live: bool = False) -> Table:
    """Start a table of columns at least 20 wide."""
    return Table(header, live=live, minimum=20, padding=3, repeat=False)


def size(count: int) -> str:
    """Write a number of bytes: 4551 is 4.444 KiB."""
    return re.sub(r"(?=[A-Z])", " ", words.size(count), count=1)


def span(seconds: float) -> str:
    """Write a length of time in words, roughly."""
    return _ONE_SECOND.sub("1 seconds", words.span(seconds))


def ago(message: Message, field: str) -> str:
    """Write how long ago something happened; a dash if it hasn't."""
    return _ONE_SECOND.sub("1 seconds", words.moment(message, field, full=False))


def path(info: pfs_pb2.FileInfo) -> str:
    """Write a path without the slashes that today's have around them."""
    return info.file.path.strip("/") or "/"


def kind(info: pfs_pb2.FileInfo) -> str:
    """Write whether it is a file or a directory."""
    return "dir" if info.file_type == pfs_pb2.FileType.DIR else "file"
