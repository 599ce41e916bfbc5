"""What a folder holds: names with what they stand for."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, TypeAlias

from pachlocal.pfs.content import Content

Hash: TypeAlias = bytes
Root: TypeAlias = "Hash | None"  # of a tree; None is the empty one


class Kind(IntEnum):
    """What an entry's hash names."""

    FILE = 0  # the file's bytes
    CHUNKED = 1  # the list of the file's chunks
    FOLDER = 2  # the root node of a folder


class Entry(NamedTuple):
    """A name in a folder.

    Attributes:
        name: One path segment; a folder's ends in `/`.
        kind: What `hash` names.
        hash: 32 bytes.
        size: Bytes; a folder's is the sum of its files'.
    """

    name: str
    kind: Kind
    hash: Hash
    size: int

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder."""
        return self.kind is Kind.FOLDER

    @property
    def content(self) -> Content:
        """The content of a file."""
        return Content(self.hash, self.size, chunked=self.kind is Kind.CHUNKED)

    @staticmethod
    def of_file(name: str, content: Content) -> Entry:
        """Make a file's entry."""
        kind = Kind.CHUNKED if content.chunked else Kind.FILE
        return Entry(name, kind, content.hash, content.size)
