"""SIGKILL at random moments while pipelines work: for the daemon, its launchers, and commands.

CRASH_ROUNDS says how often something is killed; CRASH_SEED repeats a run.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from walkthrough.leftovers import processes_of
from walkthrough.machine import Daemon

from crash.dag import STAGES, TRIES, Run, Side
from crash.pipeline_load import Client, PipelineLoad

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "8"))
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.randrange(1, 10**9)  # noqa: S311
_LONGEST_S = 1.0  # from the first call of a round to the kill
_CALLS = 4  # of a round
_LOOK_AGAIN_S = 0.1
# Whom SIGKILL hits, and how often: the daemon at any moment; or, while a command waits for it, the
# daemon, the command, the command until its datum fails, what has started it, and what has started
# that.
_TARGETS = {"anytime": 8, "daemon": 2, "command": 3, "datum": 1, "launcher": 2, "guard": 2}


@pytest.fixture
def side(tmp_path: Path) -> Iterator[Side]:
    side = Side(tmp_path / "side")
    yield side
    side.close()


def test_jobs_end_right_whatever_is_killed(new_daemon: Callable[[str], Daemon], side: Side) -> None:
    print(f"CRASH_SEED={SEED}")
    chance = random.Random(SEED)  # noqa: S311
    load = PipelineLoad(SEED, side)
    daemon = new_daemon("store")
    daemon.start()
    with _client(daemon) as client:
        load.create(client)
    killed: Counter[str] = Counter()
    while killed.total() < ROUNDS:
        (target,) = chance.choices(list(_TARGETS), list(_TARGETS.values()))
        before = side.runs()
        with _client(daemon) as client:
            if target == "anytime":
                delay = chance.uniform(0, _LONGEST_S)
                killer = threading.Timer(delay, daemon.stop, [signal.SIGKILL])
                killer.start()
                load.run(client, _CALLS)
                killer.join()
                killed[target] += 1
            else:
                stage = chance.choice(list(STAGES))
                side.order(stage, TRIES if target == "datum" else 1)
                load.put_everywhere(client)
                load.run(client, _CALLS // 2)
                killed[target] += _kill_held(daemon, client, load, target)
        if not daemon.runs():
            assert processes_of(daemon.root) == []
            assert processes_of(side.folder) == []
            load.note_death(daemon.root, before)
            side.withdraw()
            daemon.start()
        with _client(daemon) as client:
            load.check(client)
        assert zombies(daemon.note["pid"]) == []
    print(f"killed: {dict(killed)}; jobs: {dict(load.states)}")
    assert load.states["JOB_SUCCESS"] > ROUNDS  # else nothing was at work


@contextlib.contextmanager
def _client(daemon: Daemon) -> Iterator[Client]:
    with grpc.insecure_channel(daemon.address) as channel:
        grpc.channel_ready_future(channel).result(30)
        yield Client(channel)


def _kill_held(daemon: Daemon, client: Client, load: PipelineLoad, target: str) -> int:
    """Kills as long as there is a command that waits for it; returns how often."""
    kills = 0
    while True:
        run = load.side.await_held(_LOOK_AGAIN_S)
        if run is None:
            if not client.unfinished():
                load.side.withdraw()  # what it was for is stopped, or had nothing to do
                return kills
            continue
        lineage = _lineage(run, daemon.note["pid"])
        if not lineage:
            continue  # its job was ended meanwhile
        kills += 1
        if target == "daemon":
            daemon.stop(signal.SIGKILL)
            return kills
        load.kills[run] += 1
        # From the command up to the daemon's child; without a PID namespace there is no guard.
        victims = {"launcher": min(1, len(lineage) - 1), "guard": len(lineage) - 1}
        os.kill(lineage[victims.get(target, 0)], signal.SIGKILL)


def _lineage(run: Run, daemon: int) -> list[int]:
    """Returns the process of a command, its parent, and so on up to the daemon's child."""
    needles = (f"PACH_JOB_ID={run.job}\0", f"PACH_DATUM_ID={run.datum}\0")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environ = (process / "environ").read_bytes()
            if not all(needle.encode() in environ for needle in needles):
                continue
            lineage = [int(process.name)]
            while (parent := int(_stat(lineage[-1])[1])) != daemon:
                if parent <= 1:
                    break
                lineage.append(parent)
            else:
                if f"PPS_PIPELINE_NAME={run.pipeline}\0".encode() in environ:
                    return lineage
        except OSError:  # it has ended, or isn't ours
            continue
    return []


def zombies(daemon: int) -> list[str]:
    """Returns the children that a daemon has not waited for."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, *_ = _stat(int(process.name))
        except OSError:
            continue
        if state == "Z" and int(parent) == daemon:
            found.append(process.name)
    return found


def _stat(pid: int) -> list[str]:
    """Returns what /proc/PID/stat says after the name: state, parent, …; see proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
