from __future__ import annotations

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

from pachlocal.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import branches, commits, history, repos
from pachlocal.pfs.history.names import BranchName, CommitName
from pachlocal.pfs.history.records import BranchInfo, CommitInfo, OriginKind

A, B, C, D = map(branch, "abcd")


@pytest.fixture(autouse=True)
def letters(files: FileSystem) -> None:
    make_repos(files, *"abcd")


def inspect(files: FileSystem, name: BranchName) -> BranchInfo:
    with files.snapshot() as connection:
        return branches.inspect(connection, name)


def commit_set(files: FileSystem, id_: str) -> list[CommitInfo]:
    with files.snapshot() as connection:
        return history.commit_set(connection, id_)


def finish_all(files: FileSystem, id_: str) -> None:
    """Finish the open commits of a set, as whoever computes them would."""
    with files.transaction() as tx:
        for info in history.commit_set(tx.connection, id_):
            if info.finished is None:
                commits.finish(tx, files.objects, info)


# --- branches -------------------------------------------------------------------------------------


def test_a_new_branch_has_an_empty_finished_commit(files: FileSystem) -> None:
    info = make_branch(files, A)
    commit = head(files, A)
    assert info.head == commit.name
    assert commit.finished is not None
    assert commit.origin is OriginKind.AUTO
    assert commit.root is None


def test_a_branch_computed_from_others_has_an_open_commit(files: FileSystem) -> None:
    make_commit(files, A)
    info = make_branch(files, B, A)
    assert info.direct_provenance == (A,)
    commit = head(files, B)
    assert commit.finished is None
    assert commit.provenance == (head(files, A).name,)


def test_a_missing_provenance_branch_is_made_with_an_empty_finished_commit(
    files: FileSystem,
) -> None:
    make_branch(files, B, A)
    commit = head(files, A)
    assert commit.finished is not None
    assert commit.root is None
    assert head(files, B).provenance == (commit.name,)
    assert commit.name.id == head(files, B).name.id


def test_provenance_is_followed_both_ways(files: FileSystem) -> None:
    make_branch(files, B, A)
    make_branch(files, C, B)
    assert inspect(files, C).provenance == (A, B)
    assert inspect(files, C).direct_provenance == (B,)
    assert set(inspect(files, A).subvenance) == {B, C}


def test_a_cycle_is_refused(files: FileSystem) -> None:
    make_branch(files, B, A)
    make_branch(files, C, B)
    with pytest.raises(FailedPreconditionError, match="cycle"):
        make_branch(files, A, C)
    with pytest.raises(FailedPreconditionError):
        make_branch(files, A, A)
    assert inspect(files, A).provenance == ()


def test_two_branches_of_one_repo_behind_one_branch_are_refused(files: FileSystem) -> None:
    with pytest.raises(FailedPreconditionError) as caught:
        make_branch(files, B, A, branch("a", "dev"))
    assert str(caught.value).startswith("multiple branches from the same repo")
    assert str(caught.value).endswith("cannot participate in a DAG: master, dev")
    with pytest.raises(NotFoundError):
        inspect(files, B)


def test_two_branches_of_one_repo_are_refused_also_when_they_meet_further_down(
    files: FileSystem,
) -> None:
    make_branch(files, B)
    make_branch(files, C, B)
    make_branch(files, D, C, branch("a", "dev"))
    with pytest.raises(FailedPreconditionError, match="cannot participate in a DAG"):
        make_branch(files, B, A)


def test_a_missing_repo_is_named(files: FileSystem) -> None:
    for name, provenance in ((branch("none"), ()), (B, (branch("none"),))):
        with pytest.raises(NotFoundError, match=r"^repo default/none not found$"):
            make_branch(files, name, *provenance)


def test_a_name_that_cannot_be_a_branch_is_refused(files: FileSystem) -> None:
    with pytest.raises(InvalidArgumentError, match="only alphanumeric"):
        make_branch(files, branch("a", "x.y"))


def test_a_missing_branch_is_named(files: FileSystem) -> None:
    with pytest.raises(NotFoundError, match=r'^branch "master" not found in repo default/a$'):
        inspect(files, A)


def test_a_branch_moves_to_a_commit_of_its_repo(files: FileSystem) -> None:
    first, _ = make_commit(files, A, {"/1": b"1"}), make_commit(files, A, {"/2": b"2"})
    foreign = make_commit(files, B)
    with files.transaction() as tx:
        branches.create(tx, A, new_head=first)
    assert head(files, A).name == first.name

    def move() -> None:
        with files.transaction() as tx:
            branches.create(tx, A, new_head=foreign)

    with pytest.raises(FailedPreconditionError, match="must belong to the same repo"):
        move()


def test_branches_are_listed_newest_first(files: FileSystem) -> None:
    for name in ("master", "develop"):
        make_branch(files, branch("a", name))
    with files.snapshot() as connection:
        for reverse, expected in ((False, ["develop", "master"]), (True, ["master", "develop"])):
            found = branches.list_branches(connection, repo("a"), reverse=reverse)
            assert [info.name.name for info in found] == expected


def test_a_deleted_branch_leaves_its_commits(files: FileSystem) -> None:
    commit = make_commit(files, A)
    with files.transaction() as tx:
        branches.delete(tx, A, force=False)
    assert find(files, commit.name).root == commit.root
    with pytest.raises(NotFoundError):
        head(files, A)


def test_a_branch_that_others_need_is_deleted_by_force_only(files: FileSystem) -> None:
    make_branch(files, B, A)

    def delete(*, force: bool) -> None:
        with files.transaction() as tx:
            branches.delete(tx, A, force=force)

    with pytest.raises(FailedPreconditionError, match=r"default/a@master.*default/b@master"):
        delete(force=False)
    delete(force=True)
    assert inspect(files, B).direct_provenance == ()


def test_no_commit_starts_on_a_branch_that_is_computed(files: FileSystem) -> None:
    make_branch(files, B, A)
    with pytest.raises(
        FailedPreconditionError, match=r"^cannot start a commit on an output branch"
    ):
        start_commit(files, B)


# --- propagation ----------------------------------------------------------------------------------


def test_a_commit_opens_one_downstream_in_the_same_set(files: FileSystem) -> None:
    make_branch(files, B, A)
    before = head(files, B)
    commit = start_commit(files, A)
    below = head(files, B)
    assert below.name == CommitName(repo("b"), commit.name.id)
    assert below.finished is None
    assert below.origin is OriginKind.AUTO
    assert below.parent == before.name
    assert below.provenance == (commit.name,)


def test_finishing_a_commit_opens_nothing(files: FileSystem) -> None:
    make_branch(files, B, A)
    commit = start_commit(files, A)
    below = head(files, B)
    finish_commit(files, commit)
    assert head(files, B) == below


def test_a_diamond_gets_one_commit_a_repo(files: FileSystem) -> None:
    make_branch(files, B, A)
    make_branch(files, C, A)
    make_branch(files, D, B, C)
    commit = make_commit(files, A)
    members = commit_set(files, commit.name.id)
    assert [info.name for info in members] == [
        CommitName(repo(letter), commit.name.id) for letter in "abcd"
    ]
    assert members[3].provenance == (members[1].name, members[2].name)


def test_inputs_come_before_outputs_in_a_set_whatever_was_made_first(files: FileSystem) -> None:
    make_branch(files, D, C)
    make_branch(files, C, B)
    make_branch(files, B, A)
    commit = make_commit(files, A)
    order = [info.name.repo.name for info in commit_set(files, commit.name.id)]
    assert order == ["a", "b", "c", "d"]


def test_an_input_outside_the_set_is_used_as_it_is(files: FileSystem) -> None:
    old = make_commit(files, B, {"/old": b"1"})
    make_branch(files, C, A, B)
    commit = make_commit(files, A)
    assert head(files, C).provenance == (old.name, commit.name)
    alias = find(files, CommitName(repo("b"), commit.name.id))
    assert alias.name == old.name
    assert old.name in [info.name for info in commit_set(files, commit.name.id)]


def test_a_repo_that_a_set_does_not_use_has_no_alias(files: FileSystem) -> None:
    make_branch(files, B, A)
    commit = make_commit(files, A)
    with pytest.raises(NotFoundError, match=f"^commit default/d@{commit.name.id} not found$"):
        find(files, CommitName(repo("d"), commit.name.id))


def test_a_data_commit_and_its_one_output_are_two(files: FileSystem) -> None:
    make_branch(files, B, A)
    assert len(commit_set(files, make_commit(files, A).name.id)) == 2


def test_two_changes_in_one_transaction_open_one_commit_downstream(files: FileSystem) -> None:
    make_branch(files, C, A, B)
    before = head(files, C)
    with files.transaction() as tx:
        starts = [history.start(tx, A).name, history.start(tx, B).name]
    below = head(files, C)
    assert below.parent == before.name
    assert set(below.provenance) == set(starts)


def test_a_commit_started_after_its_output_in_one_transaction_is_its_input(
    files: FileSystem,
) -> None:
    make_commit(files, A, {"/old": b"1"})
    with files.transaction() as tx:
        branches.create(tx, B, provenance=[A])
        branches.create(tx, C, provenance=[B])
        commit = history.start(tx, A)
    assert head(files, B).provenance == (commit.name,)
    assert head(files, C).provenance == (head(files, B).name,)
    order = [info.name.repo.name for info in commit_set(files, commit.name.id)]
    assert order == ["a", "b", "c"]


def test_a_branch_may_come_and_go_in_one_transaction(files: FileSystem) -> None:
    with files.transaction() as tx:
        branches.create(tx, B, provenance=[A])
        branches.delete(tx, B, force=False)
    with pytest.raises(NotFoundError):
        inspect(files, B)


def test_moving_a_branch_opens_commits_downstream(files: FileSystem) -> None:
    old = make_commit(files, A, {"/1": b"1"})
    make_commit(files, A, {"/2": b"2"})
    make_branch(files, B, A)
    with files.transaction() as tx:
        branches.create(tx, A, new_head=old)
    assert head(files, B).provenance == (old.name,)
    assert head(files, B).name.id not in {old.name.id, head(files, A).name.id}


def test_a_branch_that_was_cut_off_gets_no_commits(files: FileSystem) -> None:
    make_branch(files, B, A)
    before = head(files, B)
    with files.transaction() as tx:
        branches.clear_provenance(tx, B)
    make_commit(files, A)
    assert head(files, B).name == before.name


def test_what_depends_on_specs_only_gets_no_commits_from_data(files: FileSystem) -> None:
    make_repos(files, "spout")
    with files.transaction() as tx:
        repos.create_repo(tx, repo("spout", "spec"), update=False)
    spec = BranchName(repo("spout", "spec"), "master")
    make_branch(files, branch("spout"), spec)
    before = head(files, branch("spout"))
    make_commit(files, spec)
    assert head(files, branch("spout")).name == before.name


def test_an_output_begins_with_its_last_good_content(files: FileSystem) -> None:
    make_branch(files, B, A)
    with files.modify(head(files, B).name) as change:
        change.add("/result", b"1")
    good = finish_commit(files, head(files, B))
    make_commit(files, A, {"/1": b"1"})
    finish_commit(files, head(files, B), error="failed")
    make_commit(files, A, {"/2": b"2"})
    assert head(files, B).root == good.root
    assert shown(files, head(files, B)) == {"/result": b"1"}


# --- commit sets ----------------------------------------------------------------------------------


def test_an_unknown_set_is_said_to_be_none(files: FileSystem) -> None:
    with pytest.raises(NotFoundError, match=r"^no commits found for commitset nothing$"):
        commit_set(files, "nothing")


def test_sets_are_listed_newest_first_with_what_they_were_made_from(files: FileSystem) -> None:
    make_branch(files, B, A)
    first = head(files, B).name.id
    finish_all(files, first)
    second = make_commit(files, A).name.id
    third = make_commit(files, D).name.id
    with files.snapshot() as connection:
        sets = list(history.list_commit_sets(connection))
        assert list(history.list_commit_sets(connection, "none")) == []
    assert [id_ for id_, _ in sets] == [third, second, first]
    assert [len(members) for _, members in sets] == [1, 2, 2]
