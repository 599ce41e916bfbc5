"""What a folder holds: names with what they stand for."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, TypeAlias
from urllib.parse import quote, unquote

from pachlocal.pfs.tree.content import Content

Hash: TypeAlias = bytes
Root: TypeAlias = "Hash | None"  # of a tree; None is the empty one


class Kind(IntEnum):
    """What an entry's hash names."""

    FILE = 0  # the file's bytes
    CHUNKED = 1  # the list of the file's chunks
    FOLDER = 2  # the root node of a folder


KINDS = tuple(Kind)
"""By number: to ask the class takes long."""


DEFAULT_TAG = "default"  # as the real server calls it

_TAGGED = "\0"  # is in no path, and sorts before all that is


def keyed(path: str, tag: str) -> str:
    """Return what a file goes by: its path or name, with its datum tag unless that is the default.

    Files of one name with different datum tags lie in a folder side by side, until it is finished.
    """
    if not tag or tag == DEFAULT_TAG:
        return path
    return f"{path}{_TAGGED}{quote(tag, safe='')}"


def tag_of(key: str) -> str:
    """Return the datum tag of a key."""
    return unquote(key.partition(_TAGGED)[2]) or DEFAULT_TAG


class Entry(NamedTuple):
    """What a folder has under one key.

    Attributes:
        key: One path segment; a folder's ends in `/`. A file's is followed by its datum tag, unless
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
    def tag(self) -> str:
        """The datum tag of a file; a folder has none."""
        return "" if self.is_folder else tag_of(self.key)

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
