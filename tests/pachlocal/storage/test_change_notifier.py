"""Who watches something is woken when it changes, and by nothing else."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from pachlocal.storage.change_notifier import ChangedRows, ChangeNotifier, Watch
from pachlocal.storage.database import Connection, Database

FIRST, SECOND = ("things", 1), ("things", 2)


class Waiter:
    """Waits on a watch, and counts how often it was woken."""

    def __init__(self, watch: Watch) -> None:
        self.woken = 0
        self._watch = watch
        self.waits = watch.arm(self._resume)

    def _resume(self) -> None:
        self.woken += 1

    def again(self) -> bool:
        """Waits once more; False when there is news already."""
        self.waits = self._watch.arm(self._resume)
        return self.waits


def test_who_watches_is_woken_once_by_what_it_watches() -> None:
    notifier = ChangeNotifier()
    with notifier.watch([FIRST]) as watch:
        waiter = Waiter(watch)
        notifier.publish([SECOND])
        assert waiter.woken == 0
        notifier.publish([FIRST, SECOND])
        notifier.publish([FIRST])
        assert waiter.woken == 1
        assert not waiter.again(), "what changed since is looked at before waiting"
        assert waiter.again()
        watch.wake()
        assert waiter.woken == 2
    waiter.again()
    notifier.publish([FIRST])
    assert waiter.woken == 2, "it watches no more"


def test_a_watch_on_several_topics_is_woken_once_for_all() -> None:
    notifier = ChangeNotifier()
    with notifier.watch([FIRST, SECOND]) as watch:
        waiter = Waiter(watch)
        notifier.publish([FIRST, SECOND])
        assert waiter.woken == 1
        assert waiter.again()


def test_no_change_is_missed_by_who_looks_again_and_again() -> None:
    notifier = ChangeNotifier()
    total, seen, value = 2000, threading.Event(), 0

    def change() -> None:
        nonlocal value
        for _ in range(total):
            value += 1
            notifier.publish([FIRST])

    with notifier.watch([FIRST]) as watch:

        def look() -> None:
            while True:
                if value == total:
                    seen.set()
                    return
                if watch.arm(look):
                    return

        look()
        thread = threading.Thread(target=change)
        thread.start()
        assert seen.wait(30)
        thread.join()


@pytest.fixture
def parents(database: Database) -> Database:
    """Returns a database that tells of the rows of `projects`, and of `repos`, by two columns."""
    database.publish_changes("projects")
    database.publish_changes("repos", "id", "project_id")
    with database.write() as connection:
        connection.execute("INSERT INTO projects (id, name, created) VALUES (7, 'p', 0)")
        for key in (1, 2):
            _insert_repo(connection, key)
    return database


def _insert_repo(connection: Connection, key: int) -> None:
    connection.execute(
        "INSERT INTO repos (id, project_id, name, type, created) VALUES (?, 7, ?, 'user', 0)",
        (key, f"r{key}"),
    )


@pytest.mark.parametrize(
    ("statement", "first", "all_"),
    [
        ("UPDATE repos SET description = 'x' WHERE id = 1", 1, 1),
        ("UPDATE repos SET description = 'x' WHERE id = 2", 0, 1),
        ("DELETE FROM repos WHERE id = 1", 1, 1),
        ("INSERT INTO repos (project_id, name, type, created) VALUES (7, 'r', 'user', 0)", 0, 1),
        ("UPDATE projects SET description = 'x'", 0, 0),
    ],
)
def test_changed_rows_are_told_by_their_columns(
    parents: Database, statement: str, first: int, all_: int
) -> None:
    with (
        parents.notifier.watch([("repos.id", 1)]) as one,
        parents.notifier.watch([("repos.project_id", 7)]) as of_project,
        parents.notifier.watch([("repos", 0)]) as any_,
    ):
        waiters = [Waiter(one), Waiter(of_project), Waiter(any_)]
        with parents.write() as connection:
            connection.execute(statement)
            assert [waiter.woken for waiter in waiters] == [0, 0, 0], "it isn't committed"
        assert [waiter.woken for waiter in waiters] == [first, all_, all_]


def test_what_goes_with_its_parent_is_told(database: Database) -> None:
    """A row that a foreign key deletes, or changes, is a changed row."""
    database.publish_changes("commits", "id", "repo_id")
    with database.write() as connection:
        connection.execute("INSERT INTO projects (id, name, created) VALUES (7, 'p', 0)")
        _insert_repo(connection, 1)
        connection.execute(
            "INSERT INTO commits (id, commit_set, repo_id, branch, origin, started)"
            " VALUES (5, 'c', 1, 'master', 1, 0)"
        )
    with database.notifier.watch([("commits.id", 5)]) as watch:
        waiter = Waiter(watch)
        with database.write() as connection:
            connection.execute("DELETE FROM repos")
        assert waiter.woken == 1


class DeliberateError(Exception):
    """Breaks a transaction off."""


def test_what_is_undone_is_not_told(parents: Database) -> None:
    with parents.notifier.watch([("repos", 0), ("projects", 0)]) as watch:
        waiter = Waiter(watch)
        with suppress(DeliberateError), parents.write() as connection:
            connection.execute("DELETE FROM repos")
            raise DeliberateError
        with parents.preview() as connection:
            connection.execute("DELETE FROM repos")
        with parents.write() as connection:
            connection.execute("SELECT 1")
        assert waiter.woken == 0


def test_who_looks_at_changed_rows_looks_at_all_first_and_at_each_once() -> None:
    notifier = ChangeNotifier()
    told: list[None] = []
    changed = ChangedRows("things.id", lambda: told.append(None))
    notifier.add(changed, [("things", 0)])
    notifier.publish([("things", 0), ("things.id", 1)])
    assert changed.take() is None, "what was before is unknown"
    notifier.publish([("things", 0), ("things.id", 2), ("others.id", 3)])
    notifier.publish([("things", 0), ("things.id", 4)])
    assert len(told) == 3
    assert (changed.take(), changed.take()) == ({2, 4}, set())
    changed.add_all()
    notifier.publish([("things", 0), ("things.id", 5)])
    assert (changed.take(), changed.take()) == (None, set())
