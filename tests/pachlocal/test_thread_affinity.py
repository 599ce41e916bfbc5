"""Threads that are kept on one core and wait for it, and those that are not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from pachlocal.thread_affinity import (
    batch_scheduling,
    gather,
    gathered,
    on_one_core,
    ordinary_scheduling,
    spread,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds threads to cores")


class Place(NamedTuple):
    cores: frozenset[int]
    policy: int


def of_thread(thread: int = 0) -> Place:
    return Place(frozenset(os.sched_getaffinity(thread)), os.sched_getscheduler(thread))


def of_a_new_thread(initializer: Callable[[], None] | None = None) -> Place:
    with ThreadPoolExecutor(1, initializer=initializer) as pool:
        return pool.submit(of_thread).result()


def test_threads_of_the_block_share_one_core_and_wait_for_it() -> None:
    before = of_thread()
    with on_one_core():
        first = of_a_new_thread()
    with on_one_core():
        second = of_a_new_thread()
    assert first == second
    assert len(first.cores) == 1
    assert first.policy == os.SCHED_BATCH
    assert of_thread() == of_a_new_thread() == before


def test_a_thread_can_leave_it() -> None:
    with on_one_core():
        assert of_a_new_thread(ordinary_scheduling) == of_thread(os.getpid())


def test_a_gathered_thread_shares_it_until_it_is_spread() -> None:
    def gathered_and_spread() -> tuple[Place, Place]:
        gather()
        place = of_thread()
        spread()
        return place, of_thread()

    with gathered():
        shared = of_a_new_thread()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(gathered_and_spread).result() == (shared, of_thread(os.getpid()))


def test_what_was_not_gathered_is_not_spread() -> None:
    def bound_and_spread() -> Place:
        spread()
        return of_thread()

    with on_one_core(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(bound_and_spread).result() == pool.submit(of_thread).result()
        assert len(pool.submit(of_thread).result().cores) == 1


def test_a_thread_can_wait_on_any_core() -> None:
    before = of_thread()
    assert of_a_new_thread(batch_scheduling) == Place(before.cores, os.SCHED_BATCH)
    assert of_thread() == before


def test_a_policy_somebody_chose_stays() -> None:
    def be_idle() -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        batch_scheduling()

    assert of_a_new_thread(be_idle).policy == os.SCHED_IDLE
