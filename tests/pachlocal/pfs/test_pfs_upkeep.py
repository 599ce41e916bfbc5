from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pfs_builders import branch, head, make_commit, make_repos, repo, shown, start_commit

from pachlocal.errors import DamagedStoreError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import commits, repos
from pachlocal.pfs.history.names import CommitName
from pachlocal.pfs.upkeep import check
from pachlocal.pfs.upkeep.check import fsck
from pachlocal.pfs.upkeep.collection import collect_garbage
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
    monkeypatch.setattr("pachlocal.pfs.upkeep.collection._WRITERS_TIMEOUT_S", 0.01)
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


def damage(files: FileSystem, content: bytes) -> None:
    with files.database.write() as connection:
        connection.execute(
            "UPDATE objects SET data = ? WHERE hash = ?", (b"smell", hash_of(content))
        )


def chunk_files(files: FileSystem) -> list[Path]:
    return [path for _, path in files.objects.files.entries()]


def test_a_damaged_file_is_named_and_healed_by_putting_its_content_again(
    files: FileSystem,
) -> None:
    commit = make_commit(files, DATA, FILES)
    damage(files, b"small")
    (complaint,) = fsck(files)
    assert complaint.startswith(f"commit {commit.name}:/a can't be read")
    make_commit(files, branch("data", "healing"), {"/copy": b"small"})
    assert list(fsck(files)) == []
    assert shown(files, commit) == FILES


def test_a_damage_is_told_once_for_all_commits_of_a_repo(files: FileSystem) -> None:
    make_commit(files, DATA, FILES)
    newest = make_commit(files, DATA, {"/c": b"c"})
    other = make_commit(files, branch("gone"), {"/other": b"small"})
    damage(files, b"small")
    assert sorted(problem.partition(": object")[0] for problem in fsck(files)) == [
        f"commit {newest.name}:/a can't be read",
        f"commit {other.name}:/other can't be read",
    ]
    assert any(problem.endswith("; nor in 1 more commit") for problem in fsck(files))


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"!")])
def test_files_of_many_chunks_are_checked_chunk_by_chunk(
    files: FileSystem, damage: Callable[[Path], object]
) -> None:
    content = random.Random(3).randbytes(9 << 20)  # noqa: S311 - not a secret
    commit = make_commit(files, DATA, {"/dir/large": content})
    chunks = chunk_files(files)
    assert len(chunks) > 1
    for chunk in chunks:
        damage(chunk)
    complaints = list(fsck(files))
    assert len(complaints) == len(chunks)
    assert all(f"{commit.name}:/dir/large can't be read" in problem for problem in complaints)


def test_a_check_leaves_what_is_damaged_as_it_is(files: FileSystem, tmp_path: Path) -> None:
    make_commit(files, DATA, FILES)
    (chunk, *_) = chunk_files(files)
    chunk.write_bytes(b"half of it")
    damage(files, b"small")
    with files.snapshot() as connection:
        before = connection.execute("SELECT * FROM objects").fetchall()
    assert len(list(fsck(files))) == 2
    assert chunk.read_bytes() == b"half of it"
    with files.snapshot() as connection:
        assert connection.execute("SELECT * FROM objects").fetchall() == before


@pytest.mark.parametrize("again", [True, False])
def test_what_goes_during_a_check_is_neither_complained_of_nor_lost_when_it_comes_back(
    files: FileSystem, monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    content = {"/z": b"z" * 100_000, "/y": b"y"}
    make_commit(files, branch("gone"), content)
    get, find_needs = files.objects.get, check._needs
    asked: list[bytes] = []

    def get_later(name: bytes) -> bytes:
        asked.append(name)
        if len(asked) == 1:  # the roots are known, and nothing is read yet
            with files.transaction() as tx:
                repos.delete_repo(tx, repo("gone"), force=False)
            assert collect_garbage(files, dry_run=False).objects
        return get(name)

    def find_needs_later(*arguments: Any) -> Iterator[Any]:  # damage has been seen
        if again:
            make_repos(files, "gone")
            make_commit(files, branch("gone"), content)
        return find_needs(*arguments)

    monkeypatch.setattr(files.objects, "get", get_later)
    monkeypatch.setattr(check, "_needs", find_needs_later)
    assert list(fsck(files)) == []
    if again:
        assert shown(files, head(files, branch("gone"))) == content


def test_damage_that_nobody_needs_is_told_and_what_is_half_collected_is_not(
    files: FileSystem,
) -> None:
    make_commit(files, branch("gone"), {"/x": b"x" * 100_000, "/y": b"y" * 100_000})
    with files.transaction() as tx:
        repos.delete_repo(tx, repo("gone"), force=False)
    first, second = chunk_files(files)
    first.write_bytes(b"!")
    second.unlink()  # a collection that broke off
    (complaint,) = fsck(files)
    assert "no commit that can be read needs it" in complaint


def test_a_name_that_is_not_utf_8_does_not_end_the_check(files: FileSystem) -> None:
    commit = make_commit(files, DATA, FILES)
    damage(files, b"small")
    with files.database.write() as connection:
        connection.execute("UPDATE repos SET name = CAST(x'64ff74' AS TEXT) WHERE name = 'data'")
    assert list(fsck(files)) == [
        rf"commit default/d\xfft@{commit.name.id}:/a can't be read:"
        f" object {hash_of(b'small').hex()} is damaged: its bytes have changed"
    ]


def test_pages_that_are_malformed_do_not_end_the_check(files: FileSystem) -> None:
    """The roots and the objects on both sides of them are checked, and every chunk."""
    names = [make_commit(files, DATA, {"/a": b"%d" % number}).name for number in range(200)]
    make_commit(files, branch("gone"), {"/large": LARGE})
    for content in (b"3", b"197", b"100"):
        damage(files, content)
    for chunk in chunk_files(files):
        chunk.write_bytes(b"!")
    destroy_page(files, "commits", 100)
    complaints = list(fsck(files))
    assert "pach.db is damaged where it has commits: database disk image is malformed" in complaints
    for name in (names[3], names[197]):
        assert any(f"{name}:/a can't be read" in problem for problem in complaints)
    for content, needs in ((b"100", "no commit that can be read"), (b"197", "")):
        hash_ = hash_of(content).hex()
        assert any(hash_ in problem and needs in problem for problem in complaints)
    for hash_, _ in files.objects.files.entries():
        assert any(hash_.hex() in problem for problem in complaints)


def test_nothing_is_collected_by_a_table_that_is_damaged(files: FileSystem) -> None:
    """A commit that doesn't show, or shows another tree, would lose its files."""
    commit = start_commit(files, DATA)
    with files.transaction() as tx:
        commits.finish(tx, files.objects, commit, description="found by this")
    make_commit(files, DATA, FILES)
    before = objects(files)
    flip_bit(files, b"found by this")
    with pytest.raises(DamagedStoreError, match="the table of commits is damaged"):
        collect_garbage(files, dry_run=False)
    assert objects(files) == before
    (complaint,) = fsck(files)
    assert complaint.startswith(f"commit {commit.name} is damaged: what pach.db says")


def flip_bit(files: FileSystem, text: bytes) -> None:
    """Flips a bit of what is stored twice, in one of the two places."""
    files.database._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = files.database._path
    data = bytearray(path.read_bytes())
    assert data.count(text) == 2
    data[data.index(text)] ^= 1
    path.write_bytes(data)


def destroy_page(files: FileSystem, table: str, row: int) -> None:
    """Overwrites the page that has a row of a table, while nobody has it in memory."""
    path = files.database._path
    with files.snapshot() as connection:
        (text,) = connection.execute(
            f"SELECT commit_set FROM {table} NOT INDEXED WHERE id = ?", (row,)
        ).fetchone()
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_master").fetchall())
    files.database._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    leaves = [
        page
        for page in children(data, roots[table])
        if text.encode() in data[(page - 1) * 4096 : page * 4096]
    ]
    (leaf,) = leaves
    data[(leaf - 1) * 4096 : leaf * 4096] = b"\xff" * 4096
    path.write_bytes(data)


def children(data: bytes, root: int) -> list[int]:
    """Returns the pages below the root of a table's tree that has two levels."""
    at = (root - 1) * 4096
    assert data[at] == 5, "an inner page"
    cells = int.from_bytes(data[at + 3 : at + 5], "big")
    places = [int.from_bytes(data[at + 12 + 2 * i : at + 14 + 2 * i], "big") for i in range(cells)]
    found = [int.from_bytes(data[at + it : at + it + 4], "big") for it in places]
    return [*found, int.from_bytes(data[at + 8 : at + 12], "big")]
