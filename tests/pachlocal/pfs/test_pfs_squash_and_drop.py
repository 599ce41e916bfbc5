from __future__ import annotations

import itertools
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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

from pachlocal.errors import FailedPreconditionError, NotFoundError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import branches, history, repos
from pachlocal.pfs.history.history import Filter
from pachlocal.pfs.history.names import SPEC, BranchName
from pachlocal.pfs.history.records import CommitInfo, OriginKind
from pachlocal.pfs.history.squash_and_drop import (
    drop_commit,
    drop_set,
    squash_commit,
    squash_set,
)

DATA = branch("data")
DERIVED = branch("derived")
NUMBERS = itertools.count()


class Removal(Protocol):
    """Takes a commit out of history, or the set that it is part of."""

    def __call__(self, files: FileSystem, commit: CommitInfo) -> None: ...


@pytest.fixture(autouse=True)
def data(files: FileSystem) -> None:
    make_repos(files, "data")


def squash(files: FileSystem, commit: CommitInfo) -> None:
    with files.transaction() as tx:
        squash_set(tx, commit.name.id)


def drop(files: FileSystem, commit: CommitInfo) -> None:
    with files.transaction() as tx:
        drop_set(tx, commit.name.id)


def squash_one(files: FileSystem, commit: CommitInfo, *, recursive: bool = False) -> None:
    current = find(files, commit.name)
    with files.transaction() as tx:
        squash_commit(tx, current, recursive=recursive)


def drop_one(files: FileSystem, commit: CommitInfo, *, recursive: bool = False) -> None:
    current = find(files, commit.name)
    with files.transaction() as tx:
        drop_commit(tx, current, recursive=recursive)


SQUASHES = (squash, squash_one)
DROPS = (drop, drop_one)


def commits_of(files: FileSystem, name: str) -> list[CommitInfo]:
    """Return a repo's commits, the oldest first."""
    with files.snapshot() as connection:
        return list(history.list_commits(connection, repo(name), Filter(reverse=True)))


def make_derived(files: FileSystem) -> None:
    """Make a repo that is computed from `data`: each commit there causes an open one here."""
    make_repos(files, "derived")
    make_branch(files, DERIVED, DATA)


# --- what stays, and what goes --------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(choices=st.lists(st.integers(0, 5), max_size=6))
def test_other_commits_stay_as_they_are(files: FileSystem, choices: list[int]) -> None:
    on = branch(f"line{next(NUMBERS)}")
    make_repos(files, on.repo.name)
    line = [make_commit(files, on, {f"/{number}": b"x"}) for number in range(6)]
    before = {info.name: shown(files, info) for info in line}
    for choice in choices:
        if choice < len(line) - 1:
            squash(files, line.pop(choice))
        elif len(line) > 1:
            drop(files, line.pop())
    left = [find(files, info.name) for info in line]
    assert [info.parent for info in left] == [None, *(info.name for info in left[:-1])]
    assert [shown(files, info) for info in left] == [before[info.name] for info in line]
    assert head(files, on).name == line[-1].name
    for name in before.keys() - {info.name for info in line}:
        with pytest.raises(NotFoundError):
            find(files, name)


@pytest.mark.parametrize("squash", SQUASHES)
def test_a_branch_at_a_squashed_commit_goes_back_to_its_parent(
    files: FileSystem, squash: Removal
) -> None:
    old = branch("data", "old")
    first, second = make_commit(files, DATA, {"/a": b"1"}), make_commit(files, DATA, {"/b": b"2"})
    with files.transaction() as tx:
        branches.create(tx, old, new_head=second)
    make_commit(files, DATA, {"/c": b"3"})
    squash(files, second)
    assert head(files, old).name == first.name
    assert shown(files, head(files, DATA)) == {"/a": b"1", "/b": b"2", "/c": b"3"}


@pytest.mark.parametrize("drop", DROPS)
def test_a_branch_at_a_dropped_commit_goes_back_to_its_parent(
    files: FileSystem, drop: Removal
) -> None:
    first, second = make_commit(files, DATA, {"/a": b"1"}), make_commit(files, DATA, {"/b": b"2"})
    drop(files, second)
    assert head(files, DATA).name == first.name
    assert shown(files, head(files, DATA)) == {"/a": b"1"}


@pytest.mark.parametrize("drop", DROPS)
def test_a_branch_whose_only_commit_is_dropped_gets_an_empty_one(
    files: FileSystem, drop: Removal
) -> None:
    drop(files, make_commit(files, DATA, {"/a": b"1"}))
    (commit,) = commits_of(files, "data")
    assert head(files, DATA).name == commit.name
    assert (commit.origin, commit.parent) == (OriginKind.AUTO, None)
    assert commit.finished is not None
    assert shown(files, commit) == {}


def test_a_set_goes_as_a_whole(files: FileSystem) -> None:
    make_derived(files)
    first, second = make_commit(files, DATA), make_commit(files, DATA, {"/b": b"2"})
    for info in commits_of(files, "derived"):
        finish_commit(files, info)
    squash(files, first)
    assert first.name.id not in {info.name.id for info in commits_of(files, "derived")}
    assert [info.name.id for info in commits_of(files, "data")][-1] == second.name.id


def test_a_removal_makes_no_commits_downstream(files: FileSystem) -> None:
    first = make_commit(files, DATA, {"/a": b"1"})
    second = make_commit(files, DATA, {"/b": b"2"})
    make_derived(files)
    finish_commit(files, head(files, DERIVED))
    before = [info.name for info in commits_of(files, "derived")]
    make_commit(files, branch("data", "other"), {"/c": b"3"})
    squash(files, first)
    assert [info.name for info in commits_of(files, "derived")] == before
    assert head(files, DATA).name == second.name


# --- what is refused ------------------------------------------------------------------------------


def refused(files: FileSystem, removal: Removal, commit: CommitInfo) -> str:
    """Return why a removal is refused, and see that it has changed nothing."""
    before = [commits_of(files, name) for name in ("data", commit.name.repo.name)]
    with pytest.raises(FailedPreconditionError) as caught:
        removal(files, commit)
    assert [commits_of(files, name) for name in ("data", commit.name.repo.name)] == before
    return str(caught.value)


@pytest.mark.parametrize("squash", SQUASHES)
def test_a_commit_without_children_is_not_squashed(files: FileSystem, squash: Removal) -> None:
    make_commit(files, DATA, {"/a": b"1"})
    last = make_commit(files, DATA, {"/b": b"2"})
    assert refused(files, squash, last) == (
        "cannot squash a commit that has no children as that would cause data loss, "
        f"use the drop operation instead: {last.name}"
    )


@pytest.mark.parametrize("squash", SQUASHES)
def test_a_commit_with_an_unfinished_child_is_not_squashed(
    files: FileSystem, squash: Removal
) -> None:
    first, child = make_commit(files, DATA), start_commit(files, DATA)
    expected = f"cannot squash until child commit {child.name} is finished"
    assert refused(files, squash, first) == expected
    finish_commit(files, child)
    squash(files, first)
    assert [info.name for info in commits_of(files, "data")] == [child.name]


@pytest.mark.parametrize("drop", DROPS)
def test_a_commit_with_children_is_not_dropped(files: FileSystem, drop: Removal) -> None:
    first = make_commit(files, DATA)
    make_commit(files, DATA, {"/b": b"2"})
    assert refused(files, drop, first) == f"cannot drop a commit that has children: {first.name}"


@pytest.mark.parametrize("removal", [squash, drop])
def test_a_set_that_others_are_made_from_is_not_removed(
    files: FileSystem, removal: Removal
) -> None:
    make_repos(files, "more", "derived")
    make_branch(files, DERIVED, DATA, branch("more"))
    first = make_commit(files, DATA)
    other = make_commit(files, branch("more"))  # its commit downstream is made from `first`, too
    reason = refused(files, removal, first)
    assert f'commit set "{first.name.id}" cannot be dropped' in reason
    assert other.name.id in reason


@pytest.mark.parametrize("verb", ["squash", "drop"])
def test_what_was_made_from_a_commit_goes_with_it_only_when_asked(
    files: FileSystem, verb: str
) -> None:
    removal = {"squash": squash_one, "drop": drop_one}[verb]
    make_derived(files)
    first, second = make_commit(files, DATA), make_commit(files, DATA, {"/b": b"2"})
    for info in commits_of(files, "derived"):
        finish_commit(files, info)
    doomed = first if verb == "squash" else second
    expected = f"cannot {verb} commit ({doomed.name}) with subvenance without recursive"
    assert refused(files, removal, doomed) == expected
    before = {name: commits_of(files, name) for name in ("data", "derived")}
    removal(files, doomed, recursive=True)
    for name, infos in before.items():
        left = [info.name for info in infos if info.name.id != doomed.name.id]
        assert len(left) == len(infos) - 1
        assert [info.name for info in commits_of(files, name)] == left


@pytest.mark.parametrize("removal", [squash, drop])
def test_a_version_of_a_pipeline_is_not_removed(files: FileSystem, removal: Removal) -> None:
    spec = BranchName(repo("data", SPEC), "master")
    with files.transaction() as tx:
        repos.create_repo(tx, spec.repo, update=False)
    versions = [make_commit(files, spec, {"/spec": text}) for text in (b"1", b"2")]
    doomed = versions[0 if removal is squash else 1]
    expected = f"cannot squash commit {doomed.name} because it updated a pipeline"
    assert refused(files, removal, doomed) == expected
