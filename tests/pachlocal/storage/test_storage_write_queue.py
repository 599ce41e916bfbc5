"""Who writes when, and what is committed together."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from pachlocal.storage import write_queue
from pachlocal.storage.change_notifier import ChangeNotifier
from pachlocal.storage.database import Connection, Database
from pachlocal.storage.turns import FairLock, Turns
from pachlocal.storage.write_queue import WriteQueue

TIMEOUT_S = 20


class DeliberateError(Exception):
    """Breaks a write off."""


class Table:
    """A table of names, and threads that write to it."""

    def __init__(self, path: Path) -> None:
        self.notifier, self.progress = ChangeNotifier(), ChangeNotifier()
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.executescript(
            "PRAGMA journal_mode = WAL; "
            "CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
            "CREATE TABLE others (name INTEGER REFERENCES names (id))"
        )
        self.queue = WriteQueue(self.connection, self.notifier, self.progress)
        self.threads = ThreadPoolExecutor(32)
        self.begun, self.go_on = threading.Event(), threading.Event()

    def hold(self) -> Future[None]:
        """Write, and don't end before `go_on`."""

        def wait(_: Connection) -> None:
            self.begun.set()
            assert self.go_on.wait(TIMEOUT_S)

        first = self.write("first", wait)
        assert self.begun.wait(TIMEOUT_S)
        return first

    def write(
        self,
        name: str,
        more: Callable[[Connection], object] = lambda _: None,
        *,
        progress: bool = False,
    ) -> Future[None]:
        """Write a name by a thread of its own, which waits for its turn when this returns."""

        def work() -> None:
            with self.queue.write(progress=progress) as connection:
                connection.execute("INSERT INTO names (name) VALUES (?)", (name,))
                more(connection)

        is_to_wait = self.begun.is_set()
        before = self.queue.waiting
        future = self.threads.submit(work)
        while is_to_wait and self.queue.waiting == before:
            assert not future.done()
        return future

    def names(self) -> list[str]:
        return [name for (name,) in self.connection.execute("SELECT name FROM names ORDER BY id")]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "names.db")


def fail(_: Connection) -> None:
    raise DeliberateError


def test_writers_come_in_the_order_in_which_they_asked(table: Table) -> None:
    writers = [table.hold(), *(table.write(str(number)) for number in range(20))]
    table.go_on.set()
    for writer in writers:
        writer.result(TIMEOUT_S)
    assert table.names() == ["first", *map(str, range(20))]


def test_those_who_wait_are_committed_together(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queue, "_LONGEST_S", TIMEOUT_S)  # however slow this machine is
    seen = table.notifier.version
    writers = [table.hold(), *(table.write(str(number)) for number in range(20))]
    table.go_on.set()
    for writer in writers:
        writer.result(TIMEOUT_S)
    assert table.notifier.version == seen + 1


def test_an_error_undoes_only_what_its_writer_wrote(table: Table) -> None:
    first, wrong, last = table.hold(), table.write("wrong", fail), table.write("last")
    table.go_on.set()
    with pytest.raises(DeliberateError):
        wrong.result(TIMEOUT_S)
    for writer in (first, last):
        writer.result(TIMEOUT_S)
    assert table.names() == ["first", "last"]


def test_the_last_one_s_error_leaves_what_the_others_wrote(table: Table) -> None:
    first, wrong = table.hold(), table.write("wrong", fail)
    table.go_on.set()
    with pytest.raises(DeliberateError):
        wrong.result(TIMEOUT_S)
    first.result(TIMEOUT_S)
    assert table.names() == ["first"]


def test_the_first_one_s_error_leaves_what_the_others_write(table: Table) -> None:
    def wait_and_fail(connection: Connection) -> None:
        table.begun.set()
        assert table.go_on.wait(TIMEOUT_S)
        fail(connection)

    wrong = table.write("wrong", wait_and_fail)
    assert table.begun.wait(TIMEOUT_S)
    later = table.write("later")
    table.go_on.set()
    with pytest.raises(DeliberateError):
        wrong.result(TIMEOUT_S)
    later.result(TIMEOUT_S)
    assert table.names() == ["later"]


def test_nobody_is_answered_before_the_commit_for_all(table: Table, tmp_path: Path) -> None:
    writing, written = threading.Event(), threading.Event()

    def wait(_: Connection) -> None:
        writing.set()
        assert written.wait(TIMEOUT_S)

    first, last = table.hold(), table.write("last", wait)
    table.go_on.set()
    assert writing.wait(TIMEOUT_S)
    assert not first.done()
    other = sqlite3.connect(tmp_path / "names.db")
    assert other.execute("SELECT id FROM names").fetchall() == []
    written.set()
    for writer in (first, last):
        writer.result(TIMEOUT_S)
    assert len(other.execute("SELECT id FROM names").fetchall()) == 2


def test_when_the_commit_fails_nobody_has_written(table: Table) -> None:
    def wrong(connection: Connection) -> None:  # what only the commit finds out
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.execute("INSERT INTO others VALUES (99)")

    table.connection.execute("PRAGMA foreign_keys = ON")
    writers = [table.hold(), table.write("last", wrong)]
    table.go_on.set()
    for writer in writers:
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            writer.result(TIMEOUT_S)
    table.begun.clear()
    table.write("again").result(TIMEOUT_S)
    assert table.names() == ["again"]


def test_when_sqlite_undoes_the_transaction_all_are_told(table: Table) -> None:
    def roll_back(connection: Connection) -> None:  # as SQLite does on a full disk
        connection.execute("ROLLBACK")
        raise DeliberateError

    first, wrong = table.hold(), table.write("wrong", roll_back)
    table.go_on.set()
    with pytest.raises(DeliberateError):
        wrong.result(TIMEOUT_S)
    with pytest.raises(sqlite3.OperationalError, match="rolled back"):
        first.result(TIMEOUT_S)
    assert table.names() == []


def test_what_is_to_be_durable_is_not_committed_as_progress_is(table: Table) -> None:
    level: list[int] = []

    def look(connection: Connection) -> None:
        level.extend(connection.execute("PRAGMA synchronous").fetchone())

    def wait(connection: Connection) -> None:
        table.begun.set()
        assert table.go_on.wait(TIMEOUT_S)
        look(connection)

    progress = table.write("progress", wait, progress=True)
    assert table.begun.wait(TIMEOUT_S)
    durable = table.write("durable", look)
    table.go_on.set()
    for writer in (progress, durable):
        writer.result(TIMEOUT_S)
    assert level == [1, 2]  # NORMAL, FULL


def test_progress_may_be_committed_with_what_is_durable(table: Table) -> None:
    seen = table.progress.version
    writers = [table.hold(), table.write("progress", progress=True)]
    table.go_on.set()
    for writer in writers:
        writer.result(TIMEOUT_S)
    assert table.progress.version == seen + 1


def test_who_wants_to_be_alone_finds_no_transaction(table: Table) -> None:
    def look() -> bool:
        with table.queue.alone():
            return table.connection.in_transaction

    first = table.hold()
    alone = table.threads.submit(look)
    while not table.queue.waiting:
        assert not alone.done()
    table.go_on.set()
    assert not alone.result(TIMEOUT_S)
    first.result(TIMEOUT_S)


def test_a_query_sees_what_others_have_written_in_the_same_transaction(
    database: Database,
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    found: list[str] = []

    def write_first() -> None:
        with database.write() as connection:
            connection.execute("INSERT INTO projects (name, created) VALUES ('iris', 0)")
            begun.set()
            assert go_on.wait(TIMEOUT_S)

    def look() -> None:
        with database.write():
            found.extend(row["name"] for row in database.query("SELECT name FROM projects", ()))

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(write_first)
        assert begun.wait(TIMEOUT_S)
        last = threads.submit(look)
        while not database.waiting_writers:
            assert not last.done()
        go_on.set()
        for writer in (first, last):
            writer.result(TIMEOUT_S)
    assert found == ["iris"]


def test_a_fair_lock_shows_who_is_next() -> None:
    lock: FairLock[str] = FairLock()
    lock.acquire("first")
    assert lock.next is None
    with ThreadPoolExecutor(1) as threads:
        second = threads.submit(lock.acquire, "second")
        while lock.next is None:
            assert not second.done()
        assert lock.next == "second"
        lock.release()
        second.result(TIMEOUT_S)
    assert lock.next is None


def test_turns_at_other_things_go_on_meanwhile() -> None:
    turns: Turns[str] = Turns()
    passed: list[str] = []

    def let_pass(key: str) -> None:
        turns.let_pass(key)
        passed.append(key)

    with ThreadPoolExecutor(2) as threads, turns.taken("iris"):
        waiting = threads.submit(let_pass, "iris")
        threads.submit(let_pass, "wine").result(TIMEOUT_S)
        assert passed == ["wine"]
        assert not waiting.done()
    waiting.result(TIMEOUT_S)
    assert passed == ["wine", "iris"]
