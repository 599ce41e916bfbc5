"""Paths inside a repo: cleaned and checked once, here, before anything else sees them.

The rules are the real server's, so that no name made here fails on a cluster: printable ASCII, no
character that a glob gives a meaning to, no relative segment.
"""

from __future__ import annotations

import re

from pachlocal.errors import InvalidArgumentError

MAX_DEPTH = 200  # folders; no real path comes near, and walks are recursive

_GLOB_CHARACTERS = frozenset("*?[]{}!()@+^")
# What needs no second look: allowed characters only, one leading `/`, no empty or dotted segment.
_CLEAN = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[ \"#$%&',\-.0-9:;<=>A-Z\\_`a-z|~]+)+")


def clean(path: str) -> str:
    """Return a path with one leading `/`, no empty segments, no trailing `/`; the root is `/`."""
    return "/" + "/".join(segment for segment in path.split("/") if segment)


def validate(path: str) -> str:
    """Clean a path that is to be written.

    Raises:
        InvalidArgumentError: The path could not be written on a real cluster, or escapes its root.
    """
    if path.count("/") > MAX_DEPTH:
        raise InvalidArgumentError(
            f"path ({path[:40]}…) invalid: it is more than {MAX_DEPTH} folders deep"
        )
    if _CLEAN.fullmatch(path):
        return path
    for character in path:
        if not " " <= character <= "~":
            raise InvalidArgumentError(
                f"path ({path!r}) invalid: only printable ASCII characters allowed"
            )
        if character in _GLOB_CHARACTERS:
            raise InvalidArgumentError(
                f"path ({path}) invalid: globbing character ({character}) not allowed in path"
            )
    if any(segment in (".", "..") for segment in path.split("/")):
        raise InvalidArgumentError(f"path ({path}) invalid: relative file paths are not allowed")
    return clean(path)


def segments(path: str) -> list[str]:
    """Split a cleaned path: `/a/b` is `["a", "b"]`, the root is `[]`."""
    return [segment for segment in path.split("/") if segment]
