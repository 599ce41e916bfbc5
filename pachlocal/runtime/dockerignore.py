"""What a `.dockerignore` leaves of a folder.

Source: the rules at https://docs.docker.com/build/concepts/context/#dockerignore-files, which are
those of Go's filepath.Match with `**`; the last pattern that matches a path, or a folder above it,
decides.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase


class DockerIgnore:
    """The patterns of one file."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        """Take its lines. A pattern that can't be one matches nothing."""
        self._rules: list[tuple[bool, re.Pattern[str]]] = []
        self._kept: list[list[str]] = []  # the segments of patterns that take something back
        for line in lines:
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            keeps = text.startswith("!")
            pattern = posixpath.normpath(text.removeprefix("!").strip()).lstrip("/")
            if pattern in ("", "."):
                continue
            try:
                self._rules.append((keeps, re.compile(_regex(pattern), re.DOTALL)))
            except re.error:
                continue
            if keeps:
                self._kept.append(pattern.split("/"))

    def leaves(self, path: str) -> bool:
        """Whether a path, relative to the folder and without a `/` at its end, is left there."""
        left = True
        for keeps, pattern in self._rules:
            if keeps is not left and pattern.fullmatch(path):
                left = keeps
        return left

    def may_leave_below(self, folder: str) -> bool:
        """Whether something may be left below a folder that is not left itself."""
        segments = folder.split("/")
        return any(_may_match_below(segments, pattern) for pattern in self._kept)


def _may_match_below(folder: list[str], pattern: list[str]) -> bool:
    for segment, part in zip(folder, pattern, strict=False):
        if "**" in part:
            return True
        if not fnmatchcase(segment, part):
            return False
    return True  # what a pattern matches, it matches with all that is below


def _regex(pattern: str) -> str:
    """Return what matches what a pattern does, and all that is below that."""
    found, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            while pattern.startswith("*", at):
                at += 1
            if pattern.startswith("/", at):
                found.append("(?:.*/)?")
                at += 1
            else:
                found.append(".*")
            continue
        if char == "*":
            found.append("[^/]*")
        elif char == "?":
            found.append("[^/]")
        elif char == "[" and (end := pattern.find("]", at + 2)) > 0:
            inner = pattern[at + 1 : end].replace("\\", "\\\\")
            found.append(f"(?!/)[{inner}]")
            at = end
        elif char == "\\" and at + 1 < len(pattern):
            at += 1
            found.append(re.escape(pattern[at]))
        else:
            found.append(re.escape(char))
        at += 1
    return f"{''.join(found)}(?:/.*)?"
