r"""The grammar of glob patterns: that of Pachyderm's library ohmyglob.

    *  any run without /          {a,b}    alternatives
    ** any run                    (a|b)    @(a|b)  one of, captured
    ?  one character but /        *(a|b)   +(a|b)  ?(a|b)  repeated or optional, captured
    [a-z0] [!a] [[:alpha:]_]      !(a|b)   ^(a|b)  anything else, captured
    \c the character itself

A negation refuses to begin where one of its alternatives could, and takes what `*` takes otherwise.
See https://github.com/pachyderm/ohmyglob.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from pachlocal.errors import InvalidArgumentError, StricterError

MAX_PATTERN = 4096
"""Characters: the cost of a match grows with the pattern."""
MAX_NESTING = 50
"""Groups in groups; no real pattern comes near, and parsing is recursive."""

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
    "space": r" \t-\r",
    "upper": "A-Z",
    "word": r"A-Za-z0-9_",
    "xdigit": "0-9A-Fa-f",
}
_CHARACTER = r"(?:\\.|[^\]\\])"
_CLASS_ITEM = re.compile(
    rf"\[:(?P<not>\^?)(?P<named>\w+):\]|(?P<low>{_CHARACTER})(?:-(?P<high>{_CHARACTER}))?"
)
_LITERAL = re.compile(r"[^*?\[\]{}()!@+^\\|]*")


@dataclass(frozen=True, slots=True)
class One:
    """One character of a class, given as a regular expression that matches one character."""

    regex: str


@dataclass(frozen=True, slots=True)
class Run:
    """Any number of characters of a class."""

    regex: str


@dataclass(frozen=True, slots=True)
class Group:
    """Alternatives.

    Attributes:
        kind: `{` for braces; `@`, `*`, `+`, `?` or `!` for a group, which is captured.
        arms: The alternatives, the first preferred.
    """

    kind: str
    arms: tuple[Sequence, ...]


Part: TypeAlias = "One | Run | Group"
Sequence: TypeAlias = "tuple[Part, ...]"

NO_SLASH = "[^/]"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that was read.

    Attributes:
        parts: What it is made of.
        to_the_end: Whether a negation refuses only alternatives that go on to the path's end. So it
            is unless text, `*` or `**` comes after the first negation that ends: ohmyglob decides
            for all negations of a pattern at once, and `!(a)b` refuses `axb`.
    """

    parts: Sequence
    to_the_end: bool


def is_literal(pattern: str) -> bool:
    """Whether a pattern can match one path only."""
    return not _SPECIAL.intersection(pattern)


def literal_start(pattern: str) -> str:
    """Return the part of a pattern before its first special character."""
    found = _LITERAL.match(pattern)
    return found[0] if found else ""


def parse(text: str) -> Pattern:
    """Read a pattern.

    Raises:
        InvalidArgumentError: A bracket is not closed, or a class is unknown.
        StricterError: It is too large.
    """
    if len(text) > MAX_PATTERN:
        raise StricterError(
            f"invalid glob {text[:40]!r}…: it has {len(text)} characters, the maximum is "
            f"{MAX_PATTERN}"
        )
    return _Parser(text).pattern()


class _Parser:
    """Reads by recursive descent."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._nesting = 0  # groups open here
        self._negation_ended = False
        self._bounded = False  # see `Pattern.to_the_end`

    def pattern(self) -> Pattern:
        parts = self._sequence(stop="")
        return Pattern(parts, to_the_end=not self._bounded)

    def _sequence(self, stop: str) -> Sequence:
        parts: list[Part] = []
        while self._at < len(self._text) and self._text[self._at] not in stop:
            parts.append(self._part())
        return tuple(parts)

    def _part(self) -> Part:
        character = self._text[self._at]
        following = self._text[self._at + 1 : self._at + 2]
        if character in _QUANTIFIERS and following == "(":
            self._at += 2
            kind = "!" if character == "^" else character
            group = self._group(kind, "|", ")")
            self._negation_ended = self._negation_ended or kind == "!"
            return group
        self._at += 1
        if character == "(":
            return self._group("@", "|", ")")
        if character == "{":
            return self._group("{", ",", "}")
        if character == "[":
            return One(self._class())
        if character == "?":
            return One(NO_SLASH)
        self._bounded = self._bounded or self._negation_ended
        if character == "*":
            return self._run()
        if character == "\\":
            if not following:
                raise self._error("nothing follows the backslash")
            self._at += 1
            character = following
        elif character in "])}":
            raise self._error(f"unexpected {character!r}")
        return One(re.escape(character))

    def _run(self) -> Run:
        if self._text[self._at : self._at + 1] != "*" or self._text.startswith("*(", self._at):
            return Run(NO_SLASH)  # `**(` is `*` and `*(`
        self._at += 1
        return Run(".")

    def _group(self, kind: str, separator: str, end: str) -> Group:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise self._error(f"more than {MAX_NESTING} groups in one another")
        arms = [self._sequence(stop=separator + end)]
        while self._at < len(self._text) and self._text[self._at] == separator:
            self._at += 1
            arms.append(self._sequence(stop=separator + end))
        if self._at == len(self._text):
            raise self._error(f"{end!r} is missing")
        self._at += 1
        self._nesting -= 1
        return Group(kind, tuple(arms))

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
        return f"[{'^' if negated else ''}{body}]"

    def _error(self, what: str) -> InvalidArgumentError:
        shown = repr(self._text) if len(self._text) <= 200 else f"{self._text[:40]!r}…"
        return InvalidArgumentError(f"invalid glob {shown}: {what} (character {self._at + 1})")
