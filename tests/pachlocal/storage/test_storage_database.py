from __future__ import annotations

import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from importlib import resources
from pathlib import Path

import pytest

from pachlocal.errors import DamagedStoreError
from pachlocal.storage.change_notifier import ChangeNotifier
from pachlocal.storage.database import Database

TIMEOUT_S = 20


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
    def look() -> list[str]:
        with database.read() as first, database.read() as second:  # one of them is new
            found = [it.execute("SELECT name FROM projects").fetchone() for it in (first, second)]
            return [row["name"] for row in found]

    add_project(database, "iris")
    with ThreadPoolExecutor(1) as reader, database.write() as writing:
        writing.execute("DELETE FROM projects")
        assert reader.submit(look).result(TIMEOUT_S) == ["iris", "iris"]
    assert projects(database) == []


def test_whoever_writes_reads_what_it_has_written(database: Database) -> None:
    with database.write():
        add = "INSERT INTO projects (name, created) VALUES ('iris', 0)"
        assert database.writing is not None
        database.writing.execute(add)
        assert projects(database) == ["iris"]
        assert database.query("SELECT name FROM projects", ())[0]["name"] == "iris"
    assert database.writing is None


def test_a_new_store_can_give_its_space_back(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone()[0] == 2  # incremental


def test_a_new_store_can_give_its_space_back_after_its_first_transaction_was_undone(
    tmp_path: Path,
) -> None:
    interrupted = tmp_path / "interrupted.db"
    with closing(sqlite3.connect(interrupted, isolation_level=None)) as raw:
        raw.executescript("PRAGMA cache_size = 1; BEGIN; CREATE TABLE t (data)")
        raw.execute("INSERT INTO t VALUES (zeroblob(1000000))")  # more than the cache holds
        for name in ("interrupted.db", "interrupted.db-journal"):
            data = (tmp_path / name).read_bytes()
            (tmp_path / name.replace("interrupted", "pach")).write_bytes(data)
    assert (tmp_path / "pach.db").stat().st_size
    database = Database(tmp_path / "pach.db")
    try:
        with database.read() as connection:
            assert connection.execute("PRAGMA auto_vacuum").fetchone()[0] == 2  # incremental
    finally:
        database.close()


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
    seen = database.notifier.version
    woken = []
    waiter = threading.Thread(target=lambda: woken.append(database.notifier.wait(seen)))
    waiter.start()
    add_project(database, "iris")
    waiter.join(timeout=10)
    assert woken == [seen + 1]


def test_a_transaction_that_raised_wakes_nobody(database: Database) -> None:
    seen = database.notifier.version
    with pytest.raises(DeliberateError), database.write():
        raise DeliberateError
    assert database.notifier.version == seen


def test_wait_gives_up_after_its_time(database: Database) -> None:
    seen = database.notifier.version
    assert database.notifier.wait(seen, timeout_s=0.01) == seen


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
    notifier = ChangeNotifier()
    asked = 0

    def ended() -> bool:
        nonlocal asked
        asked += 1
        if asked == 1:
            notifier.wake()  # somebody makes an end just after we looked
            return False
        return True

    for seen in notifier.until(ended):
        assert notifier.wait(seen, timeout_s=30) != seen
    assert asked == 2


@pytest.mark.skipif(sys.platform != "linux", reason="what is open is read from /proc")
def test_readers_are_kept_but_not_as_many_as_there_once_were(database: Database) -> None:
    with ExitStack() as all_at_once:
        for _ in range(200):  # in one another: nobody waits for long for those who wait for him
            connection = all_at_once.enter_context(database.read())
            assert connection.execute("SELECT COUNT(*) FROM projects").fetchone()[0] == 0
    assert open_logs(database) <= 40
    for _ in range(200):
        with database.read(), database.read():
            pass
    assert open_logs(database) <= 40


def open_logs(database: Database) -> int:
    """Returns how many connections there are: each has the log open."""
    log = f"{database._path}-wal"
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed since it was listed
            found += str(link.readlink()) == log
    return found
