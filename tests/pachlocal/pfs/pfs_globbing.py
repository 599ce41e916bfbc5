"""Glob patterns and paths for Hypothesis, and a matcher that tries one way after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hypothesis import reject
from hypothesis import strategies as st

_MOST_TRIES = 20_000  # of the slow matcher, for one pattern and path

Captured: TypeAlias = "Mapping[int, tuple[int, int]]"
Ends: TypeAlias = "Iterator[tuple[int, Captured]]"


@dataclass(frozen=True)
class Node:
    """A piece of a pattern.

    Attributes:
        kind: text, `*`, `**`, `?`, class, braces, or the quantifier of a group.
        text: The text, or a class's characters, the first being `!` in a negated one.
        arms: The alternatives of braces and groups.
    """

    kind: str
    text: str = ""
    arms: tuple[tuple[Node, ...], ...] = ()


def written(nodes: Iterable[Node]) -> str:
    return "".join(map(_written, nodes))


def _written(node: Node) -> str:
    if node.kind == "text":
        return node.text
    if node.kind == "class":
        return f"[{node.text}]"
    if node.kind == "braces":
        return "{" + ",".join(map(written, node.arms)) + "}"
    if node.arms:
        return node.kind + "(" + "|".join(map(written, node.arms)) + ")"
    return node.kind


class SlowMatcher:
    """Goes back whenever a way doesn't lead to the end, as the real server's engine does."""

    def __init__(self, pattern: Sequence[Node], text: str) -> None:
        self._pattern = pattern
        self._text = text
        self._groups = _numbered(pattern)
        self._bounded = _bounded(pattern)
        self._tries = 0

    def captures(self) -> list[str] | None:
        """Return the text and what each group captured; None when nothing matches."""
        for end, captured in self._all(self._pattern, 0, {}):
            if end == len(self._text):
                spans = (captured.get(n, (0, 0)) for n in range(1, len(self._groups) + 1))
                return [self._text, *(self._text[start:end] for start, end in spans)]
        return None

    def _all(self, nodes: Sequence[Node], at: int, captured: Captured) -> Ends:
        """Yield where nodes in a row can end, in order of preference."""
        if not nodes:
            yield at, captured
            return
        for end, now in self._one(nodes[0], at, captured):
            yield from self._all(nodes[1:], end, now)

    def _one(self, node: Node, at: int, captured: Captured) -> Ends:
        self._tries += 1
        if self._tries > _MOST_TRIES:
            reject()
        if node.kind == "braces":
            yield from self._any(node.arms, at, captured)
        elif node.arms:
            for end, now in self._repeated(node, at, captured):
                yield end, {**now, self._groups[id(node)]: (at, end)}
        else:
            for end in self._plain(node, at):
                yield end, captured

    def _plain(self, node: Node, at: int) -> Iterable[int]:
        text, size = self._text, len(self._text)
        if node.kind == "text":
            return [at + len(node.text)] if text.startswith(node.text, at) else []
        if node.kind == "**":
            return range(size, at - 1, -1)
        if node.kind == "*":
            return self._segment(at)
        if at == size:
            return []
        if node.kind == "?":
            return [at + 1] if text[at] != "/" else []
        negated, characters = node.text.startswith("!"), node.text.lstrip("!")
        return [at + 1] if (text[at] in characters) != negated else []

    def _segment(self, at: int) -> Iterable[int]:
        return range((self._text + "/").index("/", at), at - 1, -1)

    def _any(self, arms: Iterable[Sequence[Node]], at: int, captured: Captured) -> Ends:
        for arm in arms:
            yield from self._all(arm, at, captured)

    def _repeated(self, node: Node, at: int, captured: Captured) -> Ends:
        if node.kind == "!":
            refused = {end for end, _ in self._any(node.arms, at, {})}
            if not (refused if self._bounded else refused & {len(self._text)}):
                for end in self._segment(at):
                    yield end, captured
            return
        for end, now in self._any(node.arms, at, captured):
            if node.kind in "*+" and end > at:  # what took nothing is the last iteration
                yield from self._repeated(Node("*", arms=node.arms), end, now)
            else:
                yield end, now
        if node.kind in "*?":
            yield at, captured


def _numbered(pattern: Sequence[Node]) -> dict[int, int]:
    """Return the numbers of the groups that capture, by the node's identity."""
    numbers: dict[int, int] = {}

    def number(nodes: Iterable[Node]) -> None:
        for node in nodes:
            if node.arms and node.kind != "braces":
                numbers[id(node)] = len(numbers) + 1
            for arm in node.arms:
                number(arm)

    number(pattern)
    return numbers


def _bounded(pattern: Sequence[Node]) -> bool:
    """Whether text, `*` or `**` follows the first negation to end."""
    events = list(_ended(pattern))
    return "!" in events and "bound" in events[events.index("!") :]


def _ended(nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        for arm in node.arms:
            yield from _ended(arm)
        if node.kind == "!":
            yield "!"
        if node.kind in ("text", "*", "**") and not node.arms:
            yield "bound"


def _copied(node: Node) -> Node:
    """Return a node that stands nowhere else: groups are told apart by identity."""
    return Node(node.kind, node.text, tuple(tuple(map(_copied, arm)) for arm in node.arms))


def _spread(nodes: list[Node]) -> tuple[Node, ...]:
    """Put text between two `*`, which would be read as `**`."""
    spread: list[Node] = []
    for node in map(_copied, nodes):
        if spread and spread[-1].kind[-1:] == node.kind[:1] == "*" and not spread[-1].arms:
            spread.append(Node("text", "b"))
        spread.append(node)
    return tuple(spread)


_TEXTS = st.sampled_from(["a", "b", "ab", "/", ".", "a/"]).map(lambda text: Node("text", text))
_LEAVES = st.one_of(
    _TEXTS,
    _TEXTS,
    st.sampled_from([Node("*"), Node("?")]),
    st.sampled_from(["ab", "!a", "!ab", "b.", "/a"]).map(lambda text: Node("class", text)),
)


def _groups(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    arms = st.lists(st.lists(parts, max_size=3).map(_spread), min_size=1, max_size=3).map(tuple)
    kinds = st.sampled_from(["braces", "@", "*", "+", "?", "!", "!"])
    return st.builds(lambda kind, arms: Node(kind, arms=arms), kinds, arms)


_PARTS = st.recursive(_LEAVES, lambda parts: st.one_of(_LEAVES, _groups(parts)), max_leaves=8)
PATTERNS = st.lists(st.one_of(_PARTS, st.just(Node("**"))), max_size=4).map(_spread)
PATHS = st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=3).map(
    lambda segments: "/" + "/".join(segments)
)
