"""Whether a pattern matches a path, and what its groups capture."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from math import isqrt

from pachlocal.pfs.patterns.graph import NfaState, Op, build
from pachlocal.pfs.patterns.states import Backward, DfaState, Forward, Transition
from pachlocal.pfs.patterns.syntax import Pattern

_END = ""  # where a character would be


class Automaton:
    """Matches paths. Any thread may use it."""

    def __init__(self, pattern: Pattern) -> None:
        self._graph = build(pattern)
        self._forward = Forward(self._graph)

    @property
    def groups(self) -> int:
        """How many groups capture."""
        return self._graph.groups

    @property
    def start(self) -> DfaState:
        """Where to begin to go through a path; `DfaState.through` goes on."""
        return self._forward.start

    def accepts(self, state: DfaState, text: str) -> bool:
        """Whether a text matches that has led to a state."""
        if self._graph.end not in state.nodes:
            return False
        return not self._graph.refusals or 0 in self._backward.start.through(text[::-1]).nodes

    def captures(self, text: str) -> list[str] | None:
        """Return a text and what each group captured of it, empty if nothing; None: no match.

        As on the real server: of several ways to match, the one counts that a backtracking engine
        finds first; of several iterations of a group, the last; and an iteration that takes no
        character is the last.
        """
        alive = self._alive(text)
        here = next(alive)
        if 0 not in here.nodes:
            return None
        opened: dict[int, int] = {}
        captured: dict[int, tuple[int, int]] = {}
        at = 0
        for place, character in enumerate((*text, _END)):
            after = next(alive, here)
            at, passed = self._step(at, here, after, character)
            here = after
            for node in passed:
                if node.op is Op.OPEN:
                    opened[node.number] = place
                else:
                    captured[node.number] = opened[node.number], place
        spans = (captured.get(number, (0, 0)) for number in range(1, self.groups + 1))
        return [text, *(text[start:end] for start, end in spans)]

    @cached_property
    def _backward(self) -> Backward:
        return Backward(self._graph)

    def _alive(self, text: str) -> Iterator[DfaState]:
        """Yield the nodes from which the end can be reached: before each character, and at the end.

        They are found from right to left, and wanted from left to right. Of a long text they take
        much memory; so only some are kept, and those in between are found a second time.
        """
        stride = isqrt(len(text)) + 1
        places = [*range(len(text), 0, -stride), 0]
        kept = [self._backward.start]
        for start, end in zip(places[1:], places, strict=False):
            kept.append(kept[-1].through(text[start:end][::-1]))
        while len(kept) > 1:
            yield kept.pop()
            between = [kept[-1]]
            for character in reversed(text[places[len(kept)] + 1 : places[len(kept) - 1]]):
                between.append(between[-1][character])
            yield from reversed(between[1:])
        yield kept.pop()

    def _step(self, at: int, here: DfaState, after: DfaState, character: str) -> Transition:
        """Return the preferred way from a node with a character, or `_END` where there is none.

        Args:
            at: The node.
            here: The nodes from which the end can be reached before the character.
            after: ... and after it.
            character: The character.
        """
        step = after.steps.get((at, character))
        if step is None:
            step = self._search(at, here.nodes, after.nodes, character)
            self._backward.take_room(1)
            after.steps[at, character] = step
        return step

    def _search(
        self, start: int, here: frozenset[int], after: frozenset[int], character: str
    ) -> Transition:
        """Find the preferred way, depth first.

        A node counts as another one in an iteration that has taken nothing so far. No iteration
        follows that one: it would begin where this one did.
        """
        ahead: list[tuple[int, frozenset[int], tuple[NfaState, ...]]] = [(start, frozenset(), ())]
        seen: set[tuple[int, frozenset[int]]] = set()
        while ahead:
            at, idle, passed = ahead.pop()
            if at not in here or (at, idle) in seen:
                continue
            seen.add((at, idle))
            node = self._graph.nodes[at]
            ways = node.ways
            if node.op is Op.ACCEPT:
                return Transition(at, passed)
            if node.op is Op.TAKE:
                if ways[0] in after and node.takes(character):
                    return Transition(ways[0], passed)
                continue
            if node.op is Op.BEGIN:
                idle = idle | {node.number}
            elif node.op is Op.AGAIN:
                idle = idle - {node.number}
            elif node.op in (Op.OPEN, Op.CLOSE):
                passed = (*passed, node)
            ahead.extend((way, idle, passed) for way in reversed(ways))
        raise AssertionError("no way leads on from a node from which the end can be reached")
