"""Many who write to one branch: all get their turn, and nothing of anybody is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from pfs_builders import branch, finish_commit, head, make_commit, make_repos, repo, shown

from pachlocal.errors import FailedPreconditionError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import commits, history
from pachlocal.pfs.history.history import Filter
from pachlocal.pfs.history.names import CommitName
from pachlocal.pfs.tree.content import Objects
from pachlocal.pfs.tree.entries import Root
from pachlocal.pfs.tree.layers import Layers

TIMEOUT_S = 20
MASTER = branch("iris")
MANY = {f"/many/{number:03d}": b"1" for number in range(200)}


def wait_for(done: threading.Event) -> None:
    assert done.wait(TIMEOUT_S)


def test_those_who_are_committed_together_see_each_other(files: FileSystem) -> None:
    make_repos(files, "iris")
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with files.transaction():
            begun.set()
            wait_for(go_on)

    with ThreadPoolExecutor(21) as threads:
        first = threads.submit(hold)
        wait_for(begun)
        writers = []
        for number in range(20):  # each waits for its turn before the next one comes
            content = {f"/{number}": b"1", "/last": str(number).encode()}
            writers.append(threads.submit(make_commit, files, MASTER, content))
            while files.database.waiting_writers == number:
                assert not writers[-1].done()
        go_on.set()
        for writer in (first, *writers):
            writer.result(TIMEOUT_S)
    with files.snapshot() as connection:
        made = list(history.list_commits(connection, repo("iris"), Filter()))
    assert len(made) == 20
    assert all(info.parent == older.name for info, older in pairwise(made))
    assert shown(files, made[0]) == {**{f"/{it}": b"1" for it in range(20)}, "/last": b"19"}
    assert shown(files, made[10])["/last"] == b"9"


def test_what_one_has_written_is_there_to_be_written_again(files: FileSystem) -> None:
    make_repos(files, "iris")
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with files.transaction():
            begun.set()
            wait_for(go_on)

    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(hold)
        wait_for(begun)
        writers = []
        for number in range(2):  # the second one's tree is the first one's, not committed yet
            writers.append(threads.submit(make_commit, files, MASTER))
            while files.database.waiting_writers == number:
                assert not writers[-1].done()
        go_on.set()
        for writer in (first, *writers):
            writer.result(TIMEOUT_S)
    assert shown(files, head(files, MASTER)) == {"/file": b"content"}


def test_a_large_change_gets_its_turn_however_often_the_branch_moves(
    files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repos(files, "iris")
    apply = Layers.apply

    def apply_while_the_branch_moves(changes: Layers, objects: Objects, root: Root) -> Root:
        after = apply(changes, objects, root)
        if not files.database.writing:
            with files.transaction() as tx:
                commits.finish(tx, files.objects, history.start(tx, MASTER))
        return after

    monkeypatch.setattr(Layers, "apply", apply_while_the_branch_moves)
    assert shown(files, make_commit(files, MASTER, MANY)) == MANY


def test_small_changes_let_a_large_one_end(
    files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repos(files, "iris", "wine")
    applied, go_on = threading.Event(), threading.Event()
    times: list[int] = []
    apply = Layers.apply

    def apply_slowly(changes: Layers, objects: Objects, root: Root) -> Root:
        if "many/" in changes.newest.names:
            times.append(1)
            applied.set()
            wait_for(go_on)
        return apply(changes, objects, root)

    monkeypatch.setattr(Layers, "apply", apply_slowly)
    with ThreadPoolExecutor(2) as threads:
        large = threads.submit(make_commit, files, MASTER, MANY)
        wait_for(applied)
        small = threads.submit(make_commit, files, MASTER, {"/small": b"1"})
        make_commit(files, branch("wine"), {"/small": b"1"})  # nobody waits elsewhere
        assert not small.done()
        go_on.set()
        large.result(TIMEOUT_S)
        small.result(TIMEOUT_S)
    assert len(times) == 1
    assert shown(files, head(files, MASTER)) == {**MANY, "/small": b"1"}


def test_a_commit_that_is_finished_meanwhile_takes_nothing_more(files: FileSystem) -> None:
    make_repos(files, "iris")
    with files.transaction() as tx:
        opened = history.start(tx, MASTER)

    def write_late() -> None:
        with files.modify(CommitName(repo("iris"), opened.name.id)) as change:
            change.add("/late", b"1")
            finish_commit(files, opened)

    with pytest.raises(FailedPreconditionError, match="already finished"):
        write_late()
