r"""Glob patterns, in the grammar of Pachyderm's library ohmyglob, compiled to regular expressions.

    *  any run without /          {a,b}    alternatives
    ** any run                    (a|b)    @(a|b)  one of, captured
    ?  one character but /        *(a|b)   +(a|b)  ?(a|b)  repeated or optional, captured
    [a-z] [!a] [[:alpha:]]        !(a|b)   ^(a|b)  anything else, captured
    \c the character itself

A pattern is matched against a whole path that begins with `/`; a folder's has no `/` at its end.
See https://docs.pachyderm.com/latest/build-dags/pipeline-spec/input/glob/ for what users are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs import paths, tree
from pachlocal.pfs.content import Reader
from pachlocal.pfs.tree import Entry, Root

_SPECIAL = frozenset("*?[]{}()!@+^\\|")
_QUANTIFIERS = frozenset("*+?@!^")
_POSIX = {
    "alnum": "A-Za-z0-9",
    "alpha": "A-Za-z",
    "ascii": "\x00-\x7f",
    "blank": " \t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
}


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled pattern.

    Attributes:
        pattern: As cleaned: it begins with `/`.
        regex: What matches the same paths.
        folder: The folder that every match lies in, found from the pattern's literal beginning.
        depth: How many segments every match has; None when they differ.
    """

    pattern: str
    regex: re.Pattern[str]
    folder: str
    depth: int | None

    def matches(self, path: str) -> bool:
        """Whether a path matches; a folder's may end in `/`."""
        plain = _plain(path)
        if plain == "/":  # nothing but `/` means the root, not even `**`
            return self.pattern == "/"
        return self.regex.fullmatch(plain) is not None

    def expand(self, path: str, template: str) -> str:
        """Put the captures of a matching path into a template: `$1` or `${1}`, from 1 on."""
        match = self.regex.fullmatch(_plain(path))
        if match is None:
            raise InvalidArgumentError(f"path {path} does not match glob {self.pattern}")

        def capture(reference: re.Match[str]) -> str:
            number = int(reference[1] or reference[2])
            if number > self.regex.groups:
                raise InvalidArgumentError(
                    f"{template!r} asks for capture group {number}, "
                    f"and glob {self.pattern} has {self.regex.groups}"
                )
            return match[number] or ""

        return re.sub(r"\$(?:(\d+)|\{(\d+)\})", capture, template)


@lru_cache(maxsize=1024)
def compile_glob(pattern: str) -> Glob:
    """Compile a pattern.

    Raises:
        InvalidArgumentError: A bracket is not closed, or a class is unknown.
    """
    cleaned = paths.clean(pattern) if pattern != "/" else "/"
    source = _Parser(cleaned).pattern()
    literal = re.match(r"[^*?\[\]{}()!@+^\\|]*", cleaned)
    assert literal is not None  # noqa: S101 - it may match nothing
    folder = cleaned[: literal[0].rfind("/") + 1] or "/"
    return Glob(cleaned, re.compile(source), folder, _depth(cleaned))


def is_literal(pattern: str) -> bool:
    """Whether a pattern can match one path only."""
    return not _SPECIAL.intersection(pattern)


def glob(objects: Reader, root: Root, pattern: Glob) -> Iterator[tuple[str, Entry]]:
    """Yield what matches in a tree, in byte order, as (path, entry); folders end in `/`.

    Looks only into folders that can hold a match. The root of an empty tree isn't there.
    """
    if root is None:
        return
    if is_literal(pattern.pattern):
        entry = tree.lookup(objects, root, pattern.pattern)
        if entry is not None:
            yield pattern.pattern.rstrip("/") + ("/" if entry.is_folder else ""), entry
        return
    folder = tree.lookup(objects, root, pattern.folder)
    if folder is not None and folder.is_folder:
        yield from _below(objects, folder.hash, pattern.folder, pattern)


def _below(objects: Reader, root: Root, path: str, pattern: Glob) -> Iterator[tuple[str, Entry]]:
    depth = path.count("/")  # of the entries in this folder
    for entry in tree.children(objects, root):
        below = path + entry.name
        if pattern.depth in (None, depth) and pattern.matches(below):
            yield below, entry
        if entry.is_folder and (pattern.depth is None or depth < pattern.depth):
            yield from _below(objects, entry.hash, below, pattern)


def _plain(path: str) -> str:
    return path.rstrip("/") or "/"


def _depth(pattern: str) -> int | None:
    nested = re.search(r"[({\[][^)}\]]*[/!^]|[!^]\(|\*\*", pattern)
    return None if nested else pattern.count("/")


class _Parser:
    """Translates a pattern by recursive descent; `rest` is what a negation must look ahead to."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def pattern(self) -> str:
        regex = self._render(self._sequence(stop=""), rest=r"\Z")
        if self._at < len(self._text):
            raise self._error(f"unexpected {self._text[self._at]!r}")
        return regex

    def _sequence(self, stop: str) -> list[_Part]:
        parts: list[_Part] = []
        while self._at < len(self._text) and self._text[self._at] not in stop:
            parts.append(self._part())
        return parts

    def _part(self) -> _Part:
        character = self._text[self._at]
        following = self._text[self._at + 1 : self._at + 2]
        if character in _QUANTIFIERS and following == "(":
            self._at += 2
            return _Part(group=self._alternatives("|", ")"), quantifier=character)
        self._at += 1
        if character == "(":
            return _Part(group=self._alternatives("|", ")"), quantifier="@")
        if character == "{":
            return _Part(group=self._alternatives(",", "}"), quantifier="{")
        if character == "[":
            return _Part(regex=self._class())
        if character == "*" and following == "*":
            self._at += 1
            return _Part(regex=".*", bounds=True)
        if character == "*":
            return _Part(regex="[^/]*", bounds=True)
        if character == "?":
            return _Part(regex="[^/]")
        if character == "\\":
            if not following:
                raise self._error("nothing follows the backslash")
            self._at += 1
            character = following
        elif character in "])}":
            raise self._error(f"unexpected {character!r}")
        return _Part(regex=re.escape(character), bounds=True)

    def _alternatives(self, separator: str, end: str) -> list[list[_Part]]:
        found = [self._sequence(stop=separator + end)]
        while self._at < len(self._text) and self._text[self._at] == separator:
            self._at += 1
            found.append(self._sequence(stop=separator + end))
        if self._at == len(self._text):
            raise self._error(f"{end!r} is missing")
        self._at += 1
        return found

    def _class(self) -> str:
        negated = self._text[self._at : self._at + 1] in ("!", "^")
        self._at += negated
        end = self._text.find("]", self._at + 1)
        posix = re.compile(r"\[:(\^?)(\w+):\]").match(self._text, self._at)
        if posix is not None:
            end = posix.end()
            if self._text[end : end + 1] != "]" or posix[2] not in _POSIX:
                raise self._error(f"unknown character class {posix[0]}")
            negated = negated != bool(posix[1])
            body = _POSIX[posix[2]]
        else:
            if end < 0:
                raise self._error("']' is missing")
            body = self._range_or_list(self._text[self._at : end])
        self._at = end + 1
        return f"[{'^' if negated else ''}{body}]"

    def _range_or_list(self, body: str) -> str:
        if len(body) == 3 and body[1] == "-":
            if body[0] > body[2]:
                raise self._error(f"the range {body} is upside down")
            return f"{re.escape(body[0])}-{re.escape(body[2])}"
        return re.escape(body.replace("\\", ""))

    def _render(self, parts: list[_Part], rest: str) -> str:
        return "".join(
            self._render_part(part, self._until_bound(parts[index + 1 :], rest))
            for index, part in enumerate(parts)
        )

    def _until_bound(self, following: list[_Part], rest: str) -> str:
        """What a negation has to see after it: up to the next literal text, `*` or `**`."""
        seen = []
        for index, part in enumerate(following):
            seen.append(self._render_part(part, self._until_bound(following[index + 1 :], rest)))
            if part.bounds:
                return _uncaptured("".join(seen))
        return _uncaptured("".join(seen)) + rest

    def _render_part(self, part: _Part, rest: str) -> str:
        if part.group is None:
            return part.regex
        body = "|".join(self._render(sequence, rest) for sequence in part.group)
        if part.quantifier == "{":
            return f"(?:{body})"
        if part.quantifier == "@":
            return f"({body})"
        if part.quantifier in "!^":
            return f"((?!(?:{_uncaptured(body)}){rest})[^/]*)"
        return f"((?:{body}){part.quantifier})"

    def _error(self, what: str) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"invalid glob {self._text!r}: {what} (character {self._at + 1})"
        )


@dataclass(slots=True)
class _Part:
    regex: str = ""
    group: list[list[_Part]] | None = None
    quantifier: str = ""
    bounds: bool = False  # whether a negation before it ends here


def _uncaptured(regex: str) -> str:
    """Turn captures into plain groups: a look-ahead must not shift the numbers."""
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", regex)
