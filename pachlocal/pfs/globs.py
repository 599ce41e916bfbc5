r"""Glob patterns, in the grammar of Pachyderm's library ohmyglob, compiled to regular expressions.

    *  any run without /          {a,b}    alternatives
    ** any run                    (a|b)    @(a|b)  one of, captured
    ?  one character but /        *(a|b)   +(a|b)  ?(a|b)  repeated or optional, captured
    [a-z0] [!a] [[:alpha:]_]      !(a|b)   ^(a|b)  anything else, captured
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
from pachlocal.pfs import folders, paths, tree
from pachlocal.pfs.content import Reader
from pachlocal.pfs.entries import Entry, Root

_SPECIAL = frozenset("*?[]{}()!@+^\\|")
_QUANTIFIERS = frozenset("*+?@!^")
_POSIX = {
    "alnum": "A-Za-z0-9",
    "alpha": "A-Za-z",
    "ascii": "\x00-\x7f",
    "blank": " \t",
    "cntrl": "\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
}
_CHARACTER = r"(?:\\.|[^\]\\])"
_CLASS_ITEM = re.compile(
    rf"\[:(?P<not>\^?)(?P<named>\w+):\]|(?P<low>{_CHARACTER})(?:-(?P<high>{_CHARACTER}))?"
)


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
        """Put the captures of a matching path into a template: `$1` or `${1}`, and `$$` is `$`."""
        match = self.regex.fullmatch(_plain(path))
        if match is None:
            raise InvalidArgumentError(f"path {path} does not match glob {self.pattern}")

        def capture(reference: re.Match[str]) -> str:
            if reference[0] == "$$":
                return "$"
            number = int(reference[1] or reference[2])
            if number > self.regex.groups:
                raise InvalidArgumentError(
                    f"{template!r} asks for capture group {number}, "
                    f"and glob {self.pattern} has {self.regex.groups}"
                )
            return match[number] or ""

        return re.sub(r"\$(?:(\d+)|\{(\d+)\}|\$)", capture, template)


@lru_cache(maxsize=1024)
def compile_glob(pattern: str) -> Glob:
    """Compile a pattern.

    Raises:
        InvalidArgumentError: A bracket is not closed, or a class is unknown.
    """
    cleaned = paths.clean(pattern)
    parser = _Parser(cleaned)
    source = parser.pattern()
    literal = re.match(r"[^*?\[\]{}()!@+^\\|]*", cleaned)
    assert literal is not None  # noqa: S101 - it may match nothing
    folder = cleaned[: literal[0].rfind("/") + 1] or "/"
    return Glob(cleaned, re.compile(source), folder, parser.depth)


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
    for entry in folders.children(objects, root):
        below = path + entry.name
        if pattern.depth in (None, depth) and pattern.matches(below):
            yield below, entry
        if entry.is_folder and (pattern.depth is None or depth < pattern.depth):
            yield from _below(objects, entry.hash, below, pattern)


def _plain(path: str) -> str:
    return path.rstrip("/") or "/"


class _Parser:
    """Translates a pattern by recursive descent.

    Attributes:
        depth: How many `/` every match has; None when they differ.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._nesting = 0  # groups open here
        self._negation_ended = False
        # Whether text, `*` or `**` comes after the first negation to end. Upstream looks ahead from
        # a negation either to the end or, then, to its own words only: `!(a)b` refuses `axb`.
        self._bounded = False
        self.depth: int | None = 0

    def pattern(self) -> str:
        parts = self._sequence(stop="")
        if self._at < len(self._text):
            raise self._error(f"unexpected {self._text[self._at]!r}")
        return self._render(parts)

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
            part = _Part(group=self._alternatives("|", ")"), quantifier=character)
            self._negation_ended = self._negation_ended or character in "!^"
            return part
        self._at += 1
        if character == "(":
            return _Part(group=self._alternatives("|", ")"), quantifier="@")
        if character == "{":
            return _Part(group=self._alternatives(",", "}"), quantifier="{")
        if character == "[":
            return _Part(regex=self._class())
        if character == "?":
            return _Part(regex="[^/]")
        self._bounded = self._bounded or self._negation_ended
        if character == "*":
            return _Part(regex=self._any())
        if character == "\\":
            if not following:
                raise self._error("nothing follows the backslash")
            self._at += 1
            character = following
        elif character in "])}":
            raise self._error(f"unexpected {character!r}")
        self._count(character)
        return _Part(regex=re.escape(character))

    def _any(self) -> str:
        if not re.compile(r"\*(?!\()").match(self._text, self._at):  # `**(` is `*` and `*(`
            return "[^/]*"
        self._at += 1
        self.depth = None
        return ".*"

    def _count(self, character: str) -> None:
        if character == "/" and self.depth is not None:
            self.depth = None if self._nesting else self.depth + 1

    def _alternatives(self, separator: str, end: str) -> list[list[_Part]]:
        self._nesting += 1
        found = [self._sequence(stop=separator + end)]
        while self._at < len(self._text) and self._text[self._at] == separator:
            self._at += 1
            found.append(self._sequence(stop=separator + end))
        if self._at == len(self._text):
            raise self._error(f"{end!r} is missing")
        self._at += 1
        self._nesting -= 1
        return found

    def _class(self) -> str:
        """Read characters, ranges and named classes up to the `]`, all negated by a `!` or `^`."""
        negated = self._text[self._at : self._at + 1] in ("!", "^")
        self._at += negated
        body = ""
        while (item := _CLASS_ITEM.match(self._text, self._at)) is not None:
            self._at = item.end()
            if item["named"]:
                if item["named"] not in _POSIX:
                    raise self._error(f"unknown character class {item[0]}")
                negated = negated != bool(item["not"])
                body += _POSIX[item["named"]]
                continue
            low, high = item["low"][-1], item["high"][-1:] if item["high"] else ""
            if high and low > high:
                raise self._error(f"the range {item[0]} is upside down")
            body += re.escape(low) + (f"-{re.escape(high)}" if high else "")
        if self._text[self._at : self._at + 1] != "]":
            raise self._error("']' is missing")
        if not body:
            raise self._error("the character class is empty")
        self._at += 1
        regex = f"[{'^' if negated else ''}{body}]"
        if re.fullmatch(regex, "/"):
            self.depth = None
        return regex

    def _render(self, parts: list[_Part]) -> str:
        return "".join(map(self._render_part, parts))

    def _render_part(self, part: _Part) -> str:
        if part.group is None:
            return part.regex
        body = "|".join(map(self._render, part.group))
        if part.quantifier == "{":
            return f"(?:{body})"
        if part.quantifier == "@":
            return f"({body})"
        if part.quantifier in "!^":
            rest = "" if self._bounded else r"\Z"
            return f"((?!(?:{body}){rest})[^/]*)"
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
