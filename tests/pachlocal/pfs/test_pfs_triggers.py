from __future__ import annotations

import pytest
from pfs_builders import finish_commit, head, make_branch, make_commit, start_commit

from pachlocal.errors import InvalidArgumentError, NotFoundError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import branches, commits, repos, trigger_firing, triggers
from pachlocal.pfs.history.names import BranchName, RepoName
from pachlocal.pfs.history.schedule import parse_time
from pachlocal.pfs.history.triggers import Trigger

DATA = RepoName("default", "data")
MASTER, STAGING, LATE = (BranchName(DATA, name) for name in ("master", "staging", "late"))
OUT = BranchName(RepoName("default", "out"), "master")


@pytest.fixture(autouse=True)
def _data(files: FileSystem) -> None:
    with files.transaction() as tx:
        repos.create_repo(tx, DATA, update=False)
        repos.create_repo(tx, OUT.repo, update=False)


def attach(files: FileSystem, trigger: Trigger, to: BranchName = MASTER) -> None:
    """Give a branch a trigger, on a branch that is made if need be."""
    with files.transaction() as tx:
        source = BranchName(to.repo, trigger.branch)
        if trigger.branch.isalnum() and branches.find(tx.connection, source) is None:
            branches.create(tx, source)
        trigger_firing.attach(tx, to, trigger)


def follows(files: FileSystem, branch: BranchName = MASTER, source: BranchName = STAGING) -> bool:
    return head(files, branch).key == head(files, source).key


def commit_count(files: FileSystem, number: int) -> list[bool]:
    """Make commits; tell for each whether the branch followed."""
    result = []
    for _ in range(number):
        make_commit(files, STAGING)
        result.append(follows(files))
    return result


def test_a_branch_with_a_trigger_begins_empty(files: FileSystem) -> None:
    make_commit(files, STAGING)
    attach(files, Trigger("staging", commits=1))
    assert head(files, MASTER).root is None
    with files.snapshot() as connection:
        assert branches.inspect(connection, MASTER).trigger == Trigger("staging", commits=1)
        assert branches.inspect(connection, STAGING).trigger is None


def test_every_so_many_commits(files: FileSystem) -> None:
    attach(files, Trigger("staging", commits=3))
    assert commit_count(files, 7) == [False, False, True, False, False, True, False]


def test_the_empty_commit_of_a_branch_does_not_count(files: FileSystem) -> None:
    make_branch(files, STAGING)
    attach(files, Trigger("staging", commits=2))
    assert commit_count(files, 2) == [False, True]


def test_so_much_new_data(files: FileSystem) -> None:
    attach(files, Trigger("staging", size="1kB"))
    assert not head(files, MASTER).size
    make_commit(files, STAGING, {"/a": b"x" * 999})
    assert not follows(files)
    make_commit(files, STAGING, {"/b": b"x"})
    assert follows(files)
    make_commit(files, STAGING, {"/c": b"x" * 999})
    assert not follows(files)
    make_commit(files, STAGING, {"/d": b"x"})
    assert follows(files)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("0", 0),
        ("100", 100),
        ("100B", 100),
        ("1.5k", 1500),
        ("2 MB", 2_000_000),
        ("1KiB", 1000),  # as upstream: all units are decimal
        ("3g", 3 * 10**9),
        ("1TB", 10**12),
        ("1PB", 10**15),
    ],
)
def test_sizes(size: str, expected: int) -> None:
    assert Trigger("a", size=size).size_bytes == expected


def test_any_condition_or_all(files: FileSystem) -> None:
    attach(files, Trigger("staging", size="1k", commits=2))
    attach(files, Trigger("staging", all=True, size="1k", commits=2), LATE)
    make_commit(files, STAGING, {"/a": b"x" * 1000})
    assert (follows(files), follows(files, LATE)) == (True, False)
    make_commit(files, STAGING, {"/b": b"x"})
    assert (follows(files), follows(files, LATE)) == (False, True)


def test_no_condition_never_fires_and_all_of_none_always(files: FileSystem) -> None:
    attach(files, Trigger("staging"))
    attach(files, Trigger("staging", all=True), LATE)
    make_commit(files, STAGING)
    assert (follows(files), follows(files, LATE)) == (False, True)


def test_a_rate_limit(files: FileSystem) -> None:
    attach(files, Trigger("staging", rate_limit_spec="@hourly"))
    begin = parse_time("2124-02-29T12:10:00Z")  # the branch was made long before
    minutes = (0, 30, 50, 51, 110)
    followed = []
    for minute in minutes:
        with files.transaction() as tx:
            tx.now = begin + minute * 60_000_000_000
            key = branches.find(tx.connection, STAGING)
            at = commits.insert(
                tx,
                STAGING,
                parent=branches.head(tx.connection, key) if key else None,
                origin=head(files, MASTER).origin,
            )
            branches.set_head(tx, branches.ensure(tx, STAGING), at)
            commits.finish(tx, files.objects, commits.by_key(tx.connection, at))
        followed.append(follows(files))
    # 13:00 and 14:00 have to be past, not just reached
    assert followed == [True, False, False, True, False]


def test_a_commit_that_is_open_or_failed_fires_nothing(files: FileSystem) -> None:
    attach(files, Trigger("staging", commits=1))
    commit = start_commit(files, STAGING)
    assert not follows(files)
    finish_commit(files, commit, error="spoiled")
    assert not follows(files)


def test_a_chain_goes_as_far_as_it_fires(files: FileSystem) -> None:
    attach(files, Trigger("master", commits=2), LATE)
    attach(files, Trigger("staging", commits=1))
    make_commit(files, STAGING)
    assert (follows(files), follows(files, LATE)) == (True, False)
    make_commit(files, STAGING)
    assert (follows(files), follows(files, LATE)) == (True, True)


def test_what_is_downstream_gets_a_commit_in_a_set_of_its_own(files: FileSystem) -> None:
    attach(files, Trigger("staging", commits=2))
    make_branch(files, OUT, MASTER)
    before = head(files, OUT)
    make_commit(files, STAGING)
    assert head(files, OUT) == before
    made = make_commit(files, STAGING)
    after = head(files, OUT)
    assert after.name.id not in (before.name.id, made.name.id)
    assert after.provenance == (made.name,)


def test_the_clock_moves_the_branch_and_what_is_downstream(files: FileSystem) -> None:
    made = make_commit(files, STAGING)
    attach(files, Trigger("staging", cron_spec="@daily", commits=1))
    make_branch(files, OUT, MASTER)
    make_commit(files, BranchName(DATA, "other"))
    assert not follows(files)
    before = head(files, OUT)
    with files.transaction() as tx:
        key = branches.key_of(tx.connection, MASTER)
        trigger_firing.fire_by_clock(tx, key, 5)
    assert (follows(files), head(files, OUT).provenance) == (True, (made.name,))
    assert head(files, OUT).parent == before.name
    with files.snapshot() as connection:
        assert triggers.by_clock(connection) == [(key, "@daily", 5)]


def test_a_branch_with_provenance_loses_its_trigger_and_gets_none(files: FileSystem) -> None:
    attach(files, Trigger("staging", commits=1))
    make_branch(files, MASTER, OUT)
    with files.snapshot() as connection:
        assert branches.inspect(connection, MASTER).trigger is None
    with pytest.raises(InvalidArgumentError, match="cannot have both provenance and a trigger"):
        attach(files, Trigger("staging", commits=1))


def test_the_branch_that_is_followed_must_be_there(files: FileSystem) -> None:
    with (
        pytest.raises(NotFoundError, match='updating branch trigger: branch "staging" not found'),
        files.transaction() as tx,
    ):
        trigger_firing.attach(tx, MASTER, Trigger("staging", commits=1))


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        (Trigger(""), "triggers must specify a branch to trigger on"),
        (Trigger("a/b"), r"name \(a/b\) invalid"),
        (Trigger("a", size="much"), "invalid trigger size"),
        (Trigger("a", rate_limit_spec="x"), "invalid trigger rate limit spec"),
        (Trigger("a", cron_spec="x"), "invalid trigger cron spec"),
        (Trigger("a", commits=-1), "can't trigger on a negative number of commits"),
        (Trigger("master"), "triggers cannot form a loop"),
        (Trigger("late"), "triggers cannot form a loop"),
    ],
)
def test_what_is_refused(files: FileSystem, trigger: Trigger, message: str) -> None:
    attach(files, Trigger("master", commits=1), LATE)
    with pytest.raises(InvalidArgumentError, match=message):
        attach(files, trigger)
