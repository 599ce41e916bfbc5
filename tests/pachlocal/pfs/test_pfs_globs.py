from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pfs_builders import MemoryObjects, folders_of, make_tree

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs import paths, tree
from pachlocal.pfs.globs import compile_glob, glob, is_literal

# --- examples -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("/", "/", "/a /a/b"),
        ("/*", "/a /a.csv", "/ /a/b"),
        ("*", "/a /a.csv", "/ /a/b"),
        ("/*/*", "/a/b", "/a /a/b/c"),
        ("/**", "/a /a/b /a/b/c", "/"),
        ("**.csv", "/a.csv /a/b.csv", "/a.csv.gz /csv"),
        ("/dir/", "/dir", "/dir/a /di"),
        ("//a///b", "/a/b", "/a"),
        ("/a?c", "/abc /a.c", "/ac /abbc /a/c"),
        ("/??", "/ab", "/a /abc"),
        # classes
        ("/[abc]", "/a /c", "/d /ab"),
        ("/[a-c]x", "/ax /bx", "/dx /-x"),
        ("/[a-zA-Z0-9]*", "/Bob /bob /7", "/_x /-"),
        ("/[a-c_-]", "/a /_ /-", "/d"),
        ("/[!a-c]", "/d /A", "/a"),
        ("/[^ab]", "/c", "/a /b"),
        ("/[[:alpha:]]", "/a /Z", "/5"),
        ("/[[:^alpha:]]", "/5 /.", "/a"),
        ("/[^[:alpha:]]", "/5 /.", "/a"),
        ("/[[:digit:]_.]", "/5 /_ /.", "/a"),
        ("/[[:upper:][:digit:]]*", "/Ab /7b", "/ab"),
        ("/[![:graph:]]x", "/ x", "/ax"),
        (r"/[a\-c]", "/a /- /c", "/b"),
        # alternatives
        ("/{a,b*,}c", "/ac /bc /bxc /c", "/xc"),
        ("/{a,b/c}", "/a /b/c", "/b"),
        ("/{ab,a}{b,c}", "/abb /ab /ac /abc", "/a"),
        ("/{*.csv,*.txt}", "/a.csv /a.txt", "/a.tsv"),
        # groups
        ("/(a|b)", "/a /b", "/c /ab"),
        ("/@(a|b).csv", "/a.csv", "/c.csv"),
        ("/a*(b|c)", "/a /ab /abcb", "/abd"),
        ("/a+(b|c)", "/ab /acb", "/a"),
        ("/a?(b|c)", "/a /ab /ac", "/abc"),
        ("/a*(b*(c)d)", "/a /abd /abccdbd", "/abc"),
        ("/(a|b/c)/d", "/a/d /b/c/d", "/b/d"),
        ("/*(a/)b", "/b /a/b /a/a/b", "/ab"),
        ("/a**(b)", "/a /ab /abb /axx", "/a/b"),
        # negation
        ("/!(a)", "/b /aa /ab", "/a /b/c"),
        ("/^(a)", "/b /aa", "/a"),
        ("/!(*.csv|*.txt)", "/a.gz /a.csv.gz", "/a.csv /a.txt"),
        ("/!(!(a))", "/a", "/b"),
        ("/*.!(csv)", "/a.txt /a.csvx", "/a.csv"),
        ("/!(a)*", "/b", "/a /ab"),
        ("/a!(b)c", "/axc /ac", "/abc /abdc"),
        ("/!(train)/x", "/test/x", "/train/x /training/x"),
        # literal characters
        (r"/\*", "/*", "/a"),
        (r"/a\(b\)", "/a(b)", "/ab"),
        ("/a+b", "/a+b", "/ab /aab"),
        ("/a!b@c^d", "/a!b@c^d", "/abcd"),
        ("/a.b", "/a.b", "/axb"),
        ("/a$b", "/a$b", "/a"),
    ],
)
def test_a_pattern_matches(pattern: str, yes: str, no: str) -> None:
    compiled = compile_glob(pattern)
    assert [path for path in yes.split(" /") if not compiled.matches(slashed(path))] == []
    assert [path for path in no.split(" /") if compiled.matches(slashed(path))] == []


def slashed(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def test_a_folder_is_matched_without_its_slash() -> None:
    assert compile_glob("/a*").matches("/ab/")
    assert compile_glob("/").matches("/")


@pytest.mark.parametrize(
    ("pattern", "path", "captures"),
    [
        ("/(*).csv", "/iris.csv", ["iris"]),
        ("/(*)/(*).csv", "/2024/iris.csv", ["2024", "iris"]),
        ("/@(a|b)/+(c|d)", "/b/cdc", ["b", "cdc"]),
        ("/x*(a|b)", "/x", [""]),
        ("/x?(a|b)", "/xb", ["b"]),
        ("/!(a|b)/(*)", "/c/d", ["c", "d"]),
        ("/{a,b}(c)", "/ac", ["c"]),
        ("/(a(b)(c|d))", "/abd", ["abd", "b", "d"]),
        ("/!(a(b))(c)", "/xc", ["x", "", "c"]),
        (r"/\((a)\)", "/(a)", ["a"]),
    ],
)
def test_groups_are_captured_from_the_left(pattern: str, path: str, captures: list[str]) -> None:
    compiled = compile_glob(pattern)
    found = [compiled.expand(path, f"${number}") for number in range(1, len(captures) + 1)]
    assert found == captures


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$1", "2024"),
        ("${1}0", "20240"),
        ("$2 of $1", "iris of 2024"),
        ("$0", "/2024/iris.csv"),
        ("$$1", "$1"),
        ("plain", "plain"),
        ("$1th", "2024th"),
        ("cost: $", "cost: $"),
    ],
)
def test_a_template_takes_captures(template: str, expected: str) -> None:
    assert compile_glob("/(*)/(*).csv").expand("/2024/iris.csv", template) == expected


def test_a_template_that_asks_for_too_many_captures_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="capture group 2"):
        compile_glob("/(*)").expand("/a", "$2")


def test_a_template_of_a_path_that_does_not_match_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="does not match"):
        compile_glob("/(*)").expand("/a/b", "$1")


@pytest.mark.parametrize(
    "pattern", ["/(a", "/{a,b", "/[ab", "/a)", "/a}", "/a]", "/[]", "/[c-a]", "/[[:no:]]", "/a\\"]
)
def test_a_malformed_pattern_is_refused_with_the_pattern_named(pattern: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        compile_glob(pattern)
    assert f"invalid glob {pattern!r}" in str(caught.value)


# --- against a slow matcher -------------------------------------------------------------------


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
    return "".join(map(written_one, nodes))


def written_one(node: Node) -> str:
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
    """Finds where each piece of a pattern can end, by trying everything."""

    def __init__(self, pattern: Sequence[Node], text: str) -> None:
        self._text = text
        self._bounded = bounded(pattern)
        self.matches = len(text) in self.after(pattern, {0})

    def after(self, nodes: Sequence[Node], starts: set[int]) -> set[int]:
        for node in nodes:
            starts = {end for start in starts for end in self.ends(node, start)}
        return starts

    def ends(self, node: Node, start: int) -> set[int]:
        text, size = self._text, len(self._text)
        segment = range(start, (text + "/").index("/", start) + 1)
        if node.kind == "text":
            return {start + len(node.text)} if text.startswith(node.text, start) else set()
        if node.kind == "**":
            return set(range(start, size + 1))
        if node.kind == "*" and not node.arms:
            return set(segment)
        if start == size and node.kind in ("class", "?") and not node.arms:
            return set()
        if node.kind == "?" and not node.arms:
            return {start + 1} if text[start] != "/" else set()
        if node.kind == "class":
            negated, characters = node.text.startswith("!"), node.text.lstrip("!")
            return {start + 1} if (text[start] in characters) != negated else set()
        once = {end for arm in node.arms for end in self.after(arm, {start})}
        if node.kind == "!":
            refused = once if self._bounded else once & {size}
            return set() if refused else set(segment)
        if node.kind in ("*", "+"):
            once = self.repeated(node, once)
        return once | {start} if node.kind in ("*", "?") else once

    def repeated(self, node: Node, reached: set[int]) -> set[int]:
        while True:
            more = {e for at in reached for arm in node.arms for e in self.after(arm, {at})}
            if more <= reached:
                return reached
            reached = reached | more


def bounded(pattern: Sequence[Node]) -> bool:
    """Whether text, `*` or `**` follows the first negation to end."""
    events = list(ended(pattern))
    return "!" in events and "bound" in events[events.index("!") :]


def ended(nodes: Iterable[Node]) -> Iterable[str]:
    for node in nodes:
        for arm in node.arms:
            yield from ended(arm)
        if node.kind == "!":
            yield "!"
        if node.kind in ("text", "*", "**") and not node.arms:
            yield "bound"


TEXTS = st.sampled_from(["a", "b", "ab", "/", ".", "a/"]).map(lambda text: Node("text", text))
LEAVES = st.one_of(
    TEXTS,
    TEXTS,
    st.sampled_from([Node("*"), Node("?")]),
    st.sampled_from(["ab", "!a", "!ab", "b.", "/a"]).map(lambda text: Node("class", text)),
)


def spread(nodes: list[Node]) -> tuple[Node, ...]:
    """Put text between two `*`, which would be read as `**`."""
    pairs = zip_longest(nodes, nodes[1:])
    star = Node("*")
    return tuple(
        node
        for one, following in pairs
        for node in ((one, Node("text", "b")) if one == following == star else (one,))
    )


ARMS = st.lists(st.lists(LEAVES, max_size=3).map(spread), min_size=1, max_size=3).map(tuple)
GROUPS = st.builds(
    lambda kind, arms: Node(kind, arms=arms),
    st.sampled_from(["braces", "@", "*", "+", "?", "!", "!"]),
    ARMS,
)
PATTERNS = st.lists(st.one_of(LEAVES, st.just(Node("**")), GROUPS), max_size=4)
PATHS = st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=3).map(
    lambda segments: "/" + "/".join(segments)
)


@settings(deadline=None, max_examples=600)
@given(nodes=PATTERNS.map(spread), path=PATHS)
def test_patterns_match_what_a_slow_matcher_matches(nodes: tuple[Node, ...], path: str) -> None:
    pattern = (Node("text", "/"), *nodes)
    text = written(pattern)
    assume(text != "/" and paths.clean(text) == text)
    assert compile_glob(text).matches(path) == SlowMatcher(pattern, path).matches


# --- in a tree --------------------------------------------------------------------------------

TREE = {
    path: path.encode()
    for path in (
        "/a",
        "/b/a",
        "/b/b/a",
        "/b/b/b.a",
        "/b/c",
        "/c.a/b/a/b",
        "/c.a/b/b",
        "/ab",
        "/a.b",
        "/bb/a",
        "/x/a/b",
    )
}


@settings(deadline=None, max_examples=600)
@given(
    nodes=PATTERNS,
    start=st.sampled_from(["/", "/b/", "/c.a/b/", "/b/b", "/{b,c.a}/", "/((b)/a|a)"]),
)
def test_a_tree_gives_every_path_that_matches_in_order(nodes: list[Node], start: str) -> None:
    objects = MemoryObjects()
    root = make_tree(objects, TREE)
    pattern = compile_glob(start + written(spread(nodes)))
    everything = [("/", None), *tree.walk(objects, root)]
    expected = [path for path, _ in everything if pattern.matches(path)]
    assert [path for path, _ in glob(objects, root, pattern)] == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "/((b)/a|a)",
        "/{(b),b/c}",
        "/b[!x]a",
        "/b[.-0]a",
        "/b[[:punct:]]a",
        "/b{/b,}/a",
        "/b*(/b)/a",
        "/b**a",
        "/!(b)/a/b",
        r"/b\/a",
    ],
)
def test_no_match_is_lost_by_looking_only_where_one_can_be(pattern: str) -> None:
    objects = MemoryObjects()
    root = make_tree(objects, TREE)
    compiled = compile_glob(pattern)
    expected = [path for path, _ in tree.walk(objects, root) if compiled.matches(path)]
    assert expected
    assert [path for path, _ in glob(objects, root, compiled)] == expected


def test_folders_come_with_a_slash_and_their_entry() -> None:
    objects = MemoryObjects()
    root = make_tree(objects, TREE)
    found = dict(glob(objects, root, compile_glob("/*")))
    assert set(found) == {"/a", "/b/", "/c.a/", "/ab", "/a.b", "/bb/", "/x/"}
    assert found["/b/"] == tree.lookup(objects, root, "/b/")
    assert dict(glob(objects, root, compile_glob("/b"))) == {"/b/": found["/b/"]}
    assert folders_of(TREE) > {"/b/"}


def test_the_root_matches_when_there_is_one() -> None:
    objects = MemoryObjects()
    root = make_tree(objects, TREE)
    assert [path for path, _ in glob(objects, root, compile_glob("/"))] == ["/"]
    assert list(glob(objects, None, compile_glob("/"))) == []
    assert list(glob(objects, None, compile_glob("/*"))) == []


def test_a_pattern_with_a_fixed_beginning_reads_only_that_folder() -> None:
    objects = MemoryObjects()
    root = make_tree(objects, {f"/{number}/{number}/f": b"" for number in range(300)})
    objects.gets = 0
    assert [path for path, _ in glob(objects, root, compile_glob("/7/*/f"))] == ["/7/7/f"]
    assert objects.gets < 10
    objects.gets = 0
    assert len(list(glob(objects, root, compile_glob("/1*")))) == 111
    assert objects.gets < 20  # nothing below the first level


def test_only_plain_text_is_literal() -> None:
    assert is_literal("/a/b.csv")
    assert not any(map(is_literal, ["/*", "/a?", "/[a]", "/{a,b}", "/(a)", "/!(a)", r"/\a"]))
