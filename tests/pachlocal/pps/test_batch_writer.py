"""What is taken one by one is handed on soon, in order, and many at a time."""

from __future__ import annotations

import threading

from pachlocal.pps.tables.batch_writer import BatchWriter

DEADLINE_S = 30


def test_all_is_handed_on_in_order_and_little_by_little() -> None:
    handed: list[list[int]] = []
    batch_writer = BatchWriter(handed.append, "gatherer")
    for number in range(10_000):
        batch_writer.take(number)
    batch_writer.close()
    assert [number for batch in handed for number in batch] == list(range(10_000))
    assert 1 < len(handed) < 100


def test_nobody_has_to_ask_for_it() -> None:
    came = threading.Event()
    batch_writer: BatchWriter[int] = BatchWriter(lambda _: came.set(), "gatherer")
    batch_writer.take(1)
    assert came.wait(DEADLINE_S)
    batch_writer.close()


def test_flush_waits_for_what_was_taken_before() -> None:
    handed: list[int] = []
    batch_writer = BatchWriter(handed.extend, "gatherer")
    for number in range(5):
        batch_writer.take(number)
        batch_writer.flush()
        assert handed == list(range(number + 1))
    batch_writer.close()
    batch_writer.flush()  # returns, though nobody hands on any more
