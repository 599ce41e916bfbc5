"""A pattern as a graph, an NFA: nodes that take a character, and nodes that lead on without one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from pachlocal.pfs.patterns.syntax import NO_SLASH, Group, One, Pattern, Run, Sequence


class Op(Enum):
    """What a node is for."""

    TAKE = "take a character of a class"
    GO = "go on, to one of several nodes"
    OPEN = "a captured group begins"
    CLOSE = "a captured group ends"
    BEGIN = "an iteration of a loop begins"
    AGAIN = "an iteration of a loop ends: another one, or on"
    UNLESS = "go on if what is refused can't begin here"
    ACCEPT = "the end, of the pattern or of what is refused"


@dataclass(slots=True)
class NfaState:
    """A node of the graph.

    Attributes:
        op: What it is for.
        ways: Where it leads, the preferred way first; after the character if it takes one.
        number: Of its group, loop or negation.
        accepted: The characters that it takes: a regular expression for one.
    """

    op: Op
    ways: tuple[int, ...] = ()
    number: int = 0
    accepted: re.Pattern[str] | None = None

    def takes(self, character: str) -> bool:
        """Whether it leads on with this character."""
        return self.accepted is not None and self.accepted.match(character) is not None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a negation refuses; it lies between these nodes.

    Attributes:
        unless: The node that asks.
        start: Where it begins.
        end: Where it ends.
    """

    unless: int
    start: int
    end: int


@dataclass(slots=True)
class Nfa:
    """A pattern as a graph.

    Attributes:
        to_the_end: See `Pattern`.
        nodes: By number. The pattern begins at node 0 and ends at the last one.
        groups: How many groups capture.
        refusals: What negations refuse, those inside others first.
    """

    to_the_end: bool
    nodes: list[NfaState] = field(default_factory=list)
    groups: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Where the pattern ends."""
        return len(self.nodes) - 1


def build(pattern: Pattern) -> Nfa:
    """Make a pattern's graph."""
    graph = Nfa(pattern.to_the_end)
    builder = _NfaBuilder(graph)
    builder.sequence(pattern.parts)
    builder.add(Op.ACCEPT)
    return graph


class _NfaBuilder:
    """Adds the nodes of parts. A part ends where the next node will be."""

    def __init__(self, graph: Nfa) -> None:
        self._graph = graph
        self._nodes = graph.nodes
        self._loops = 0
        self._classes: dict[str, re.Pattern[str]] = {}

    def add(self, op: Op, ways: tuple[int, ...] = (), number: int = 0) -> NfaState:
        node = NfaState(op, ways, number)
        self._nodes.append(node)
        return node

    def sequence(self, parts: Sequence) -> None:
        for part in parts:
            if isinstance(part, One):
                self._take(part.regex)
            elif isinstance(part, Run):
                self._run(part.regex)
            else:
                self._group(part)

    @property
    def _next(self) -> int:
        return len(self._nodes)

    def _take(self, regex: str) -> None:
        if regex not in self._classes:
            self._classes[regex] = re.compile(regex)
        self.add(Op.TAKE, (self._next + 1,)).accepted = self._classes[regex]

    def _run(self, regex: str) -> None:
        at = self._next
        fork = self.add(Op.GO)
        self._take(regex)
        self.add(Op.GO, (at,))
        fork.ways = (at + 1, self._next)

    def _group(self, group: Group) -> None:
        if group.kind == "{":
            self._arms(group.arms)
            return
        self._graph.groups += 1
        number = self._graph.groups
        self.add(Op.OPEN, (self._next + 1,), number)
        if group.kind == "!":
            self._refuse(group.arms)
            self._run(NO_SLASH)
        elif group.kind == "+":
            self._loop(group.arms)
        elif group.kind == "@":
            self._arms(group.arms)
        else:
            at = self._next
            fork = self.add(Op.GO)
            (self._loop if group.kind == "*" else self._arms)(group.arms)
            fork.ways = (at + 1, self._next)
        self.add(Op.CLOSE, (self._next + 1,), number)

    def _arms(self, arms: tuple[Sequence, ...]) -> None:
        if len(arms) == 1:
            self.sequence(arms[0])
            return
        fork = self.add(Op.GO)
        starts, ends = [], []
        for arm in arms:
            starts.append(self._next)
            self.sequence(arm)
            ends.append(self.add(Op.GO))
        fork.ways = tuple(starts)
        for end in ends:
            end.ways = (self._next,)

    def _loop(self, arms: tuple[Sequence, ...]) -> None:
        self._loops += 1
        number, begin = self._loops, self._next
        self.add(Op.BEGIN, (begin + 1,), number)
        self._arms(arms)
        self.add(Op.AGAIN, (begin, self._next + 1), number)

    def _refuse(self, arms: tuple[Sequence, ...]) -> None:
        at = self._next
        unless = self.add(Op.UNLESS)
        self._arms(arms)
        self.add(Op.ACCEPT)
        unless.ways = (self._next,)
        unless.number = len(self._graph.refusals)
        self._graph.refusals.append(Refusal(at, at + 1, self._next - 1))
