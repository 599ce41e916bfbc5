"""Threads for calls: as many as are needed, for as long as they are.

A stream holds a thread for as long as its client neither goes on nor hangs up, so thousands of idle
clients must not take what others need. But each thread that computes has its turn at the
interpreter: started all at once, thousands would keep even gRPC's own from it for seconds. So they
are started a few at a time, and only when those that there are don't do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from pachlocal.thread_affinity import gather

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_AT_ONCE = 16  # threads that are started as soon as a call finds none idle
_STEP = 16  # threads that are started at a time beyond that
_STALLED_S = 0.005  # without a call that began, while some wait: all threads are held
_LATE_S = 0.02  # for a call, whatever the others wait for; up to so many threads
_MOST_FOR_LATE = 512
_SPARE = 64
_IDLE_S = 1.0


class _Task(NamedTuple):
    came: float
    future: Future[Any]
    call: Callable[[], Any]


class CallThreads(ThreadPoolExecutor):
    """An executor for gRPC's calls, which takes nothing but a ThreadPoolExecutor."""

    def __init__(self, most: int, name: str) -> None:
        """Start nothing yet.

        Args:
            most: How many calls may hold a thread.
            name: What the threads are called.
        """
        super().__init__(most)
        self._most = most
        self._name = name
        self._lock = threading.Lock()  # guards what follows
        self._stalled = threading.Condition(self._lock)
        self._tasks: deque[_Task] = deque()
        self._running: set[threading.Thread] = set()
        self._idle: list[threading.Condition] = []  # the last is taken first: the others may go
        self._begun = 0  # tasks
        self._closing = False
        self._grower: threading.Thread | None = None

    def submit(self, task: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """Have something done in a thread; see concurrent.futures.Executor."""
        future: Future[_T] = Future()
        with self._lock:
            if self._closing:
                raise RuntimeError("no more calls are taken")
            self._tasks.append(_Task(time.monotonic(), future, lambda: task(*args, **kwargs)))
            if self._idle:
                self._idle.pop().notify()
            elif len(self._running) >= _AT_ONCE or not self._start_one():
                self._start_growing()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more, and wait for what runs; see concurrent.futures.Executor."""
        with self._lock:
            self._closing = True
            if cancel_futures:
                self._tasks.clear()
            while self._idle:
                self._idle.pop().notify()
            running = list(self._running)
        for thread in running if wait else ():
            thread.join()

    @property
    def is_full(self) -> bool:
        """Whether no more calls should hold a thread; there are some to tell them so."""
        return len(self._running) - len(self._idle) > self._most

    def _start_one(self) -> bool:
        """Start a thread, if there may be more."""
        if len(self._running) >= self._most + _SPARE:
            return False
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._running.add(thread)
        if not self._start(thread):
            self._running.discard(thread)
            return False
        return True

    def _start_growing(self) -> None:
        if self._grower is None:
            self._grower = threading.Thread(target=self._grow, name=self._name, daemon=True)
            if not self._start(self._grower):
                self._grower = None  # the next call tries again, and a thread may be free before

    def _start(self, thread: threading.Thread) -> bool:
        try:
            thread.start()
        except RuntimeError as error:  # the system lets us have no more
            _log.warning("%d threads, and no more: %s", len(self._running), error)
            return False
        return True

    def _work(self) -> None:
        while (task := self._take()) is not None:
            gather()
            if task.future.set_running_or_notify_cancel():
                try:
                    task.future.set_result(task.call())
                except BaseException as error:
                    task.future.set_exception(error)
            del task  # what a call had isn't kept by an idle thread

    def _take(self) -> _Task | None:
        """Return the next task, or None when this thread isn't needed any more."""
        with self._lock:
            while not self._tasks:
                if self._closing or not self._rest():
                    self._running.discard(threading.current_thread())
                    return None
            self._begun += 1
            return self._tasks.popleft()

    def _rest(self) -> bool:
        """Wait for a task; False when none came for long."""
        came = threading.Condition(self._lock)
        self._idle.append(came)
        came.wait(_IDLE_S)
        if came in self._idle:
            self._idle.remove(came)
            return False
        return True

    def _grow(self) -> None:
        """Start threads for as long as tasks wait too long for those that there are."""
        with self._lock:
            while self._tasks:
                begun = self._begun
                self._stalled.wait(_STALLED_S)
                if self._begun == begun or self._is_late():
                    for _ in range(min(_STEP, len(self._tasks))):
                        if not self._start_one():
                            self._stalled.wait(_IDLE_S)
                            break
            self._grower = None

    def _is_late(self) -> bool:
        late = self._tasks and time.monotonic() - self._tasks[0].came > _LATE_S
        return bool(late) and len(self._running) < _MOST_FOR_LATE
