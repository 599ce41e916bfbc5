from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pfs_builders import MemoryObjects, contents_of, make_tree

from pachlocal.errors import InvalidArgumentError, NotFoundError
from pachlocal.pfs.files.modification import Modification
from pachlocal.pfs.tree import paths, tree
from pachlocal.pfs.tree.entries import Root

FILES = st.sampled_from(["/a", "/a/b", "/a/b/c", "/a/d", "/a.b", "/e/f", "//e//f", "g", "g/"])
FOLDERS = st.sampled_from(["/", "/a/", "/a/b/", "/e/", "e/", "/none/"])
DATA = st.sampled_from([b"", b"1", b"22"])
Step = tuple[str, str, object]
STEPS = st.one_of(
    st.tuples(st.just("add"), FILES, DATA),
    st.tuples(st.just("add"), FILES, DATA),
    st.tuples(st.just("delete"), FILES.filter(lambda path: not path.endswith("/")), st.none()),
    st.tuples(st.just("delete"), FOLDERS, st.none()),
    st.tuples(st.sampled_from(["copy", "append"]), FILES, st.sampled_from(["/a", "/a/", "/e/f"])),
)


def modified(objects: MemoryObjects, root: Root, change: Callable[[Modification], None]) -> Root:
    modification = Modification(objects)  # type: ignore[arg-type] - what it uses of a writer
    change(modification)
    return modification.finish().apply(objects, root)


def do(modification: Modification, objects: MemoryObjects, base: Root, step: Step) -> bool:
    """Make a step; return whether there was something to do it with."""
    kind, path, what = step
    if kind == "add":
        modification.add(path, what)  # type: ignore[arg-type]
    elif kind == "delete":
        modification.delete(path)
    else:
        source = tree.lookup(objects, base, str(what))
        if source is None:
            return False
        modification.copy(source, path, append=kind == "append")
    return True


def do_to_dict(files: dict[str, bytes], base: dict[str, bytes], step: Step) -> None:
    kind, path, what = step
    cleaned = paths.clean(path)
    if kind == "add":
        files[cleaned] = files.get(cleaned, b"") + what  # type: ignore[operator]
        return
    if kind == "delete" and not path.endswith("/"):
        files.pop(cleaned, None)
        return
    folder = cleaned.rstrip("/") + "/"
    if kind != "append":
        for name in [name for name in files if name.startswith(folder)]:
            del files[name]
    if kind == "delete":
        return
    source = str(what)
    if kind == "copy":
        files.pop(cleaned, None)
    if source in base:
        files[cleaned] = files.get(cleaned, b"") + base[source]
        return
    below = source.rstrip("/") + "/"
    for name in [name for name in base if name.startswith(below)]:
        to = folder + name.removeprefix(below)
        files[to] = files.get(to, b"") + base[name]


@settings(deadline=None, max_examples=250)
@given(streams=st.lists(st.lists(STEPS, max_size=8), max_size=3))
@example(streams=[[("add", "/a/b", b"1")], [("delete", "/", None), ("add", "/a/b", b"22")]])
@example(streams=[[("add", "/a", b"1"), ("delete", "/a", None), ("add", "/a", b"22")]])
def test_a_stream_does_what_its_steps_would_do_one_by_one(streams: list[list[Step]]) -> None:
    objects = MemoryObjects()
    root: Root = None
    files: dict[str, bytes] = {}
    for steps in streams:
        base_root, base = root, dict(files)
        modification = Modification(objects)  # type: ignore[arg-type] - what it uses of a writer
        for step in steps:
            if do(modification, objects, base_root, step):
                do_to_dict(files, base, step)
        root = modification.finish().apply(objects, root)
        assert contents_of(objects, root) == files
        assert root == make_tree(objects, files)


def test_a_file_can_come_in_pieces_between_other_files() -> None:
    objects = MemoryObjects()

    def change(modification: Modification) -> None:
        for path, data in (("/a", b"1"), ("/b", b"x"), ("/a", b"2"), ("a", b"3"), ("/b", b"y")):
            modification.add(path, data)

    assert contents_of(objects, modified(objects, None, change)) == {"/a": b"123", "/b": b"xy"}


def test_a_large_file_is_appended_to_without_rewriting_its_beginning() -> None:
    objects = MemoryObjects()
    piece = bytes(range(256)) * 4096 * 5  # 5 MiB
    root = modified(objects, None, lambda change: change.add("/f", piece * 2))
    before = sum(map(len, objects.stored.values()))
    root = modified(objects, root, lambda change: change.add("/f", b"tail"))
    assert contents_of(objects, root) == {"/f": piece * 2 + b"tail"}
    assert sum(map(len, objects.stored.values())) - before < 5 * 1024 * 1024


def test_a_copy_of_a_large_file_stores_no_content() -> None:
    objects = MemoryObjects()
    root = modified(objects, None, lambda change: change.add("/f", b"x" * 3_000_000))
    source = tree.lookup(objects, root, "/f")
    before = set(objects.stored)
    copied = modified(objects, root, lambda change: change.copy(source, "/g", append=False))
    assert contents_of(objects, copied)["/g"] == b"x" * 3_000_000
    added = [objects.stored[name] for name in set(objects.stored) - before]
    assert sum(map(len, added)) < 1000


def test_a_copy_of_nothing_is_refused() -> None:
    with pytest.raises(NotFoundError, match="copy to /g"):
        modified(MemoryObjects(), None, lambda change: change.copy(None, "/g", append=False))


@pytest.mark.parametrize("path", ["/a*", "/../a", "/ä", "/a\x00", "/", "", "//"])
def test_a_path_that_cannot_be_a_file_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgumentError):
        modified(MemoryObjects(), None, lambda change: change.add(path, b"1"))


def test_a_file_cannot_be_copied_onto_the_root_and_a_folder_can() -> None:
    objects = MemoryObjects()
    root = make_tree(objects, {"/a/x": b"1", "/b": b"2"})
    file, folder = tree.lookup(objects, root, "/b"), tree.lookup(objects, root, "/a/")
    with pytest.raises(InvalidArgumentError):
        modified(objects, root, lambda change: change.copy(file, "/", append=True))
    copied = modified(objects, root, lambda change: change.copy(folder, "/", append=True))
    assert contents_of(objects, copied) == {"/a/x": b"1", "/b": b"2", "/x": b"1"}
    replaced = modified(objects, root, lambda change: change.copy(folder, "/", append=False))
    assert contents_of(objects, replaced) == {"/x": b"1"}


@pytest.mark.parametrize("path", ["/a*", "/../a", "/x/../", "/ä/"])
def test_a_path_that_cannot_be_is_not_deleted_either(path: str) -> None:
    with pytest.raises(InvalidArgumentError):
        modified(MemoryObjects(), None, lambda change: change.delete(path))


def test_changes_that_go_to_disk_come_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = MemoryObjects()

    def make(most: int) -> Root:
        monkeypatch.setattr("pachlocal.pfs.files.modification._MOST_CHANGES", most)
        with Modification(objects) as modification:
            for number in range(40):
                modification.add(f"/f{number % 7}/n{number % 5}", b"%d," % number)
                if number % 3 == 0:
                    modification.delete(f"/f{number % 4}/n{number % 5}")
                if number % 11 == 0:
                    modification.delete(f"/f{number % 5}/")
            return modification.finish().apply(objects, None)

    whole = make(most=1000)
    assert whole is not None
    assert {make(most=most) for most in (1, 2, 3, 10)} == {whole}
