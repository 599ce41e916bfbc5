from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pfs_builders import MemoryObjects, folders_of, make_tree
from pfs_globbing import PATHS, PATTERNS, Node, SlowMatcher, written

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.patterns.syntax import is_literal
from pachlocal.pfs.tree import paths, tree
from pachlocal.pfs.tree.globs import compile_glob, glob

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
        # as regexp2 answers, which the real server matches with: an iteration that takes nothing
        # is the last one, and counts
        ("/*(*(f)*(o))", "/f", ["f", "", ""]),
        ("/*(*(f)*(o))", "/fof", ["fof", "", ""]),
        ("/+(@([!a]|aaa|)+(aa|)**|)?([!a]|???)", "/bbb", ["bbb", "", "", ""]),
        ("/*(*([!a]*)@(|[ab]aa|)+(||))", "/baaba", ["baaba", "", "", ""]),
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


@settings(deadline=None, max_examples=300)
@given(nodes=PATTERNS, path=PATHS)
def test_patterns_match_and_capture_what_a_slow_matcher_does(
    nodes: tuple[Node, ...], path: str
) -> None:
    pattern = (Node("text", "/"), *nodes)
    text = written(pattern)
    assume(text != "/" and paths.clean(text) == text and not is_literal(text))
    compiled = compile_glob(text)
    expected = SlowMatcher(pattern, path).captures()
    assert compiled.matches(path) == (expected is not None)
    assert compiled.automaton is not None
    assert compiled.automaton.captures(path) == expected


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


@settings(deadline=None, max_examples=300)
@given(
    nodes=PATTERNS,
    start=st.sampled_from(["/", "/b/", "/c.a/b/", "/b/b", "/{b,c.a}/", "/((b)/a|a)"]),
)
def test_a_tree_gives_every_path_that_matches_in_order(nodes: tuple[Node, ...], start: str) -> None:
    objects = MemoryObjects()
    root = make_tree(objects, TREE)
    pattern = compile_glob(start + written(nodes))
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
