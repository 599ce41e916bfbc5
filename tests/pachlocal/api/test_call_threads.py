"""Threads for calls, however long the calls hold them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import wait

import pytest

from pachlocal.api.call_threads import CallThreads

LONGEST_S = 60.0
AT_ONCE = 512  # that are started because calls are late


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Ends, at the latest after the test, what waits for it."""
    go = threading.Event()
    yield go
    go.set()


def test_what_is_held_keeps_nothing_from_being_done(go: threading.Event) -> None:
    threads = CallThreads(2 * AT_ONCE, "test")
    held = [threads.submit(go.wait, LONGEST_S) for _ in range(AT_ONCE + 100)]
    assert threads.submit(lambda: "done").result(LONGEST_S) == "done"
    assert not any(future.done() for future in held)
    go.set()
    assert all(future.result(LONGEST_S) for future in held)
    threads.shutdown()


def test_no_more_are_started_than_there_may_be(go: threading.Event) -> None:
    threads = CallThreads(3, "test")
    began = [threading.Event() for _ in range(4)]

    def hold(number: int) -> None:
        began[number].set()
        go.wait(LONGEST_S)

    for number in range(3):
        threads.submit(hold, number)
        assert began[number].wait(LONGEST_S)
    assert not threads.is_full
    threads.submit(hold, 3)
    assert began[3].wait(LONGEST_S)
    assert threads.is_full, "the one that is too much can be told so"
    go.set()
    threads.shutdown()
    assert not threads.is_full


def test_a_thread_that_is_not_needed_goes() -> None:
    threads = CallThreads(100, "those that go")
    together = threading.Barrier(10)
    wait([threads.submit(together.wait, LONGEST_S) for _ in range(10)])
    mine = [thread for thread in threading.enumerate() if thread.name == "those that go"]
    assert len(mine) == 10
    for thread in mine:
        thread.join(LONGEST_S)
        threads.submit(lambda: None).result(LONGEST_S)  # one is enough for that
    assert not any(thread.is_alive() for thread in mine[:-1])
    threads.shutdown()


def test_an_error_is_the_result() -> None:
    threads = CallThreads(1, "test")
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result(LONGEST_S)
    threads.shutdown()
    with pytest.raises(RuntimeError):
        threads.submit(lambda: None)


def test_a_system_that_gives_no_thread(
    go: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who asks isn't told, as gRPC's own thread would end; another thread does it."""
    threads = CallThreads(10, "test")
    began = threading.Event()

    def hold() -> None:
        began.set()
        go.wait(LONGEST_S)

    held = threads.submit(hold)
    assert began.wait(LONGEST_S)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        late = threads.submit(lambda: "done")
    assert not late.done()
    go.set()
    held.result(LONGEST_S)
    assert late.result(LONGEST_S) == "done"
    threads.shutdown()
