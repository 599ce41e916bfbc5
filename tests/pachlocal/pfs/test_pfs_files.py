from __future__ import annotations

import pytest
from pfs_builders import branch, head, make_commit, make_repos

from pachlocal.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError
from pachlocal.pfs.files import files as reading
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history.names import CommitName
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pfs.tree import content

DATA = branch("data")
FILES = {"/a.csv": b"1,2", "/dir/x": b"x", "/dir/sub/y": b"yy", "/dir.txt": b"t", "/e": b""}


@pytest.fixture
def commit(files: FileSystem) -> CommitInfo:
    make_repos(files, "data")
    return make_commit(files, DATA, FILES)


@pytest.fixture
def empty(files: FileSystem) -> CommitInfo:
    make_repos(files, "empty")
    with files.modify(CommitName(branch("empty").repo, "master")):
        pass
    return head(files, branch("empty"))


def missing(commit: CommitInfo, path: str) -> str:
    return f"file {path} not found in repo default/data at commit {commit.name.id}"


def test_a_folder_is_inspected_with_and_without_its_slash(
    files: FileSystem, commit: CommitInfo
) -> None:
    for path in ("/dir", "/dir/", "dir"):
        shown, entry = reading.inspect_file(files.objects, commit, path)
        assert (shown, entry.size, entry.is_folder) == ("/dir/", 3, True)
    shown, entry = reading.inspect_file(files.objects, commit, "/")
    assert (shown, entry.size) == ("/", sum(map(len, FILES.values())))


@pytest.mark.parametrize("path", ["/none", "/none/", "/dir/none", "/dir/x/y", "/a.csv/b"])
def test_a_missing_file_is_said_in_the_words_that_clients_match(
    files: FileSystem, commit: CommitInfo, path: str
) -> None:
    with pytest.raises(NotFoundError) as caught:
        reading.inspect_file(files.objects, commit, path)
    assert str(caught.value) == missing(commit, path)


def test_a_file_is_found_with_a_slash_too(files: FileSystem, commit: CommitInfo) -> None:
    shown, entry = reading.inspect_file(files.objects, commit, "/a.csv/")
    assert (shown, entry.size) == ("/a.csv", 3)


def test_the_root_of_an_empty_commit_is_not_there(files: FileSystem, empty: CommitInfo) -> None:
    with pytest.raises(NotFoundError):
        reading.inspect_file(files.objects, empty, "/")
    assert list(reading.walk_files(files.objects, empty, "/")) == []
    assert list(reading.list_files(files.objects, empty, "/")) == []
    assert list(reading.glob_files(files.objects, empty, "/")) == []


def test_a_folder_is_listed_in_byte_order(files: FileSystem, commit: CommitInfo) -> None:
    def listed(path: str) -> list[str]:
        return [shown for shown, _ in reading.list_files(files.objects, commit, path)]

    assert listed("/") == listed("") == ["/a.csv", "/dir.txt", "/dir/", "/e"]
    assert listed("/dir") == listed("dir/") == ["/dir/sub/", "/dir/x"]
    assert listed("/a.csv") == ["/a.csv"]
    assert listed("/none") == []


def test_a_walk_begins_with_where_it_starts(files: FileSystem, commit: CommitInfo) -> None:
    def walked(path: str) -> list[str]:
        return [shown for shown, _ in reading.walk_files(files.objects, commit, path)]

    assert walked("/dir") == ["/dir/", "/dir/sub/", "/dir/sub/y", "/dir/x"]
    assert walked("/")[:2] == ["/", "/a.csv"]
    assert walked("/a.csv") == ["/a.csv"]
    with pytest.raises(NotFoundError, match=r"does not contain item: \(/none\)$"):
        walked("/none")


def test_a_file_is_read_from_an_offset(files: FileSystem, commit: CommitInfo) -> None:
    def got(pattern: str, offset: int = 0) -> bytes:
        found = reading.find_file(files.objects, commit, pattern)
        return b"".join(content.read(files.objects, found.content, offset))

    assert got("/a.csv") == got("/*.csv") == got("a.csv") == b"1,2"
    assert got("/a.csv", 2) == b"2"
    assert got("/a.csv", 9) == b""
    assert got("/e") == b""


def test_what_is_not_one_file_is_not_read(files: FileSystem, commit: CommitInfo) -> None:
    for pattern, kind, text in (
        ("/none", NotFoundError, missing(commit, "/none")),
        ("/*", FailedPreconditionError, "matched multiple files. Use GetFileTAR instead"),
        (
            "/dir",
            FailedPreconditionError,
            "cannot get directory or non-regular file. Use GetFileTAR instead",
        ),
    ):
        with pytest.raises(kind) as caught:
            reading.find_file(files.objects, commit, pattern)
        assert str(caught.value) == text
    with pytest.raises(InvalidArgumentError, match="invalid glob"):
        reading.find_file(files.objects, commit, "/[a")


def test_a_match_comes_with_all_below_it_and_each_path_once(
    files: FileSystem, commit: CommitInfo
) -> None:
    def below(pattern: str) -> list[str]:
        return [shown for shown, _ in reading.files_below(files.objects, commit, pattern)]

    assert below("/dir") == ["/dir/", "/dir/sub/", "/dir/sub/y", "/dir/x"]
    assert below("/**") == below("/*")
    assert below("/**") == [
        "/a.csv",
        "/dir.txt",
        "/dir/",
        "/dir/sub/",
        "/dir/sub/y",
        "/dir/x",
        "/e",
    ]
    with pytest.raises(NotFoundError):
        below("/none*")


def test_a_difference_has_both_sides_in_order(files: FileSystem, commit: CommitInfo) -> None:
    with files.modify(CommitName(DATA.repo, "master")) as change:
        change.delete("/a.csv")
        change.add("/dir/new", b"n")
        change.add("/dir/x", b"!")
    new = head(files, DATA)
    found = reading.diff_files(files.objects, new, "/", commit, "/")
    sides = [
        (after and after.size, path, before and before.size) for after, path, before, _ in found
    ]
    assert sides == [
        (6, "/", 7),
        (None, "/a.csv", 3),
        (5, "/dir/", 3),
        (1, "/dir/new", None),
        (2, "/dir/x", 1),
    ]
    assert list(reading.diff_files(files.objects, new, "/e", commit, "/e")) == []
    everything = list(reading.diff_files(files.objects, commit, "/dir", None, "/dir"))
    assert [path for _, path, _, _ in everything] == [
        "/dir/",
        "/dir/sub/",
        "/dir/sub/y",
        "/dir/x",
    ]
    assert all(before is None for _, _, before, _ in everything)
