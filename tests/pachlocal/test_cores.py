"""Threads that are kept on one core, and those that are not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from pachlocal.cores import any_core, one_core

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds threads to cores")


def cores_of_a_new_thread(initializer: Callable[[], None] | None = None) -> set[int]:
    with ThreadPoolExecutor(1, initializer=initializer) as pool:
        return pool.submit(os.sched_getaffinity, 0).result()


def test_threads_of_the_block_share_one_core() -> None:
    before = os.sched_getaffinity(0)
    with one_core():
        first = cores_of_a_new_thread()
    with one_core():
        second = cores_of_a_new_thread()
    assert first == second
    assert len(first) == 1
    assert os.sched_getaffinity(0) == cores_of_a_new_thread() == before


def test_a_thread_can_leave_it() -> None:
    with one_core():
        assert cores_of_a_new_thread(any_core) == cores_of_main()


def cores_of_main() -> set[int]:
    return os.sched_getaffinity(os.getpid())
