"""Going through a path with sets of a graph's nodes, each computed once: a lazy DFA."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from pachlocal.pfs.patterns.graph import Nfa, NfaState, Op

_ROOM = 20_000  # nodes in all the sets that are kept, some 60 bytes each


class Transition(NamedTuple):
    """The preferred way with a character.

    Attributes:
        to: The node after it.
        passed: The beginnings and ends of groups before it, in order.
    """

    to: int
    passed: tuple[NfaState, ...]


class DfaState(dict[str, "DfaState"]):
    """A set of nodes, and by character the set that comes next, as they are asked for.

    Attributes:
        nodes: The set.
        steps: The preferred ways to here, by the node they begin at and the character.
    """

    __slots__ = ("_walk", "nodes", "steps")

    def __init__(self, nodes: frozenset[int], walk: _Walk) -> None:
        super().__init__()
        self.nodes = nodes
        self.steps: dict[tuple[int, str], Transition] = {}
        self._walk = walk

    def __missing__(self, character: str) -> DfaState:
        return self._walk.after(self, character)

    @property
    def is_dead(self) -> bool:
        """Whether no text that begins so can match."""
        return not self.nodes

    def through(self, text: str) -> DfaState:
        """Return the set after all characters of a text."""
        state = self
        for character in text:
            state = state[character]
        return state


class _Walk:
    """The sets that were met in one direction. Any thread may use it: two do the same at worst."""

    def __init__(self, graph: Nfa) -> None:
        self.graph = graph
        self._known: dict[frozenset[int], DfaState] = {}
        self._room = _ROOM

    def state(self, nodes: frozenset[int]) -> DfaState:
        """Return the state of a set."""
        return self._known.setdefault(nodes, DfaState(nodes, self))

    def after(self, state: DfaState, character: str) -> DfaState:
        """Compute the state that follows, and keep it."""
        found = self.state(self.step(state.nodes, character))
        self.take_room(len(found.nodes) + 1)
        state[character] = found
        return found

    def take_room(self, nodes: int) -> None:
        """Account for what is about to be kept; when it gets too much, all is forgotten."""
        self._room -= nodes
        if self._room < 0:
            for known in list(self._known.values()):
                known.clear()
            self._known.clear()
            self._room = _ROOM

    def step(self, nodes: frozenset[int], character: str) -> frozenset[int]:
        """Compute the set that follows."""
        raise NotImplementedError


class Forward(_Walk):
    """From left to right: the nodes that are reached, negations taken to hold."""

    @cached_property
    def start(self) -> DfaState:
        """What is reached before the first character."""
        return self.state(self._closed([0]))

    def step(self, nodes: frozenset[int], character: str) -> frozenset[int]:
        """Compute the set that is reached by a character."""
        found = map(self.graph.nodes.__getitem__, nodes)
        return self._closed(node.ways[0] for node in found if node.takes(character))

    def _closed(self, reached: Iterable[int]) -> frozenset[int]:
        """Add what is reached without a character, and leave out what only leads there."""
        nodes, seen, ahead = self.graph.nodes, set[int](), list(reached)
        while ahead:
            at = ahead.pop()
            if at not in seen:
                seen.add(at)
                if nodes[at].op is not Op.TAKE:
                    ahead.extend(nodes[at].ways)
        return frozenset(at for at in seen if nodes[at].op in (Op.TAKE, Op.ACCEPT))


class Backward(_Walk):
    """From right to left: the nodes from which the end can be reached, negations decided."""

    def __init__(self, graph: Nfa) -> None:
        super().__init__(graph)
        self._leading: list[list[int]] = [[] for _ in graph.nodes]  # to each node
        self._taking: list[list[int]] = [[] for _ in graph.nodes]  # ... by a character
        for at, node in enumerate(graph.nodes):
            for way in node.ways:
                (self._taking if node.op is Op.TAKE else self._leading)[way].append(at)
        self._anywhere = [] if graph.to_the_end else [refusal.end for refusal in graph.refusals]

    @cached_property
    def start(self) -> DfaState:
        """The set at the end of a path."""
        ends = [self.graph.end, *(refusal.end for refusal in self.graph.refusals)]
        return self.state(self._closed(ends))

    def step(self, nodes: frozenset[int], character: str) -> frozenset[int]:
        """Compute the set that is before a character."""
        takers = [
            taker
            for at in nodes
            for taker in self._taking[at]
            if self.graph.nodes[taker].takes(character)
        ]
        return self._closed(takers + self._anywhere)

    def _closed(self, ahead: list[int]) -> frozenset[int]:
        """Add the nodes that lead to these without a character, as far as negations allow.

        A negation is decided when everything is known of what it refuses; so those inside that are
        decided before.
        """
        nodes, seen, holding = self.graph.nodes, set[int](), set[int]()

        def spread() -> None:
            while ahead:
                at = ahead.pop()
                if at in seen or (nodes[at].op is Op.UNLESS and nodes[at].number not in holding):
                    continue
                seen.add(at)
                ahead.extend(self._leading[at])

        spread()
        for number, refusal in enumerate(self.graph.refusals):
            if refusal.start not in seen:
                holding.add(number)
                if nodes[refusal.unless].ways[0] in seen:
                    ahead.append(refusal.unless)
                    spread()
        return frozenset(seen)
