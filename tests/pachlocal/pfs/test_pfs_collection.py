"""Garbage collection beside writes that come at each of its moments."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pfs_builders import branch, head, make_commit, make_repos, repo, shown

from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import repos
from pachlocal.pfs.history.names import CommitName
from pachlocal.pfs.upkeep.check import fsck
from pachlocal.pfs.upkeep.collection import collect_garbage

DATA = branch("data")
# Small objects, and files; what nobody needs any more, and what is new.
GARBAGE = {"/row": b"row", "/file": b"file" * 50_000}
FILES = {**GARBAGE, "/new/row": b"new row", "/new/file": b"new file" * 50_000}


@pytest.fixture(autouse=True)
def garbage(files: FileSystem) -> None:
    make_repos(files, "data")
    make_garbage(files)


def make_garbage(files: FileSystem) -> None:
    make_repos(files, "gone")
    make_commit(files, branch("gone"), GARBAGE)
    with files.transaction() as tx:
        repos.delete_repo(tx, repo("gone"), force=False)


def put(files: FileSystem) -> None:
    make_commit(files, DATA, FILES)


def before(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, action: Callable[[], object]
) -> None:
    """Do something just before a method is called for the next time."""
    method = getattr(owner, name)

    def call_later(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(owner, name, method)
        action()
        return method(*arguments, **options)

    monkeypatch.setattr(owner, name, call_later)


def collect(files: FileSystem) -> int:
    """Collect garbage; return how many objects that freed."""
    garbage = collect_garbage(files, dry_run=False)
    assert garbage.complete
    return garbage.objects


def assert_whole(files: FileSystem) -> None:
    assert shown(files, head(files, DATA)) == FILES
    assert list(fsck(files)) == []
    assert collect(files) == 0
    assert shown(files, head(files, DATA)) == FILES


def test_what_is_put_when_it_is_known_what_is_needed_stays(
    files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(monkeypatch, files.objects, "sweep", lambda: put(files))
    collect(files)
    assert_whole(files)


def test_what_is_put_when_it_is_about_to_be_deleted_stays(
    files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_the_next_write() -> None:
        before(monkeypatch, files.database, "write", lambda: put(files))

    before(monkeypatch, files.objects, "sweep", at_the_next_write)
    collect(files)
    assert_whole(files)


def test_what_is_put_meanwhile_is_not_counted(
    files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = collect_garbage(files, dry_run=True)
    new = {"/new": FILES["/new/row"]}
    before(monkeypatch, files.objects, "sweep", lambda: make_commit(files, DATA, new))
    assert collect_garbage(files, dry_run=True) == alone
    assert shown(files, head(files, DATA)) == new


def test_a_stream_that_ends_while_a_collection_waits_for_it_loses_nothing(
    files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = files.modify(CommitName(DATA.repo, DATA.name))
    change = stream.__enter__()
    for path, data in FILES.items():
        change.add(path, data)
    end = partial(stream.__exit__, None, None, None)
    before(monkeypatch, files.objects, "await_sessions", end)
    collect(files)
    assert_whole(files)


def test_garbage_of_before_and_after_a_restart_is_collected(
    files: FileSystem, tmp_path: Path
) -> None:
    put(files)
    collect(files)
    make_commit(files, branch("data", "old"), {"/old": b"old"})
    with files.transaction() as tx:
        repos.delete_repo(tx, DATA.repo, force=False)
    files.close()
    again = FileSystem(tmp_path)
    try:
        assert collect(again)
        with again.snapshot() as connection:
            assert connection.execute("SELECT COUNT(*) FROM objects").fetchone()[0] == 0
        assert list(again.objects.files.entries()) == []
    finally:
        again.close()
