from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pfs_builders import (
    branch,
    find,
    finish_commit,
    head,
    make_branch,
    make_commit,
    make_repos,
    repo,
    shown,
    start_commit,
)

from pachlocal.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError
from pachlocal.pfs.files import resolve
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import commits, history
from pachlocal.pfs.history.history import Filter
from pachlocal.pfs.history.names import CommitName, new_id
from pachlocal.pfs.history.records import OriginKind

DATA = branch("data")


def name(id_: str) -> CommitName:
    return CommitName(repo("data"), id_)


@pytest.fixture(autouse=True)
def data(files: FileSystem) -> None:
    make_repos(files, "data")


# --- one-off commits ------------------------------------------------------------------------------


def test_a_modification_of_a_branch_is_a_finished_commit(files: FileSystem) -> None:
    commit = make_commit(files, DATA, {"/a": b"12", "/b/c": b"3"})
    assert commit.finished is not None
    assert commit.origin is OriginKind.USER
    assert commit.size == 3
    assert commit.parent is None
    assert shown(files, commit) == {"/a": b"12", "/b/c": b"3"}


def test_a_modification_begins_with_what_was_there(files: FileSystem) -> None:
    first = make_commit(files, DATA, {"/a": b"1"})
    second = make_commit(files, DATA, {"/b": b"2"})
    assert second.parent == first.name
    assert find(files, first.name).children == (second.name,)
    assert shown(files, second) == {"/a": b"1", "/b": b"2"}
    assert shown(files, first) == {"/a": b"1"}


def test_bytes_are_appended_unless_a_delete_comes_first(files: FileSystem) -> None:
    make_commit(files, DATA, {"/a": b"1", "/b": b"1"})
    with files.modify(name("master")) as change:
        change.add("/a", b"2")
        change.delete("/b")
        change.add("/b", b"2")
    assert shown(files, head(files, DATA)) == {"/a": b"12", "/b": b"2"}


def test_a_file_and_a_folder_are_deleted_each_by_its_own_form(files: FileSystem) -> None:
    content = {"/a/x": b"1", "/b": b"2"}
    make_commit(files, DATA, content)
    with files.modify(name("master")) as change:
        change.delete("/a")  # a folder: not deleted without its slash
        change.delete("/b/")  # a file: not deleted with one
    assert shown(files, head(files, DATA)) == content
    with files.modify(name("master")) as change:
        change.delete("/a/")
    assert shown(files, head(files, DATA)) == {"/b": b"2"}


def test_deleting_the_root_empties_a_repo(files: FileSystem) -> None:
    make_commit(files, DATA, {"/a/x": b"1", "/b": b"2"})
    with files.modify(name("master")) as change:
        change.delete("/")
        change.add("/c", b"3")
    assert shown(files, head(files, DATA)) == {"/c": b"3"}
    with files.modify(name("master")) as change:
        change.delete("/")
    assert head(files, DATA).root is None


def test_a_stream_that_breaks_off_leaves_no_commit(files: FileSystem) -> None:
    before = make_commit(files, DATA, {"/a": b"1"})
    with pytest.raises(InvalidArgumentError), files.modify(name("master")) as change:
        change.add("/ä", b"2")
    assert head(files, DATA) == before


def test_the_first_modification_makes_the_branch(files: FileSystem) -> None:
    commit = make_commit(files, branch("data", "dev"), {"/a": b"1"})
    assert commit.branch == "dev"
    assert commit.parent is None


def test_a_branch_can_be_given_beside_an_empty_id(files: FileSystem) -> None:
    with files.modify(name(""), "master") as change:
        change.add("/a", b"1")
    assert shown(files, head(files, DATA)) == {"/a": b"1"}


def test_a_modification_of_a_missing_repo_fails_before_it_takes_bytes(files: FileSystem) -> None:
    with (
        pytest.raises(NotFoundError, match=r"^repo default/none not found$"),
        files.modify(CommitName(repo("none"), "master")),
    ):
        pytest.fail("the block must not be entered")


# --- open commits -------------------------------------------------------------------------------


def test_an_open_commit_shows_its_parents_files_and_what_has_been_written(
    files: FileSystem,
) -> None:
    make_commit(files, DATA, {"/a": b"1"})
    commit = start_commit(files, DATA)
    assert shown(files, commit) == {"/a": b"1"}
    for _ in range(2):
        with files.modify(name("master")) as change:
            change.add("/b", b"2")
    assert head(files, DATA).name == commit.name
    assert shown(files, commit) == {"/a": b"1", "/b": b"22"}
    assert find(files, commit.name).finished is None


def test_an_open_commit_is_written_to_by_its_id(files: FileSystem) -> None:
    commit = start_commit(files, DATA)
    with files.modify(commit.name) as change:
        change.add("/a", b"1")
    finish_commit(files, find(files, commit.name))
    assert shown(files, commit) == {"/a": b"1"}


def test_a_finished_commit_is_not_written_to(files: FileSystem) -> None:
    commit = make_commit(files, DATA)
    with (
        pytest.raises(
            FailedPreconditionError, match=f"^commit {commit.name} has already finished$"
        ),
        files.modify(commit.name),
    ):
        pytest.fail("the block must not be entered")


def test_a_commit_that_is_finished_meanwhile_is_not_written_to(files: FileSystem) -> None:
    commit = start_commit(files, DATA)
    with (
        pytest.raises(FailedPreconditionError, match="has already finished"),
        files.modify(commit.name),
    ):
        finish_commit(files, commit)
    assert shown(files, commit) == {}


def test_a_commit_is_finished_once(files: FileSystem) -> None:
    commit = finish_commit(files, start_commit(files, DATA))
    with pytest.raises(
        FailedPreconditionError, match=f"^commit {commit.name} has already finished$"
    ):
        finish_commit(files, commit)


def test_no_commit_starts_on_an_open_one(files: FileSystem) -> None:
    parent = start_commit(files, DATA)
    with pytest.raises(
        FailedPreconditionError, match=f"^parent commit {parent.name} has not been finished$"
    ):
        start_commit(files, DATA)


def test_a_commit_can_start_from_an_older_one(files: FileSystem) -> None:
    old = make_commit(files, DATA, {"/a": b"1"})
    make_commit(files, DATA, {"/b": b"2"})
    with files.transaction() as tx:
        commit = history.start(tx, DATA, parent=old)
    assert commit.parent == old.name
    assert shown(files, commit) == {"/a": b"1"}
    assert head(files, DATA).name == commit.name


def test_a_commit_needs_a_repo(files: FileSystem) -> None:
    with pytest.raises(NotFoundError, match=r"^repo default/none not found$"):
        start_commit(files, branch("none"))


def test_a_transaction_makes_one_commit_in_a_repo(files: FileSystem) -> None:
    def start_two() -> None:
        with files.transaction() as tx:
            history.start(tx, DATA)
            history.start(tx, branch("data", "dev"))

    with pytest.raises(FailedPreconditionError, match=r"^inconsistent dependencies"):
        start_two()
    with files.snapshot() as connection:
        assert list(history.list_commits(connection, repo("data"), Filter())) == []


# --- errors -------------------------------------------------------------------------------------


def test_a_path_that_is_file_and_folder_is_an_error_of_the_commit(files: FileSystem) -> None:
    commit = make_commit(files, DATA, {"/a": b"1", "/a/b": b"2"})
    assert commit.error == "file / directory path collision (/a/b)"
    assert commit.finished is not None


def test_a_collision_with_older_files_is_found_too(files: FileSystem) -> None:
    make_commit(files, DATA, {"/a/b": b"1", "/c": b"1"})
    assert make_commit(files, DATA, {"/a": b"2"}).error.endswith("collision (/a/b)")
    assert make_commit(files, DATA, {"/c/d/e": b"2"}).error.endswith("collision (/c/d/e)")
    assert make_commit(files, DATA, {"/d": b"2"}).error == ""


def test_a_child_of_a_failed_commit_begins_with_the_last_good_one(files: FileSystem) -> None:
    good = make_commit(files, DATA, {"/a": b"1"})
    bad = [make_commit(files, DATA, {"/b": b"2", "/b/c": b"3"}) for _ in range(2)]
    assert all(commit.error for commit in bad)
    commit = start_commit(files, DATA)
    assert commit.parent == bad[-1].name
    assert commit.root == good.root
    assert commit.size == 1


def test_a_commit_can_be_finished_with_an_error(files: FileSystem) -> None:
    commit = finish_commit(files, start_commit(files, DATA), error="the sensor broke")
    assert commit.error == "the sensor broke"


# --- concurrent streams -------------------------------------------------------------------------


def test_streams_to_one_branch_all_land(files: FileSystem) -> None:
    begun = threading.Barrier(4)

    def put(number: int) -> None:
        for turn in range(5):
            with files.modify(name("master")) as change:
                change.add(f"/{number}/{turn}", b"1")
                change.add("/log", b"x")
                if turn == 0:
                    begun.wait(timeout=10)  # all streams are open on the same tree

    threads = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {f"/{number}/{turn}": b"1" for number in range(4) for turn in range(5)}
    assert shown(files, head(files, DATA)) == {**expected, "/log": b"x" * 20}
    with files.snapshot() as connection:
        assert len(list(history.list_commits(connection, repo("data"), Filter()))) == 20


def test_streams_to_one_open_commit_all_land(files: FileSystem) -> None:
    commit = start_commit(files, DATA)
    with files.modify(commit.name) as first:
        first.add("/a", b"1")
        with files.modify(commit.name) as second:
            second.add("/b", b"2")
            second.add("/a", b"0")
    assert shown(files, commit) == {"/a": b"01", "/b": b"2"}


def test_what_a_stream_did_not_touch_stays_as_another_left_it(files: FileSystem) -> None:
    make_commit(files, DATA, {"/keep": b"1", "/drop": b"1"})
    with files.modify(name("master")) as slow:
        slow.delete("/drop")
        make_commit(files, DATA, {"/keep": b"2", "/new": b"3"})
    assert shown(files, head(files, DATA)) == {"/keep": b"2", "/new": b"3"}


def test_a_stream_deletes_what_came_while_it_was_open(files: FileSystem) -> None:
    with files.modify(name("master")) as slow:
        slow.delete("/")
        slow.add("/only", b"1")
        make_commit(files, DATA, {"/other": b"2"})
    assert shown(files, head(files, DATA)) == {"/only": b"1"}


# --- naming a commit ------------------------------------------------------------------------------


def test_ancestry_goes_back_from_a_branch_and_from_an_id(files: FileSystem) -> None:
    line = [make_commit(files, DATA, {f"/{number}": b"1"}).name for number in range(4)]
    for text, expected in (
        ("master", 3),
        ("master^", 2),
        ("master^^", 1),
        ("master~3", 0),
        ("master^1~1", 1),
        ("master.1", 0),
        ("master.4", 3),
        (f"{line[2].id}^", 1),
        (line[1].id, 1),
    ):
        assert find(files, name(text)).name == line[expected], text


@pytest.mark.parametrize("text", ["master^2", "master~9", "master.3", "master.0"])
def test_ancestry_beyond_the_first_commit_is_not_found(files: FileSystem, text: str) -> None:
    for _ in range(2):
        make_commit(files, DATA)
    with pytest.raises(NotFoundError) as caught:
        find(files, name(text))
    assert str(caught.value) == f"commit default/data@{text} not found"


def test_a_missing_branch_and_a_missing_commit_are_told_apart(files: FileSystem) -> None:
    with pytest.raises(NotFoundError, match=r'^branch "dev" not found in repo default/data$'):
        find(files, name("dev"))
    id_ = new_id()
    with pytest.raises(NotFoundError, match=f"^commit default/data@{id_} not found$"):
        find(files, name(id_))
    with pytest.raises(NotFoundError, match=r'^branch "master" not found in repo default/none$'):
        find(files, CommitName(repo("none"), "master"))


def test_an_empty_name_is_refused(files: FileSystem) -> None:
    with pytest.raises(InvalidArgumentError), files.snapshot() as connection:
        resolve.resolve(connection, name(""))


# --- listing --------------------------------------------------------------------------------------


def listed(files: FileSystem, wanted: Filter, of: str | None = "data") -> list[CommitName]:
    with files.snapshot() as connection:
        where = repo(of) if of else None
        return [info.name for info in history.list_commits(connection, where, wanted)]


def test_commits_are_listed_newest_first_and_within_bounds(files: FileSystem) -> None:
    infos = [make_commit(files, DATA, {f"/{number}": b"1"}) for number in range(5)]
    names = [info.name for info in infos]
    infos = [find(files, each) for each in names]
    assert listed(files, Filter()) == names[::-1]
    assert listed(files, Filter(reverse=True)) == names
    assert listed(files, Filter(number=2)) == names[:2:-1]
    assert listed(files, Filter(to=infos[3])) == names[3::-1]
    assert listed(files, Filter(to=infos[3], since=infos[1])) == names[3:1:-1]


def test_commits_are_listed_by_origin(files: FileSystem) -> None:
    make_branch(files, branch("data", "dev"))
    user = make_commit(files, DATA)
    assert listed(files, Filter(origin=OriginKind.USER)) == [user.name]
    assert len(listed(files, Filter(origin=OriginKind.AUTO))) == 1
    assert len(listed(files, Filter())) == 2


def test_bounds_that_make_no_sense_are_refused(files: FileSystem) -> None:
    make_repos(files, "other")
    commit, foreign = make_commit(files, DATA), make_commit(files, branch("other"))
    for wanted, text in (
        (Filter(to=foreign), "`from` and `to` commits need to be from repo default/data"),
        (Filter(since=commit), "cannot use `from` commit without `to` commit"),
        (Filter(to=commit, reverse=True), "cannot use `reverse`"),
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            listed(files, wanted)
        assert text in str(caught.value)


def test_all_repos_are_listed_when_none_is_named(files: FileSystem) -> None:
    make_repos(files, "other")
    names = [make_commit(files, to).name for to in (DATA, branch("other"), DATA)]
    assert listed(files, Filter(), of=None) == names[::-1]
    with pytest.raises(NotFoundError, match="repo default/none not found"):
        listed(files, Filter(), of="none")


def test_a_commit_is_stored_across_a_restart(files: FileSystem, tmp_path: Path) -> None:
    commit = make_commit(files, DATA, {"/a": b"1"})
    again = FileSystem(tmp_path)
    try:
        assert find(again, commit.name) == commit
        assert shown(again, commit) == {"/a": b"1"}
    finally:
        again.close()


def test_a_failed_transaction_leaves_no_trace(files: FileSystem) -> None:
    commit = start_commit(files, DATA)

    def finish_and_fail() -> None:
        with files.transaction() as tx:
            commits.check_open(commits.finish(tx, files.objects, commit))

    with pytest.raises(FailedPreconditionError):
        finish_and_fail()
    assert find(files, commit.name).finished is None
