"""Whatever a message holds, the answer is a code and a sentence, and the daemon goes on.

FUZZ_CALLS says how many calls are made; FUZZ_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from itertools import islice

import grpc
import pytest
from walkthrough.machine import Daemon

from fuzz.calls import Calls
from fuzz.messages import Messages
from fuzz.world import World
from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

pytestmark = pytest.mark.slow

CALLS = int(os.environ.get("FUZZ_CALLS", "2000"))
SEED = int(os.environ.get("FUZZ_SEED", "0")) or random.randrange(1, 10**9)  # noqa: S311
_REFRESH = 50  # calls
_KIND = 60  # letters of a problem that tell it from others
_SOON_S = 2.0  # longer than an empty store takes
_OPTIONS = [("grpc.max_receive_message_length", 32 << 20)]


def test_no_message_makes_a_call_fail_in_an_unforeseen_way(
    new_daemon: Callable[[str], Daemon],
) -> None:
    print(f"FUZZ_SEED={SEED}")
    usual = _started(new_daemon("empty"))
    daemon = new_daemon("store")
    daemon.start()
    pid = daemon.note["pid"]
    with grpc.insecure_channel(daemon.address, _OPTIONS) as channel:
        problems = list(_problems(channel, SEED, CALLS))
        damage = list(pfs_pb2_grpc.APIStub(channel).Fsck(pfs_pb2.FsckRequest()))
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
    assert damage == []
    assert daemon.note["pid"] == pid
    daemon.stop(signal.SIGTERM)
    assert _started(daemon) < usual + _SOON_S
    assert "Traceback" not in daemon.log


def _problems(channel: grpc.Channel, seed: int, calls: int) -> Iterator[str]:
    """Makes calls; yields what is wrong with their answers, each kind once for each method."""
    chance = random.Random(seed)  # noqa: S311
    world = World(channel, chance)
    made = Calls(chance, Messages(chance, world))
    seen = set()
    for number, call in enumerate(islice(made, calls)):
        if number % _REFRESH == 0:
            world.refresh()
        problem = call.make(channel)
        kind = call.method.full_name, problem[:_KIND]
        if problem and kind not in seen:
            seen.add(kind)
            yield f"Call {number}: {problem}\n  {call}"


def _started(daemon: Daemon) -> float:
    """Starts a daemon; returns after how many seconds it has answered."""
    start = time.monotonic()
    daemon.start()
    with grpc.insecure_channel(daemon.address) as channel:
        list(pfs_pb2_grpc.APIStub(channel).ListRepo(pfs_pb2.ListRepoRequest()))
    return time.monotonic() - start
