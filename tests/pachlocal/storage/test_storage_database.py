from __future__ import annotations

import sqlite3
import threading
from importlib import resources
from pathlib import Path

import pytest

from pachlocal.errors import DamagedStoreError
from pachlocal.storage.database import Database
from pachlocal.storage.news import News


class DeliberateError(Exception):
    """Breaks a transaction off."""


def add_project(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute("INSERT INTO projects (name, created) VALUES (?, 0)", (name,))


def projects(database: Database) -> list[str]:
    with database.read() as connection:
        return [name for (name,) in connection.execute("SELECT name FROM projects ORDER BY id")]


def test_what_a_transaction_wrote_is_there_after_reopening(tmp_path: Path) -> None:
    first = Database(tmp_path / "pach.db")
    add_project(first, "iris")
    first.close()
    second = Database(tmp_path / "pach.db")
    try:
        assert projects(second) == ["iris"]
    finally:
        second.close()


def test_a_reader_never_waits_for_the_writer_that_waits_for_it(database: Database) -> None:
    add_project(database, "iris")
    with database.write() as writing:
        writing.execute("DELETE FROM projects")
        with database.read() as first, database.read() as second:  # one of them is new
            for connection in (first, second):
                assert connection.execute("SELECT name FROM projects").fetchone()["name"] == "iris"
    assert projects(database) == []


def test_a_new_store_can_give_its_space_back(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone()[0] == 2  # incremental


def test_a_transaction_that_raises_writes_nothing(database: Database) -> None:
    twice = [("iris",), ("iris",)]
    with pytest.raises(sqlite3.IntegrityError), database.write() as connection:
        connection.executemany("INSERT INTO projects (name, created) VALUES (?, 0)", twice)
    assert projects(database) == []


def test_the_writer_works_again_after_a_transaction_that_raised(database: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError), database.write() as connection:
        connection.execute("INSERT INTO projects (name) VALUES ('iris')")  # created is missing
    add_project(database, "wine")
    assert projects(database) == ["wine"]


def test_a_reader_sees_the_state_of_its_first_statement(database: Database) -> None:
    add_project(database, "iris")
    with database.read() as connection:
        count = "SELECT COUNT(*) FROM projects"
        assert connection.execute(count).fetchone()[0] == 1
        add_project(database, "wine")
        assert connection.execute(count).fetchone()[0] == 1
    assert projects(database) == ["iris", "wine"]


def test_readers_in_readers_are_independent(database: Database) -> None:
    with database.read() as outer:
        assert outer.execute("SELECT COUNT(*) FROM projects").fetchone()[0] == 0
        add_project(database, "iris")
        with database.read() as inner:
            assert inner.execute("SELECT COUNT(*) FROM projects").fetchone()[0] == 1
        assert outer.execute("SELECT COUNT(*) FROM projects").fetchone()[0] == 0


def test_a_reader_that_raised_is_usable_again(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError), database.read() as connection:
        connection.execute("SELECT * FROM nothing")
    add_project(database, "iris")
    assert projects(database) == ["iris"]


def test_references_to_rows_that_are_not_there_are_refused(database: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError), database.write() as connection:
        connection.execute(
            "INSERT INTO repos (project_id, name, type, created) VALUES (99, 'r', 'user', 0)"
        )


def test_writers_take_turns(database: Database) -> None:
    def work(name: str) -> None:
        for number in range(20):
            add_project(database, f"{name}{number}")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(projects(database)) == 80


def test_the_version_grows_with_each_write_and_wakes_who_waits(database: Database) -> None:
    seen = database.news.version
    woken = []
    waiter = threading.Thread(target=lambda: woken.append(database.news.wait(seen)))
    waiter.start()
    add_project(database, "iris")
    waiter.join(timeout=10)
    assert woken == [seen + 1]


def test_a_transaction_that_raised_wakes_nobody(database: Database) -> None:
    seen = database.news.version
    with pytest.raises(DeliberateError), database.write():
        raise DeliberateError
    assert database.news.version == seen


def test_wait_gives_up_after_its_time(database: Database) -> None:
    seen = database.news.version
    assert database.news.wait(seen, timeout_s=0.01) == seen


def test_wait_until_returns_when_it_is_found(database: Database) -> None:
    found: list[bool] = []
    waiter = threading.Thread(
        target=lambda: found.append(
            database.news.wait_until(lambda: "iris" in projects(database), lambda: True)
        )
    )
    waiter.start()
    add_project(database, "wine")
    add_project(database, "iris")
    waiter.join(timeout=10)
    assert found == [True]


def test_wait_until_ends_when_nobody_asks_any_more(database: Database) -> None:
    asked = threading.Event()
    asked.set()
    found: list[bool] = []
    waiter = threading.Thread(
        target=lambda: found.append(database.news.wait_until(lambda: False, asked.is_set))
    )
    waiter.start()
    asked.clear()
    database.news.wake()
    waiter.join(timeout=10)
    assert found == [False]


def test_a_store_keeps_its_id_and_no_two_share_one(tmp_path: Path) -> None:
    ids = []
    for name in ("a", "a", "b"):
        database = Database(tmp_path / name)
        ids.append(database.store_id)
        database.close()
    assert ids[0] == ids[1] != ids[2]


def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "pach.db"
    Database(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 9999")
    raw.close()
    with pytest.raises(DamagedStoreError, match="schema 9999"):
        Database(path)
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA user_version").fetchone() == (9999,)
    raw.close()


def test_an_old_store_gets_the_newest_schema_and_keeps_its_rows(
    database: Database, tmp_path: Path
) -> None:
    raw = sqlite3.connect(tmp_path / "older.db")
    first = resources.files("pachlocal.storage") / "migrations" / "0001_objects.sql"
    raw.executescript(first.read_text() + "UPDATE store SET id = 'kept'; PRAGMA user_version = 1;")
    raw.close()
    older = Database(tmp_path / "older.db")
    try:
        assert older.store_id == "kept"
        assert schema(older) == schema(database)
    finally:
        older.close()


def schema(database: Database) -> list[tuple[str, ...]]:
    with database.read() as connection:
        tables = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
        version = connection.execute("PRAGMA user_version").fetchall()
    return [tuple(row) for row in (*version, *tables)]


def test_an_end_that_comes_while_it_is_asked_for_is_not_slept_through() -> None:
    news = News()
    asked = 0

    def ended() -> bool:
        nonlocal asked
        asked += 1
        if asked == 1:
            news.wake()  # somebody makes an end just after we looked
            return False
        return True

    for seen in news.until(ended):
        assert news.wait(seen, timeout_s=30) != seen
    assert asked == 2
