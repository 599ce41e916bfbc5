from __future__ import annotations

import pytest
from pfs_builders import branch, head, make_commit, make_repos, repo, shown

from pachlocal.pfs import repos
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.names import CommitName
from pachlocal.pfs.upkeep import collect_garbage, fsck
from pachlocal.storage.objects import hash_of

DATA = branch("data")
LARGE = bytes(range(256)) * 4096 * 6  # 6 MiB, several chunks
FILES = {"/a": b"small", "/dir/large": LARGE, "/dir/b": b"b"}


@pytest.fixture(autouse=True)
def data(files: FileSystem) -> None:
    make_repos(files, "data", "gone")


def objects(files: FileSystem) -> int:
    with files.snapshot() as connection:
        (count,) = connection.execute("SELECT COUNT(*) FROM objects").fetchone()
    return int(count)


def test_a_collection_leaves_what_any_commit_needs(files: FileSystem) -> None:
    old = make_commit(files, DATA, FILES)
    new = make_commit(files, DATA, {"/a": b"other"})
    collect_garbage(files, dry_run=False)
    assert shown(files, old) == FILES
    assert shown(files, new) == {**FILES, "/a": b"other"}
    assert list(fsck(files)) == []


def test_a_collection_deletes_what_nothing_needs_and_a_dry_run_only_counts(
    files: FileSystem,
) -> None:
    make_commit(files, DATA, FILES)
    collect_garbage(files, dry_run=False)
    before = objects(files)
    make_commit(files, branch("gone"), {"/x": b"x" * 1_000_000, "/a": b"small"})
    with files.transaction() as tx:
        repos.delete_repo(tx, repo("gone"), force=False)
    planned = collect_garbage(files, dry_run=True)
    assert planned.size > 1_000_000
    assert objects(files) > before
    assert collect_garbage(files, dry_run=False) == planned
    assert objects(files) == before
    assert shown(files, head(files, DATA)) == FILES


def test_what_was_collected_can_be_put_again(files: FileSystem) -> None:
    make_commit(files, branch("gone"), {"/x": LARGE})
    with files.transaction() as tx:
        repos.delete_repo(tx, repo("gone"), force=False)
    collect_garbage(files, dry_run=False)
    assert shown(files, make_commit(files, DATA, {"/x": LARGE})) == {"/x": LARGE}


def test_a_stream_that_is_open_during_a_collection_loses_nothing(
    files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pachlocal.pfs.upkeep._WRITERS_TIMEOUT_S", 0.01)
    with files.modify(CommitName(DATA.repo, "master")) as change:
        change.add("/dir/large", LARGE)
        change.add("/a", b"small")
        assert not collect_garbage(files, dry_run=False).complete
        change.add("/dir/b", b"b")
    collect_garbage(files, dry_run=False)
    assert shown(files, head(files, DATA)) == FILES


def test_a_whole_store_has_nothing_to_complain_of(files: FileSystem) -> None:
    make_commit(files, DATA, FILES)
    assert list(fsck(files)) == []


def test_a_damaged_file_is_named_and_healed_by_putting_its_content_again(
    files: FileSystem,
) -> None:
    commit = make_commit(files, DATA, FILES)
    with files.database.write() as connection:
        connection.execute(
            "UPDATE objects SET data = ? WHERE hash = ?", (b"smell", hash_of(b"small"))
        )
    (complaint,) = fsck(files)
    assert complaint.startswith(f"{commit.name}:/a can't be read")
    make_commit(files, branch("data", "healing"), {"/copy": b"small"})
    assert list(fsck(files)) == []
    assert shown(files, commit) == FILES
