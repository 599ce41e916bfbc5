"""SIGKILL at random moments: what was acknowledged is whole, and the store is sound.

CRASH_ROUNDS says how often the daemon is killed; CRASH_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable

import grpc
import pytest
from walkthrough.machine import Daemon

from crash.load import Load
from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "8"))
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.randrange(1, 10**9)  # noqa: S311
_LONGEST_S = 0.4  # from the first call of a round to the kill
_OPTIONS = [("grpc.max_receive_message_length", 20 << 20)]


def test_nothing_acknowledged_is_lost_when_the_daemon_is_killed(
    new_daemon: Callable[[str], Daemon],
) -> None:
    print(f"CRASH_SEED={SEED}")
    moments = random.Random(SEED)  # noqa: S311
    load = Load(SEED)
    daemon = new_daemon("store")
    acknowledged = 0
    for round_ in range(ROUNDS):
        daemon.start()
        with grpc.insecure_channel(daemon.address, _OPTIONS) as channel:
            pfs = pfs_pb2_grpc.APIStub(channel)
            if round_ == 0:
                load.create(pfs)
            load.check(pfs)
            killer = threading.Timer(moments.uniform(0, _LONGEST_S), daemon.stop, [signal.SIGKILL])
            killer.start()
            acknowledged += load.run(pfs)
            killer.join()
    daemon.start()
    with grpc.insecure_channel(daemon.address, _OPTIONS) as channel:
        pfs = pfs_pb2_grpc.APIStub(channel)
        load.check(pfs)
        assert list(pfs.Fsck(pfs_pb2.FsckRequest())) == []
    print(f"{ROUNDS} kills, {acknowledged} calls acknowledged")
    assert acknowledged > ROUNDS  # else it was killed before it could do anything
