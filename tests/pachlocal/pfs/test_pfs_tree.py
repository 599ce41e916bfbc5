from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pfs_builders import MemoryObjects, contents_of, folders_of, make_entry, make_tree

from pachlocal.pfs.tree import folders, nodes, tree
from pachlocal.pfs.tree.changes import Append, Changes
from pachlocal.pfs.tree.content import Content
from pachlocal.pfs.tree.entries import Entry, Kind, Root

# Names whose order depends on where `/` (0x2f) sorts: after `-` and `.`, before `0` and letters.
NAMES = ["a", "a-", "a.b", "a0", "b", "-", "~", "aa"]
WIDE = [f"n{number}" for number in range(40)]
FILES = st.builds(
    lambda folders, name: "/" + "/".join([*folders, name]),
    st.lists(st.sampled_from(NAMES[:4]), max_size=2),
    st.sampled_from(NAMES + WIDE),
)
DATA = st.binary(max_size=4)


@pytest.fixture(autouse=True)
def small_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make nodes of two entries on average: trees of a few names have several levels."""
    monkeypatch.setattr(nodes, "_BITS", 1)
    monkeypatch.setattr(nodes, "_MASK", 1)


@dataclass
class Model:
    """What a tree holds, as a dict of paths; changes are made to it one at a time."""

    files: dict[str, bytes] = field(default_factory=dict)

    def set(self, path: str, data: bytes) -> None:
        self.files[path] = data

    def append(self, path: str, data: bytes) -> None:
        self.files[path] = self.files.get(path, b"") + data

    def remove(self, path: str) -> None:
        self.files.pop(path, None)

    def clear(self, folder: str) -> None:
        self.files = {
            path: data for path, data in self.files.items() if not path.startswith(folder)
        }


@dataclass(frozen=True)
class Step:
    """One change of a tree: set, append, remove a file, or clear a folder."""

    kind: str
    path: str
    data: bytes = b""


STEPS = st.one_of(
    st.builds(Step, st.sampled_from(["set", "append"]), FILES, DATA),
    st.builds(Step, st.just("remove"), FILES),
    st.builds(Step, st.just("clear"), FILES.map(lambda path: path + "/") | st.just("/")),
)
# One round of changes touches each path once, as a modification makes sure.
ROUNDS = st.lists(st.lists(STEPS, max_size=12, unique_by=lambda step: step.path), max_size=4)


def changes_of(objects: MemoryObjects, steps: list[Step]) -> Changes:
    """Make one set of changes: cleared folders come first, what is put into them after."""
    changes = Changes()
    order = sorted(steps, key=lambda step: (step.kind != "clear", step.path))
    for step in order:
        if step.kind == "clear" and step.path == "/":
            changes.cleared = True
        elif step.kind == "clear":
            changes.set(step.path, Changes(cleared=True))
        elif step.kind == "remove":
            changes.set(step.path, None)
        else:
            entry = make_entry(objects, step.path, step.data)
            changes.set(step.path, entry if step.kind == "set" else Append(entry))
    return changes


def apply_to(model: Model, steps: list[Step]) -> None:
    for step in (step for step in steps if step.kind == "clear"):
        model.clear(step.path)
    for step in steps:
        if step.kind == "set":
            model.set(step.path, step.data)
        elif step.kind == "append":
            model.append(step.path, step.data)
        elif step.kind == "remove":
            model.remove(step.path)


def expected_walk(files: dict[str, bytes]) -> list[str]:
    return sorted([*files, *folders_of(files)], key=str.encode)


@settings(deadline=None, max_examples=150)
@given(rounds=ROUNDS)
def test_changes_make_the_tree_that_a_dict_would_hold(rounds: list[list[Step]]) -> None:
    objects, model = MemoryObjects(), Model()
    root: Root = None
    for steps in rounds:
        root = tree.apply(objects, root, changes_of(objects, steps))
        apply_to(model, steps)
        assert contents_of(objects, root) == model.files
        assert tree.size_of(objects, root) == sum(map(len, model.files.values()))
        assert [path for path, _ in tree.walk(objects, root)] == expected_walk(model.files)


@settings(deadline=None, max_examples=150)
@given(rounds=ROUNDS)
def test_equal_trees_have_equal_hashes_whatever_their_history(rounds: list[list[Step]]) -> None:
    objects, model = MemoryObjects(), Model()
    root: Root = None
    for steps in rounds:
        root = tree.apply(objects, root, changes_of(objects, steps))
        apply_to(model, steps)
    assert root == make_tree(objects, model.files)
    one_by_one: Root = None
    for path in sorted(model.files, reverse=True):
        change = Changes()
        change.set(path, make_entry(objects, path, model.files[path]))
        one_by_one = tree.apply(objects, one_by_one, change)
    assert root == one_by_one


@settings(deadline=None, max_examples=150)
@given(
    common=st.dictionaries(FILES, DATA, max_size=40),
    old=st.dictionaries(FILES, DATA, max_size=6),
    new=st.dictionaries(FILES, DATA, max_size=6),
)
@example(common={}, old={"/a": b"1"}, new={"/a/b": b"1"})
def test_a_difference_is_what_differs_and_turns_one_tree_into_the_other(
    common: dict[str, bytes], old: dict[str, bytes], new: dict[str, bytes]
) -> None:
    objects = MemoryObjects()
    before, after = {**common, **old}, {**common, **new}
    a, b = make_tree(objects, before), make_tree(objects, after)
    found = list(tree.diff(objects, a, b))

    paths = [path for path, _, _ in found]
    assert paths == sorted(set(paths), key=str.encode)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert set(paths) == changed | folders_of(changed)
    for path, was, is_ in found:
        assert (was.size if was else None) == size_in(before, path)
        assert (is_.size if is_ else None) == size_in(after, path)

    changes = Changes()
    for path, _, entry in found:
        if not path.endswith("/"):
            changes.set(path, entry)
    assert tree.apply(objects, a, changes) == b


def size_in(files: dict[str, bytes], path: str) -> int | None:
    if path.endswith("/"):
        below = [len(data) for name, data in files.items() if name.startswith(path)]
        return sum(below) if below else None
    return len(files[path]) if path in files else None


@settings(deadline=None, max_examples=100)
@given(files=st.dictionaries(FILES, DATA, max_size=30))
def test_everything_can_be_looked_up_and_nothing_else(files: dict[str, bytes]) -> None:
    objects = MemoryObjects()
    root = make_tree(objects, files)
    for path, entry in tree.walk(objects, root):
        assert tree.lookup(objects, root, path) == entry
        if path.endswith("/"):
            assert entry.is_folder
            if path[:-1] not in files:
                assert tree.lookup(objects, root, path[:-1]) == entry
        assert tree.lookup(objects, root, path.rstrip("/") + "x") is None
        assert tree.lookup(objects, root, path.rstrip("/") + "/~~/x") is None


@settings(deadline=None, max_examples=100)
@given(names=st.sets(st.sampled_from(NAMES + WIDE)), after=st.sampled_from(["", *NAMES, *WIDE]))
def test_children_begin_after_a_name(names: set[str], after: str) -> None:
    objects = MemoryObjects()
    root = make_tree(objects, {f"/{name}": b"" for name in names})
    found = [entry.name for entry in folders.children(objects, root, after)]
    assert found == sorted(name for name in names if name > after)


@settings(deadline=None, max_examples=100)
@given(
    old=st.dictionaries(FILES, DATA, max_size=12),
    new=st.dictionaries(FILES, DATA, max_size=6),
)
def test_a_path_that_is_file_and_folder_is_found_when_it_came_about(
    old: dict[str, bytes], new: dict[str, bytes]
) -> None:
    objects = MemoryObjects()
    old = {path: data for path, data in old.items() if path + "/" not in folders_of(old)}
    both = {**old, **new}
    twins = {path for path in both if path + "/" in folders_of(both)}
    found = tree.flaw(objects, make_tree(objects, old), make_tree(objects, both))
    assert (
        (
            found
            in {
                f"file / directory path collision ({min(below)})"
                for it in twins
                if (below := [path for path in both if path.startswith(it + "/")])
            }
        )
        if twins
        else (found is None)
    )


def test_an_empty_folder_is_gone() -> None:
    objects = MemoryObjects()
    root = make_tree(objects, {"/a/b/c": b"1", "/d": b"2"})
    changes = Changes()
    changes.set("/a/b/c", None)
    root = tree.apply(objects, root, changes)
    assert [path for path, _ in tree.walk(objects, root)] == ["/d"]
    changes = Changes()
    changes.set("/d", None)
    assert tree.apply(objects, root, changes) is None


def test_clearing_what_is_not_there_changes_nothing() -> None:
    objects = MemoryObjects()
    root = make_tree(objects, {"/a": b"1"})
    changes = Changes()
    changes.set("/nothing/", Changes(cleared=True))
    changes.set("/none/at/all", None)
    assert tree.apply(objects, root, changes) == root
    assert tree.apply(objects, None, changes) is None


def test_a_whole_folder_can_be_set_by_reference() -> None:
    objects = MemoryObjects()
    source = make_tree(objects, {"/x/1": b"1", "/x/2": b"22"})
    folder = tree.lookup(objects, source, "/x/")
    assert folder is not None
    changes = Changes()
    changes.set("/y/z/", folder._replace(key="z/"))
    root = tree.apply(objects, make_tree(objects, {"/y/z/old": b"gone"}), changes)
    assert contents_of(objects, root) == {"/y/z/1": b"1", "/y/z/2": b"22"}
    assert root == make_tree(objects, {"/y/z/1": b"1", "/y/z/2": b"22"})


def test_the_root_is_a_folder_and_an_empty_tree_has_none() -> None:
    objects = MemoryObjects()
    root = make_tree(objects, {"/a": b"123"})
    assert root is not None
    assert tree.lookup(objects, root, "/") == Entry("/", Kind.FOLDER, root, 3)
    assert tree.lookup(objects, None, "/") is None
    assert tree.lookup(objects, None, "/a") is None


# --- the cost of it, with nodes as large as they are --------------------------------------


@pytest.fixture
def large_nodes(small_nodes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_BITS", 6)
    monkeypatch.setattr(nodes, "_MASK", 63)


def wide_tree(objects: MemoryObjects, count: int) -> Root:
    data = make_entry(objects, "data", b"same").content
    changes = Changes()
    for number in range(count):
        changes.names[f"f{number:06}"] = Entry.of_file(f"f{number:06}", data)
    return tree.apply(objects, None, changes)


@pytest.mark.usefixtures("large_nodes")
def test_a_change_in_a_large_folder_writes_and_reads_a_few_nodes() -> None:
    objects = MemoryObjects()
    root = wide_tree(objects, 20_000)
    entry = make_entry(objects, "/f010000", b"other")
    objects.puts = objects.gets = 0
    changed = tree.apply(objects, root, Changes(names={"f010000": entry}))
    assert objects.puts < 20
    assert objects.gets < 30
    objects.gets = 0
    assert [path for path, _, _ in tree.diff(objects, root, changed)] == ["/f010000"]
    assert objects.gets < 40


@pytest.mark.usefixtures("large_nodes")
def test_a_look_up_in_a_large_folder_reads_a_few_nodes() -> None:
    objects = MemoryObjects()
    root = wide_tree(objects, 20_000)
    objects.gets = 0
    assert tree.lookup(objects, root, "/f019999") is not None
    assert tree.lookup(objects, root, "/f02") is None
    assert objects.gets < 12


@pytest.mark.usefixtures("large_nodes")
def test_a_large_folder_is_listed_as_a_stream() -> None:
    objects = MemoryObjects()
    root = wide_tree(objects, 20_000)
    objects.gets = 0
    first = next(folders.children(objects, root))
    assert first.name == "f000000"
    assert objects.gets < 6
    assert sum(1 for _ in folders.children(objects, root, after="f019989")) == 10


def test_content_of_a_file_entry_comes_back() -> None:
    whole = Content(b"h" * 32, 5, chunked=False)
    chunked = Content(b"h" * 32, 5, chunked=True)
    assert Entry.of_file("x", whole).content == whole
    assert Entry.of_file("x", chunked).content == chunked
