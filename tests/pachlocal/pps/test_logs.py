"""What is kept of logs, and what is read of them: against a list of all that was written."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pachlocal.pps.tables import log_reading
from pachlocal.pps.tables.log_reading import LogFilter, LogPosition
from pachlocal.pps.tables.log_sizes import Retention
from pachlocal.pps.tables.logs import LogLine, LogWriter
from pachlocal.storage.database import Database

DEADLINE_S = 30
LIMIT = 64 * 1024
A_ROW = 200  # bytes that count for a row besides its message

FILTERS = [
    LogFilter(),
    LogFilter(master=True),
    *(
        LogFilter(pipeline=1, master=master, user=user)
        for master, user in [
            (None, None),
            (False, None),
            (False, True),
            (False, False),
            (True, None),
        ]
    ),
    LogFilter(pipeline=1, datum=b"d" * 32, master=False),
    *(
        LogFilter(pipeline=1, job=job, datum=datum, master=False, user=user)
        for job in (1, 2)
        for datum in (None, b"d" * 32)
        for user in (None, True)
    ),
    LogFilter(pipeline=1, job=1, master=True),
    LogFilter(pipeline=2),
    LogFilter(pipeline=1, master=False, about=lambda job, datum: (job, datum[:1]) == (2, b"e")),
]


@dataclass
class Store:
    """A store with two pipelines, of which the first has two jobs."""

    database: Database
    writer: LogWriter
    written: list[LogLine] = field(default_factory=list)

    def write(self, line: LogLine) -> None:
        line = line._replace(time=1_000_000 + len(self.written))
        self.writer.write_output(line) if line.user else self.writer.write(line)
        texts = line.message.split("\n")
        self.written += [line._replace(message=text, retention=None) for text in texts]

    def read(self, wanted: LogFilter, last: int = 0) -> list[LogLine]:
        self.writer.flush()
        found: list[LogLine] = []
        with self.database.read() as connection:
            place = log_reading.tail(connection, wanted, last) if last else LogPosition()
            while True:
                lines, place = log_reading.read(connection, wanted, place)
                if not lines:
                    return found
                for line in lines:
                    found += (line._replace(message=it) for it in line.message.split("\n"))


@contextmanager
def store(limit: int = 2**30) -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "pach.db")
        connection = database._writer
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.executescript(
            "INSERT INTO pipelines (id, project, name, version, state)"
            " VALUES (1, 'default', 'a', 1, 3), (2, 'default', 'b', 1, 3);"
            "INSERT INTO jobs (id, pipeline_id, version, commit_set, output_id, state, created)"
            " VALUES (1, 1, 1, 'x', 1, 3, 0), (2, 1, 1, 'y', 2, 3, 0);"
        )
        made = Store(database, LogWriter(database, limit))
        yield made
        made.writer.close()
        database.close()


def is_wanted(line: LogLine, wanted: LogFilter) -> bool:
    return (
        wanted.pipeline in (None, line.pipeline)
        and wanted.job in (None, line.job)
        and wanted.datum in (None, line.datum)
        and wanted.master in (None, line.master)
        and wanted.user in (None, line.user)
        and line.time >= wanted.since
        and (
            wanted.about is None
            or (
                line.job is not None
                and line.datum is not None
                and wanted.about(line.job, line.datum)
            )
        )
    )


@st.composite
def some_lines(draw: st.DrawFn) -> LogLine:
    text = draw(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"))))
    job = draw(st.sampled_from([None, 1, 1, 2]))
    datum = draw(st.sampled_from([b"d" * 32, b"e" * 32])) if job else None
    kind = draw(st.sampled_from(["user", "worker", "master"]))
    return LogLine(
        pipeline=1 if job else draw(st.sampled_from([1, 2])),
        message="\n".join(text),
        job=job,
        datum=None if kind == "master" else datum,
        worker="" if kind == "master" else "w",
        master=kind == "master",
        user=kind == "user",
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(some_lines(), max_size=40), st.data())
def test_each_way_of_asking_finds_its_lines_and_the_last_of_them(
    lines: list[LogLine], data: st.DataObject
) -> None:
    with store() as made:
        for line in lines:
            made.write(line)
            if data.draw(st.integers(0, 5)) == 0:
                made.writer.flush()
        for wanted in FILTERS:
            expected = [line for line in made.written if is_wanted(line, wanted)]
            assert made.read(wanted) == expected
            for last in {1, data.draw(st.integers(1, 50))}:
                assert made.read(wanted, last) == expected[-last:]
        since = 1_000_000 + data.draw(st.integers(0, len(made.written) + 1))
        for wanted in (LogFilter(since=since), LogFilter(pipeline=1, since=since)):
            expected = [line for line in made.written if is_wanted(line, wanted)]
            assert made.read(wanted) == expected
            assert made.read(wanted, 3) == expected[-3:]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.booleans(), st.booleans()), max_size=60),
    st.booleans(),
)
def test_a_log_keeps_its_limit_and_says_what_was_cut(
    sizes: list[tuple[int, bool, bool]], ring: bool
) -> None:
    """Whatever is written: what is kept is the beginning and the end, in order, with one gap."""
    retention = Retention(LIMIT, ring=ring)
    with store() as made:
        for number, (size, user, pause) in enumerate(sizes):
            counts = user or ring
            line = LogLine(1, f"{number} " + "x" * size, 1, b"d" * 32, "w", user=user)
            made.write(line._replace(retention=retention if counts else None))
            if pause:
                made.writer.flush()
        found = made.read(LogFilter(pipeline=1, job=1))
        gaps = [line for line in found if line.message.startswith("pachlocal: ")]
        kept = [line for line in found if line not in gaps]
        assert kept == [line for line in made.written if line in kept]
        counted = [line for line in kept if line.user or ring]
        assert sum(len(line.message) + A_ROW for line in counted) <= LIMIT
        assert [line for line in made.written if not (line.user or ring)] == [
            line for line in kept if not (line.user or ring)
        ]
        lost = [line for line in made.written if line not in kept]
        assert bool(lost) == bool(gaps)
        if lost:
            total = sum(len(line.message) for line in lost)
            said = f"{len(lost):,} lines ({total:,} bytes) of this log were cut here"
            assert said in gaps[0].message
            here = found.index(gaps[0])
            assert [line for line in found[:here] if line.time > lost[-1].time] == []
            assert [line for line in found[here + 1 :] if line.time < lost[-1].time] == []
            begun = [line for line in counted if line.time < lost[0].time]
            if ring:
                assert begun == []
            assert sum(len(line.message) + A_ROW for line in begun) <= LIMIT // 4


def test_of_a_job_the_beginning_and_the_end_are_kept_and_of_a_spout_the_end() -> None:
    for ring in (False, True):
        with store() as made:
            for number in range(1000):
                line = LogLine(1, f"{number} {'x' * 1000}", 1, None, "w", user=True)
                made.write(line._replace(retention=Retention(LIMIT, ring=ring)))
            numbers = [line.message.split()[0] for line in made.read(LogFilter(job=1))]
            gap = numbers.index("pachlocal:")
            assert gap == (0 if ring else 13)  # a quarter of 64 KiB
            assert numbers[:gap] == [str(number) for number in range(gap)]
            assert numbers[-1] == "999"
            assert len(numbers) - 1 == 54
            last = [line.message.split()[0] for line in made.read(LogFilter(job=1), 42)]
            assert last[0] == ("958" if ring else "pachlocal:") or last == numbers[-42:]


def test_a_program_waits_while_its_output_waits() -> None:
    with store() as made:
        line = LogLine(1, "x" * 2**16, user=True)
        count = 0
        full, stored = threading.Event(), threading.Event()

        def flood() -> None:
            nonlocal count
            for count in range(1, 1001):
                if count == 128:
                    full.set()
                made.writer.write_output(line)
            stored.set()

        thread = threading.Thread(target=flood)
        with made.database.write():
            thread.start()
            assert full.wait(DEADLINE_S)
            assert not stored.wait(0.3)
            assert count <= 130  # 8 MiB of 62
            made.writer.write(LogLine(1, "what we say ourselves never waits"))
        assert stored.wait(DEADLINE_S)
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("wanted", FILTERS[:-1], ids=str)
def test_the_last_lines_are_found_without_looking_at_the_others(wanted: LogFilter) -> None:
    """By the steps that SQLite takes: each row that it looks at is some."""
    with store() as made:
        connection = made.database._writer
        connection.executescript(_MANY)
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 100
            return 0

        with made.database.read() as reader:
            reader.set_progress_handler(count, 100)
            place = log_reading.tail(reader, wanted, 5)
            found, _ = log_reading.read(reader, wanted, place)
            reader.set_progress_handler(None, 100)
        assert len(found) == (5 if wanted.pipeline != 2 else 0)
        assert steps < 3000  # of 300,000 rows each takes ten


# 300,000 lines of two jobs; the other kinds of lines and the other datum only at the beginning.
_MANY = """
WITH RECURSIVE counter (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM counter WHERE n < 300000)
INSERT INTO logs (id, pipeline_id, job_id, datum, worker, master, user, time, message)
SELECT n, 1, IIF(n < 20 OR n % 2, 1, 2),
    IIF(n < 6, NULL, CAST(IIF(n < 40, 'dddddddddddddddddddddddddddddddd', 'f' || n) AS BLOB)),
    'w', n < 6, n > 10, n, 'line ' || n FROM counter;
INSERT INTO log_sizes (pipeline_id, job_id, first_id, last_id, size_bytes, kept_id)
VALUES (1, 1, 1, 300000, 0, 0), (1, 2, 20, 300000, 0, 0);
"""
