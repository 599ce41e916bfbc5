"""The power goes at random moments: what was acknowledged is on disk, and the store is sound.

What a daemon writes is recorded. Afterwards it is chosen at which write the power went, and what of
all that wasn't synced by then is there; a daemon begins with that disk, and goes on.

CRASH_ROUNDS says how often the power goes; CRASH_SEED repeats what is chosen, but not how quickly
the daemon works meanwhile.
"""

from __future__ import annotations

import copy
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from walkthrough.machine import Daemon

from crash.disk import recorder
from crash.disk.model import Chance
from crash.disk.recorded import RecordedDaemon
from crash.load import GONE, Files, Load, content, read
from pachlocal.proto import (
    local_pb2,
    local_pb2_grpc,
    pfs_pb2,
    pfs_pb2_grpc,
    pps_pb2_grpc,
    pps_spec_pb2,
)

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "8"))
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.randrange(1, 10**9)  # noqa: S311
_LONGEST_S = 1.5  # from the first call of a round to the daemon's end
_LONGEST_WAIT_S = 120.0  # for a job
_OPTIONS = [("grpc.max_receive_message_length", 20 << 20)]
_PROJECT = pfs_pb2.Project(name="default")
_PIPELINES = {"first": "data", "second": "first"}  # and what each one copies


class Watched:
    """A load, and what it knew before each of its calls."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self._moments: list[tuple[int, Load]] = []

    def run(self, daemon: RecordedDaemon) -> int:
        """Makes calls until the daemon is gone; returns how many were acknowledged."""

        def note(position: int) -> None:
            self._moments.append((position, copy.deepcopy(self.load)))

        self._moments.clear()
        note(0)
        with connected(daemon) as channel:
            pfs = Noting(pfs_pb2_grpc.APIStub(channel), lambda: note(daemon.position()))
            return self.load.run(pfs)

    def go_back(self, position: int) -> None:
        """Makes the load what it was at some moment: later answers were never heard."""
        self.load = [load for noted, load in self._moments if noted <= position][-1]


class Noting:
    """Calls a service, and says so before each call."""

    def __init__(self, stub: object, note: Callable[[], None]) -> None:
        self._stub = stub
        self._note = note

    def __getattr__(self, name: str) -> Callable[..., Any]:
        self._note()
        return getattr(self._stub, name)


@contextmanager
def connected(daemon: Daemon) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(daemon.address, _OPTIONS) as channel:
        yield channel


def test_nothing_acknowledged_is_lost_when_the_power_goes(tmp_path: Path) -> None:
    print(f"CRASH_SEED={SEED}")
    chance = random.Random(SEED)  # noqa: S311
    daemon = RecordedDaemon(tmp_path / "disk", recorder.build(tmp_path))
    loads = [Watched(Load(SEED + number, repo)) for number, repo in enumerate(("data", "other"))]
    acknowledged = 0
    try:
        daemon.start()
        with connected(daemon) as channel:
            set_up(channel, [watched.load for watched in loads])
        daemon.stop()
        for _ in range(ROUNDS):
            daemon.start()
            check(daemon, [watched.load for watched in loads])
            acknowledged += run(daemon, loads, chance)
            position = cut(daemon, chance)
            for watched in loads:
                watched.go_back(position)
        daemon.start()
        check(daemon, [watched.load for watched in loads])
    finally:
        daemon.end()
        print(daemon.log)
    print(f"{ROUNDS} power cuts, {acknowledged} calls acknowledged")
    assert acknowledged > ROUNDS


def test_a_store_can_be_begun_again_when_the_power_goes_while_it_is_made(tmp_path: Path) -> None:
    print(f"CRASH_SEED={SEED}")
    chance = random.Random(SEED)  # noqa: S311
    daemon = RecordedDaemon(tmp_path / "disk", recorder.build(tmp_path))
    daemon.start()
    load = Load(SEED)
    with connected(daemon) as channel:
        load.create(pfs_pb2_grpc.APIStub(channel))
    acknowledged = daemon.position()
    daemon.stop()
    moments = {chance.randint(1, daemon.events()) for _ in range(ROUNDS // 2)}
    for number, (event, disk) in enumerate(daemon.replay(), 1):
        if number in moments:
            left = Daemon(tmp_path / f"left{number}" / "store")
            disk.cut(left.root.parent, Chance(chance))
            try:
                left.start()
                with connected(left) as channel:
                    pfs = pfs_pb2_grpc.APIStub(channel)
                    if event.end < acknowledged:
                        load.create(pfs, update=True)
                    load.check(pfs)
                    assert list(pfs.Fsck(pfs_pb2.FsckRequest())) == []
            finally:
                left.end()
                print(left.log)


def set_up(channel: grpc.Channel, loads: list[Load]) -> None:
    """Makes repos and pipelines."""
    for load in loads:
        load.create(pfs_pb2_grpc.APIStub(channel))
    for name, source in _PIPELINES.items():
        pps_pb2_grpc.APIStub(channel).CreatePipeline(
            pps_spec_pb2.CreatePipelineRequest(
                pipeline=pps_spec_pb2.Pipeline(name=name, project=_PROJECT),
                transform=pps_spec_pb2.Transform(
                    image="busybox:1", cmd=["sh", "-ec", f"cp -R /pfs/{source}/* /pfs/out/"]
                ),
                input=pps_spec_pb2.Input(pfs=pps_spec_pb2.PFSInput(repo=source, glob="/*")),
                parallelism_spec=pps_spec_pb2.ParallelismSpec(constant=2),
            )
        )


def run(daemon: RecordedDaemon, loads: list[Watched], chance: random.Random) -> int:
    """Has the daemon work until it is stopped; returns how many calls were acknowledged."""
    acknowledged: list[int] = []
    threads = [
        threading.Thread(target=lambda load=load: acknowledged.append(load.run(daemon)))
        for load in loads
    ]
    threads.append(threading.Thread(target=collect, args=(daemon, chance.getrandbits(32))))
    stopper = threading.Timer(chance.uniform(0.2, _LONGEST_S), daemon.stop)
    for thread in (*threads, stopper):
        thread.start()
    for thread in (*threads, stopper):
        thread.join()
    assert len(acknowledged) == len(loads), "a load failed"
    return sum(acknowledged)


def collect(daemon: RecordedDaemon, seed: int) -> None:
    """Makes garbage of what others may put again, and collects it, until the daemon is gone."""
    chance = random.Random(seed)  # noqa: S311
    repo = pfs_pb2.Repo(name="spare", type="user", project=_PROJECT)
    target = pfs_pb2.Commit(repo=repo, id="master")
    with connected(daemon) as channel:
        pfs, local = pfs_pb2_grpc.APIStub(channel), local_pb2_grpc.LocalStub(channel)
        try:
            while True:
                pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo, update=True))
                requests = [pfs_pb2.ModifyFileRequest(set_commit=target)]
                for number in range(4):
                    raw = BytesValue(value=content(chance))
                    add = pfs_pb2.AddFile(path=f"/{number}", raw=raw)
                    requests.append(pfs_pb2.ModifyFileRequest(add_file=add))
                pfs.ModifyFile(iter(requests))
                pfs.DeleteRepo(pfs_pb2.DeleteRepoRequest(repo=repo))
                local.CollectGarbage(local_pb2.CollectGarbageRequest())
        except grpc.RpcError as error:
            assert error.code() in GONE, error  # noqa: PT017 - anything else is a refusal


def cut(daemon: RecordedDaemon, chance: random.Random) -> int:
    """Cuts the power at some event, and leaves what may be on disk; returns the position."""
    count = chance.randint(1, daemon.events())
    left = daemon.disk.with_name("left")
    position = 0
    for number, (event, disk) in enumerate(daemon.replay(), 1):
        if number == count:
            disk.cut(left, Chance(chance))
            position = event.end
    shutil.rmtree(daemon.disk)
    left.rename(daemon.disk)
    return position


def check(daemon: RecordedDaemon, loads: list[Load]) -> None:
    """Reads back what was acknowledged, waits for the jobs, and looks at what they made."""
    with connected(daemon) as channel:
        pfs = pfs_pb2_grpc.APIStub(channel)
        for load in loads:
            load.check(pfs)
        for id_, files in list(loads[0].finished.items())[-5:]:
            commit = pfs_pb2.Commit(repo=_repo(loads[0].repo), id=id_)
            info = pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit))
            if info.commit.branch.name == "master":
                for name in _PIPELINES:
                    assert made(pfs, name, id_) == files, f"{name} made something else of {id_}"
        assert list(pfs.Fsck(pfs_pb2.FsckRequest())) == []


def made(pfs: pfs_pb2_grpc.APIStub, pipeline: str, id_: str) -> Files:
    """Returns what a pipeline's job has made, as soon as it has."""
    commit = pfs_pb2.Commit(repo=_repo(pipeline), id=id_)
    wait = pfs_pb2.InspectCommitRequest(commit=commit, wait=pfs_pb2.FINISHED)
    info = pfs.InspectCommit(wait, timeout=_LONGEST_WAIT_S)
    assert not info.error, info
    return read(pfs, commit)


def _repo(name: str) -> pfs_pb2.Repo:
    return pfs_pb2.Repo(name=name, type="user", project=_PROJECT)
