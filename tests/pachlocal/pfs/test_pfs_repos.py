from __future__ import annotations

import pytest
from pfs_builders import (
    branch,
    finish_commit,
    make_branch,
    make_commit,
    make_repos,
    repo,
    start_commit,
)

from pachlocal.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import commits, repos
from pachlocal.pfs.history.names import RepoName
from pachlocal.pfs.history.records import RepoInfo


def create(files: FileSystem, name: RepoName, description: str = "", *, update: bool) -> None:
    with files.transaction() as tx:
        repos.create_repo(tx, name, description, update=update)


def delete(files: FileSystem, name: RepoName, *, force: bool = False) -> bool:
    with files.transaction() as tx:
        return repos.delete_repo(tx, name, force=force)


def inspect(files: FileSystem, name: str) -> RepoInfo:
    with files.snapshot() as connection:
        return repos.inspect_repo(connection, repo(name))


def names(files: FileSystem, type_: str = "user") -> list[str]:
    with files.snapshot() as connection:
        return [str(info.name) for info in repos.list_repos(connection, type_)]


def test_a_repo_exists_once(files: FileSystem) -> None:
    make_repos(files, "iris")
    with pytest.raises(AlreadyExistsError, match=r"^repo default/iris already exists$"):
        make_repos(files, "iris")


def test_an_update_changes_the_description_or_creates(files: FileSystem) -> None:
    for description in ("flowers", "petals"):
        create(files, repo("iris"), description, update=True)
        assert inspect(files, "iris").description == description


@pytest.mark.parametrize("name", ["", "a b", "a.b", "ä", "__filesets__"])
def test_a_name_that_cannot_be_a_repo_is_refused(files: FileSystem, name: str) -> None:
    with pytest.raises(InvalidArgumentError):
        make_repos(files, name)
    assert names(files) == []


def test_a_repo_needs_its_project_and_a_system_repo_its_user_repo(files: FileSystem) -> None:
    with pytest.raises(NotFoundError, match=r'^project "none" not found$'):
        create(files, RepoName("none", "iris"), update=False)
    with pytest.raises(NotFoundError, match=r"^repo default/iris not found$"):
        create(files, repo("iris", "meta"), update=False)


def test_repos_are_listed_by_name_and_type(files: FileSystem) -> None:
    make_repos(files, "b", "a")
    create(files, repo("a", "meta"), update=False)
    assert names(files) == ["default/a", "default/b"]
    assert names(files, "meta") == ["default/a.meta"]
    assert len(names(files, "")) == 3


def test_a_repo_is_as_large_as_the_last_finished_good_commit_of_master(files: FileSystem) -> None:
    make_repos(files, "iris")
    assert inspect(files, "iris").size == 0
    make_commit(files, branch("iris"), {"/a": b"123"})
    make_commit(files, branch("iris", "dev"), {"/a": b"1234567"})
    assert inspect(files, "iris").size == 3
    assert inspect(files, "iris").branches == ("dev", "master")
    commit = start_commit(files, branch("iris"))
    with files.modify(commit.name) as change:
        change.add("/b", b"45")
    assert inspect(files, "iris").size == 3
    with files.transaction() as tx:
        open_commit = commits.by_key(tx.connection, commit.key)
        commits.finish(tx, files.objects, open_commit, error="failed")
    assert inspect(files, "iris").size == 3
    finish_commit(files, start_commit(files, branch("iris")))
    assert inspect(files, "iris").size == 3


def test_deleting_what_is_not_there_is_no_error(files: FileSystem) -> None:
    assert not delete(files, repo("none"))


def test_deleting_a_user_repo_deletes_its_siblings_and_its_data(files: FileSystem) -> None:
    make_repos(files, "iris")
    for type_ in ("meta", "spec"):
        create(files, repo("iris", type_), update=False)
    make_commit(files, branch("iris"))
    assert delete(files, repo("iris"))
    assert names(files, "") == []
    make_repos(files, "iris")
    assert inspect(files, "iris").branches == ()


def test_a_repo_that_others_are_computed_from_is_deleted_by_force_only(files: FileSystem) -> None:
    make_repos(files, "a", "b")
    make_branch(files, branch("b"), branch("a"))
    with pytest.raises(FailedPreconditionError, match=r"direct provenance of \[default/b@master]"):
        delete(files, repo("a"))
    assert names(files) == ["default/a", "default/b"]
    assert delete(files, repo("a"), force=True)
    make_commit(files, branch("b"))  # it depends on nothing now


def test_a_project_with_repos_is_not_deleted(files: FileSystem) -> None:
    with files.transaction() as tx:
        repos.create_project(tx, "lab", "", update=False)
        repos.create_repo(tx, RepoName("lab", "iris"), update=False)

    def delete_project() -> None:
        with files.transaction() as tx:
            repos.delete_project(tx, "lab")

    with pytest.raises(
        FailedPreconditionError, match=r'cannot delete project "lab": repo lab/iris still exists'
    ):
        delete_project()
    assert delete(files, RepoName("lab", "iris"))
    delete_project()
    with pytest.raises(NotFoundError, match=r'^project "lab" not found$'):
        delete_project()
    assert names(files) == []


def test_a_project_exists_once(files: FileSystem) -> None:
    def create_project(*, update: bool) -> None:
        with files.transaction() as tx:
            repos.create_project(tx, "lab", "mine", update=update)

    with pytest.raises(NotFoundError, match=r'^project "lab" not found$'):
        create_project(update=True)
    create_project(update=False)
    with pytest.raises(AlreadyExistsError, match=r"^project lab already exists$"):
        create_project(update=False)
    create_project(update=True)


def test_deleting_all_leaves_the_default_project(files: FileSystem) -> None:
    make_repos(files, "a", "b")
    make_branch(files, branch("b"), branch("a"))
    with files.transaction() as tx:
        repos.create_project(tx, "lab", "", update=False)
        repos.delete_all(tx)
    with files.snapshot() as connection:
        assert [info.name for info in repos.list_projects(connection)] == ["default"]
    assert names(files, "") == []
