"""What a folder holds: names with what they stand for."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, TypeAlias
from urllib.parse import quote, unquote

from pachlocal.pfs.content import Content

Hash: TypeAlias = bytes
Root: TypeAlias = "Hash | None"  # of a tree; None is the empty one


class Kind(IntEnum):
    """What an entry's hash names."""

    FILE = 0  # the file's bytes
    CHUNKED = 1  # the list of the file's chunks
    FOLDER = 2  # the root node of a folder


KINDS = tuple(Kind)
"""By number: to ask the class takes long."""


DEFAULT_WRITER = "default"  # as the real server calls it

_TAGGED = "\0"  # is in no path, and sorts before all that is


def keyed(path: str, writer: str) -> str:
    """Return what a writer's file goes by: its path or name, or for the default writer just that.

    Files of one name by different writers lie in a folder side by side, until it is finished.
    """
    if not writer or writer == DEFAULT_WRITER:
        return path
    return f"{path}{_TAGGED}{quote(writer, safe='')}"


def writer_of(key: str) -> str:
    """Return who wrote the file of a key."""
    return unquote(key.partition(_TAGGED)[2]) or DEFAULT_WRITER


class Entry(NamedTuple):
    """What a folder has under one key.

    Attributes:
        key: One path segment; a folder's ends in `/`. A file's is followed by its writer, unless
            that is the default one (`keyed`).
        kind: What `hash` names.
        hash: 32 bytes.
        size: Bytes; a folder's is the sum of its files'.
    """

    key: str
    kind: Kind
    hash: Hash
    size: int

    @property
    def name(self) -> str:
        """The path segment; a folder's ends in `/`."""
        key = self.key
        return key.partition(_TAGGED)[0] if _TAGGED in key else key

    @property
    def writer(self) -> str:
        """Who wrote a file; a folder has no writer."""
        return "" if self.is_folder else writer_of(self.key)

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder."""
        return self.kind is Kind.FOLDER

    @property
    def content(self) -> Content:
        """The content of a file."""
        return Content(self.hash, self.size, chunked=self.kind is Kind.CHUNKED)

    @staticmethod
    def of_file(key: str, content: Content) -> Entry:
        """Make a file's entry."""
        kind = Kind.CHUNKED if content.chunked else Kind.FILE
        return Entry(key, kind, content.hash, content.size)
