"""Stands in for true paths: turns `/pfs/...` into the scratch path wherever it stands as a path.

It can't know what a text means: `awk '/pfs/ {...}'` is rewritten though it is not a path, a
path that a program puts together at run time is not. Where the kernel allows a mount namespace none
of this is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

# Characters before "/pfs" that make it the later part of a longer path: `/home/pfs`, `$HOME/pfs`,
# `$(pwd)/pfs`, `../pfs`, `~/pfs`, `*/pfs`, `host//pfs`, `\/pfs` (a sed expression).
_BEFORE = r"(?<![\w.\-/~)}\]*?\\])"
# Yet these two start a path of their own: `-I/code/include` and `file:///pfs/x`.
_GLUED = r"(?<![\w\-])-[A-Za-z]|(?<!\w)file://"
# Characters after "/pfs" that make it another name: `/pfsx`, `/pfs-2`, `/pfs.txt`.
_AFTER = r"(?![\w.\-~+@%])"


class PathRewriter:
    """Replaces whole path prefixes.

    Args:
        targets: What each prefix (`/pfs`) becomes.
    """

    def __init__(self, targets: Mapping[str, str]) -> None:
        self._targets = dict(targets)
        names = "|".join(re.escape(prefix) for prefix in targets)
        self._pattern = re.compile(rf"({_GLUED}|{_BEFORE})({names}){_AFTER}")

    def text(self, text: str) -> str:
        """Rewrite an argument, a variable's value or a path."""
        return self._pattern.sub(lambda match: match[1] + self._targets[match[2]], text)

    def data(self, data: bytes) -> bytes:
        """Rewrite standard input, which may hold any bytes."""
        text = data.decode(errors="surrogateescape")
        return self.text(text).encode(errors="surrogateescape")


# What a shell and a list of paths (`a:b`, `a,b`) take as it is.
_PLAIN = re.compile(r"[A-Za-z0-9_./+@-]+", re.ASCII)


def is_plain(path: Path | str) -> bool:
    """Whether a path can stand unquoted in a shell script."""
    return _PLAIN.fullmatch(str(path)) is not None
