"""Patterns that an engine which goes back would not be done with while anybody waits."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pfs_builders import MemoryObjects, make_tree
from pfs_globbing import PATTERNS, Node, written

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.patterns import graph, states, syntax
from pachlocal.pfs.patterns.syntax import MAX_NESTING, MAX_PATTERN, is_literal
from pachlocal.pfs.tree import paths
from pachlocal.pfs.tree.globs import compile_glob, glob

HOSTILE = {
    "stars": "/*a*a*a*a*a*a*a*a*b",
    "a loop in a loop": "/+(+(a))b",
    "loops in loops": "/" + "+(" * MAX_NESTING + "a" + ")" * MAX_NESTING + "b",
    "many stars": "/" + "*a" * 1000 + "b",
    "alternatives that are alike": "/*(a|a|?|aa|[a])b",
    "optional letters": "/" + "?(a)" * 300 + "b",
    "negations": "/" + "!(*b)" * 300 + "b",
    "negations in negations": "/" + "!(*a" * MAX_NESTING + ")" * MAX_NESTING + "b",
    "runs over folders": "/" + "**a" * 100 + "b",
    "iterations that take nothing": "/*(*()|*(*()|?(a))*())b",
    "a star before many letters": "/*a" + "?" * 300 + "b",
}
NAME = "/" + "a" * 120


@pytest.mark.timeout(10)
@pytest.mark.parametrize("pattern", HOSTILE.values(), ids=HOSTILE)
def test_no_pattern_takes_long(pattern: str) -> None:
    assert not compile_glob(pattern).matches(NAME)
    objects = MemoryObjects()
    root = make_tree(objects, {NAME: b"", NAME + "b": b""})
    expected = [NAME + "b"] if compile_glob(pattern).matches(NAME + "b") else []
    assert [path for path, _ in glob(objects, root, compile_glob(pattern))] == expected


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("pattern", "template", "expected"),
    [
        ("/(*a*a*a*a*a*a*a*)a(*)", "$1-$2", "a" * 119 + "-"),
        ("/+(+(a))", "$1", "a" * 120),
        ("/*(*(a|a)|*(a))(*)", "$1$4", "a" * 120),
        ("/!(*b)", "$1", "a" * 120),
    ],
)
def test_no_capture_takes_long(pattern: str, template: str, expected: str) -> None:
    assert compile_glob(pattern).expand(NAME, template) == expected


@settings(deadline=None, max_examples=200)
@given(nodes=PATTERNS, path=st.text("ab/", min_size=1, max_size=60))
def test_a_match_looks_at_a_node_once_a_character(nodes: tuple[Node, ...], path: str) -> None:
    text = "/" + written(nodes)
    assume(paths.clean(text) == text and not is_literal(text))
    compiled, takes = compile_glob.__wrapped__(text), graph.NfaState.takes
    looks = 0

    def counted(self: graph.NfaState, character: str) -> bool:
        nonlocal looks
        looks += 1
        return takes(self, character)

    with patch.object(graph.NfaState, "takes", counted):
        compiled.matches(path)
    size = len(graph.build(syntax.parse(text)).nodes)
    assert looks <= 2 * size * len(path)  # from left to right, and from right to left


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/" + "*a" * MAX_PATTERN, f"has 8193 characters, the maximum is {MAX_PATTERN}"),
        ("/*" + "a" * 1_000_000, "has 1000002 characters"),
        ("/" + "(" * 60 + ")" * 60, f"more than {MAX_NESTING} groups in one another"),
        ("/" + "!({" * 1000, "more than"),
    ],
)
def test_a_pattern_that_is_too_large_is_refused_in_one_sentence(pattern: str, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        compile_glob(pattern)
    assert len(str(caught.value)) < 400


def test_a_long_path_without_special_characters_is_no_large_pattern() -> None:
    path = "/" + "a" * 1_000_000
    assert compile_glob(path).matches(path)


def test_what_is_kept_for_a_pattern_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of the last 12 letters were an `a` makes 4,096 different sets of nodes."""
    monkeypatch.setattr(states, "_ROOM", 5000)
    compiled = compile_glob.__wrapped__("/(*a" + "?" * 11 + ")!(a)")
    assert compiled.automaton is not None
    for number in range(4096):
        name = f"{number:012b}".replace("0", "b").replace("1", "a")
        assert compiled.matches(f"/{name}") == (name[0] == "a")
        if name[0] == "a":
            assert compiled.expand(f"/{name}", "$1") == name
    for walk in (compiled.automaton._forward, compiled.automaton._backward):
        assert sum(len(known.nodes) + len(known.steps) for known in walk._known.values()) < 6000
