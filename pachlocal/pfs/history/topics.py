"""What of the version history changes, for those who wait: see `ChangeNotifier.watch`."""

from __future__ import annotations

from pachlocal.pfs.history import repos
from pachlocal.pfs.history.names import RepoName
from pachlocal.storage.change_notifier import Topic
from pachlocal.storage.database import Connection, Database


def publish(database: Database) -> None:
    """Have the store tell of these topics."""
    database.publish_changes("projects")
    database.publish_changes("repos", "id")
    database.publish_changes("branches", "repo_id")
    database.publish_changes("commits", "id", "repo_id")
    database.publish_changes("branch_triggers")


def commit(key: int) -> Topic:
    """A commit, by its row."""
    return "commits.id", key


def of_projects() -> list[Topic]:
    """What tells of all projects."""
    return [("projects", 0)]


def of_repos() -> list[Topic]:
    """What tells of all repos and their branches."""
    return [("repos", 0), ("branches", 0)]


def of_all_commits() -> list[Topic]:
    """What tells of the commits of all repos."""
    return [("commits", 0)]


def of_triggers() -> list[Topic]:
    """What tells of all triggers of branches."""
    return [("branch_triggers", 0)]


def of_commits(connection: Connection, repo: RepoName) -> list[Topic]:
    """What tells of a repo's commits, as long as this answer stays the same."""
    if not repos.exists(connection, repo):
        return [("repos", 0)]
    key = repos.key(connection, repo)
    return [("repos.id", key), ("commits.repo_id", key)]
