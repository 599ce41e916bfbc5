"""A stop reaches a command once, whenever it comes: before, while or after its turn is taken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pachlocal.runtime.command_lock import CommandLock
from pachlocal.runtime.contract import StopToken


class Early(StopToken):
    """Is stopped just before the command is registered: after the last look at the token."""

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        self.stop()
        with super().telling(tell):
            yield


class Late(StopToken):
    """Is stopped just after the command is registered."""

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        with super().telling(tell):
            self.stop()
            yield


@pytest.fixture
def lock() -> Iterator[CommandLock]:
    lock = CommandLock()
    yield lock
    lock.close()


def test_a_stop_before_the_turn_leaves_no_turn(lock: CommandLock) -> None:
    stop = StopToken()
    stop.stop()
    with lock.take(stop) as taken:
        assert not taken


@pytest.mark.parametrize("kind", [Early, Late])
def test_a_stop_while_the_turn_is_taken_leaves_no_turn(
    lock: CommandLock, kind: type[StopToken]
) -> None:
    with lock.take(kind()) as taken:
        assert not taken
    with lock.take(StopToken()) as taken:
        assert taken
        assert not lock.was_told()


def test_a_stop_after_that_tells_the_command_once(lock: CommandLock) -> None:
    stop = StopToken()
    with lock.take(stop) as taken:
        assert taken
        assert not lock.was_told()
        stop.stop()
        assert lock.was_told()
        stop.stop()
        assert not lock.was_told()


def test_a_stop_after_the_command_is_not_the_next_ones(lock: CommandLock) -> None:
    stop = StopToken()
    with lock.take(stop):
        pass
    with lock.take(StopToken()) as taken:
        stop.stop()
        assert taken
        assert not lock.was_told()


def test_no_moment_loses_a_stop(lock: CommandLock) -> None:
    for _ in range(200):
        stop, ready = StopToken(), threading.Barrier(2)

        def end(stop: StopToken = stop, ready: threading.Barrier = ready) -> None:
            ready.wait()
            stop.stop()

        thread = threading.Thread(target=end)
        thread.start()
        ready.wait()
        with lock.take(stop) as taken:
            thread.join()
            assert not taken or lock.was_told()


def test_one_stop_reaches_all_and_those_below_them() -> None:
    job, program = StopToken(), StopToken()
    told: list[str] = []
    with (
        job.telling(lambda: told.append("one")),
        job.telling(program.stop),
        program.telling(lambda: told.append("two")),
    ):
        job.stop()
        job.stop()
    assert told == ["one", "two"]
    assert program.is_stopped()


def test_what_is_told_of_a_stop_that_came_before_is_told_once() -> None:
    stop, told = StopToken(), []
    stop.stop()
    with stop.telling(lambda: told.append("one")):
        stop.stop()
    assert told == ["one"]


def test_a_stop_ends_a_wait() -> None:
    stop = StopToken()
    assert not stop.wait(0)
    threading.Thread(target=stop.stop).start()
    assert stop.wait(10)
