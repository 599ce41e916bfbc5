"""Files of one path with different datum tags are different files."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pfs_builders import (
    MemoryObjects,
    branch,
    contents_of,
    find,
    finish_commit,
    head,
    make_repos,
    make_tree,
    repo,
    start_commit,
)

from pachlocal.pfs.files import filesets
from pachlocal.pfs.files.modification import Modification
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history.names import CommitName
from pachlocal.pfs.tree import content, tree
from pachlocal.pfs.tree.changes import dump, load
from pachlocal.pfs.tree.entries import DEFAULT_TAG, Root, keyed, tag_of

TAGS = st.sampled_from(["", DEFAULT_TAG, "a", "b/c"])
FILES = st.sampled_from(["/f", "/d/f", "/d/e/g"])
FOLDERS = st.sampled_from(["/", "/d/", "/d/e/"])
STEPS = st.one_of(
    st.tuples(st.just("add"), FILES, TAGS),
    st.tuples(st.just("delete"), FILES, TAGS),
    st.tuples(st.just("delete"), FOLDERS, TAGS),
)
Step = tuple[str, str, str]


def do(modification: Modification, step: Step) -> None:
    kind, path, tag = step
    if kind == "add":
        modification.add(path, b"1", tag)
    else:
        modification.delete(path, tag)


def files_of(objects: content.Reader, root: Root) -> dict[tuple[str, str], bytes]:
    """Return the files of a tree by path and datum tag."""
    return {
        (path, entry.tag): b"".join(content.read(objects, entry.content))
        for path, entry in tree.files(objects, root)
    }


def expected(steps: list[Step]) -> dict[tuple[str, str], bytes]:
    files: dict[tuple[str, str], bytes] = {}
    for kind, path, named in steps:
        tag = named or DEFAULT_TAG
        if kind == "add":
            files[path, tag] = files.get((path, tag), b"") + b"1"
        elif path.endswith("/"):
            files = {
                key: data
                for key, data in files.items()
                if not key[0].startswith(path) or tag not in (DEFAULT_TAG, key[1])
            }
        else:
            files.pop((path, tag), None)
    return files


@pytest.mark.parametrize("tag", ["a", "b/c", "%", "\0", "ü", "x" * 300])
def test_a_key_tells_its_tag(tag: str) -> None:
    key = keyed("name", tag)
    assert tag_of(key) == tag
    assert "name" < key < "name/" < keyed("name0", tag)
    assert "/" not in key


def test_the_default_tag_has_two_names_and_is_not_in_the_key() -> None:
    assert keyed("name", "") == keyed("name", "default") == "name"
    assert tag_of("name") == "default"


def test_trees_without_tags_are_what_they_were_before_there_were_tags() -> None:
    files = {f"/d{i % 7}/f{i:04}": b"%d" % i for i in range(2000)} | {"/top": b"x", "/empty": b""}
    root = make_tree(MemoryObjects(), files)
    assert root is not None
    assert root.hex() == "d301ea994aa839bedd9f3271ff98d66c0440b78008bbf3828c955fd103aae9c5"


@settings(deadline=None, max_examples=200)
@given(streams=st.lists(st.lists(STEPS, max_size=6), max_size=3))
def test_streams_change_the_files_of_their_tags(streams: list[list[Step]]) -> None:
    objects = MemoryObjects()
    root: Root = None
    layers = []
    for steps in streams:
        modification = Modification(objects)  # type: ignore[arg-type] - what it uses of a writer
        for step in steps:
            do(modification, step)
        changes = modification.finish()
        root = changes.apply(objects, root)
        layers.extend(changes)
    files = expected([step for steps in streams for step in steps])
    assert files_of(objects, root) == files
    composed = load(dump(filesets.compose(objects, layers)))
    assert tree.apply(objects, None, composed) == root
    between = filesets.between(objects, None, root)
    assert tree.apply(objects, None, between) == root
    paths = [path for path, _ in files]
    flaw = tree.flaw(objects, None, root)
    assert (flaw is not None) == (len(set(paths)) < len(paths))


def test_a_stream_that_is_spilled_to_disk_keeps_its_tags(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pachlocal.pfs.files.modification._MOST_CHANGES", 2)
    steps = [("add", f"/d/{i % 5}", "a" if i % 2 else "") for i in range(20)]
    steps += [("delete", "/d/", "a"), ("add", "/d/0", "a")]
    objects = MemoryObjects()
    with Modification(objects) as modification:  # type: ignore[arg-type] - as above
        for step in steps:
            do(modification, step)
        root = modification.finish().apply(objects, None)
    assert files_of(objects, root) == expected(steps)


def test_a_copy_has_the_tag_of_the_request() -> None:
    objects = MemoryObjects()
    root = make_tree(objects, {"/src/x": b"1"})
    with Modification(objects) as modification:  # type: ignore[arg-type] - as above
        modification.copy(tree.lookup(objects, root, "/src"), "/dst", append=False, tag="a")
        root = modification.finish().apply(objects, root)
    assert files_of(objects, root) == {("/src/x", "default"): b"1", ("/dst/x", "a"): b"1"}
    entry = tree.lookup(objects, root, "/dst/x")
    assert entry is not None
    assert (entry.name, entry.tag) == ("x", "a")


# --- commits ------------------------------------------------------------------------------


@pytest.fixture
def change(files: FileSystem) -> Callable[..., None]:
    make_repos(files, "data")

    def change(*steps: Step) -> None:
        with files.modify(CommitName(repo("data"), "master")) as modification:
            for step in steps:
                do(modification, step)

    return change


def test_two_tags_of_a_path_make_a_commit_fail(
    files: FileSystem, change: Callable[..., None]
) -> None:
    change(("add", "/d/f", "b"))
    change(("add", "/d/f", ""), ("add", "/d/f", "a"))
    assert head(files, branch("data")).error == (
        "duplicate path output by different datums (/d/f from a and /d/f from b)"
    )
    change(("delete", "/d/f", ""), ("add", "/d/f", ""))  # begins with what was good
    assert head(files, branch("data")).error == (
        "duplicate path output by different datums (/d/f from b and /d/f from default)"
    )
    change(("delete", "/d/f", "b"), ("add", "/d/f", ""))
    assert head(files, branch("data")).error == ""


def test_two_tags_are_found_in_a_large_commit(
    files: FileSystem, change: Callable[..., None]
) -> None:
    change(*[("add", f"/f{i}", "") for i in range(200)], ("add", "/f7", "a"))
    assert head(files, branch("data")).error == (
        "duplicate path output by different datums (/f7 from a and /f7 from default)"
    )


def test_a_tagged_file_and_a_folder_collide(files: FileSystem, change: Callable[..., None]) -> None:
    change(("add", "/f", "a"))
    change(("add", "/f/g", ""))
    assert head(files, branch("data")).error == "file / directory path collision (/f/g)"


def test_an_open_commit_may_have_two_tags_of_a_path_until_it_is_finished(
    files: FileSystem, change: Callable[..., None]
) -> None:
    commit = start_commit(files, branch("data"))
    change(("add", "/f", ""), ("add", "/f", "a"))
    change(("delete", "/f", ""))
    assert finish_commit(files, find(files, commit.name)).error == ""
    assert contents_of(files.objects, head(files, branch("data")).root) == {"/f": b"1"}
