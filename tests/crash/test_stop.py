"""SIGTERM ends a daemon soon, whoever waits for it; and what it opens for datums, it closes."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from walkthrough.leftovers import processes_of
from walkthrough.machine import Daemon

from crash.test_crash_pipelines import zombies
from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc, pps_spec_pb2

_SOON_S = 15.0  # some of it for a busy machine
_LONGEST_WAIT_S = 120.0
_REPO = pfs_pb2.Repo(name="in", type="user", project=pfs_pb2.Project(name="default"))
_MASTER = pfs_pb2.Commit(repo=_REPO, id="master")
_COPY = pps_spec_pb2.Pipeline(name="copy", project=_REPO.project)


@pytest.fixture
def channel(daemon: Daemon) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(daemon.address) as channel:
        yield channel


def test_the_daemon_stops_while_all_wait_for_it(
    daemon: Daemon, channel: grpc.Channel, tmp_path: Path
) -> None:
    pfs, pps = pfs_pb2_grpc.APIStub(channel), pps_pb2_grpc.APIStub(channel)
    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_REPO))
    _put(pfs, ["/a"])
    os.mkfifo(tmp_path / "runs")
    _create(pps, tmp_path, "trap '' TERM INT HUP; echo hi; echo runs > $SIDE/runs; cat $SIDE/runs")
    assert (tmp_path / "runs").read_text() == "runs\n"
    (job,) = [info.job for info in pps.ListJob(pps_pb2.ListJobRequest())]

    hangs_up = threading.Event()

    def half_a_put() -> Iterator[pfs_pb2.ModifyFileRequest]:
        yield pfs_pb2.ModifyFileRequest(set_commit=_MASTER)
        hangs_up.wait(_LONGEST_WAIT_S)

    streams = [
        pps.SubscribeJob(pps_pb2.SubscribeJobRequest(pipeline=_COPY)),
        pfs.SubscribeCommit(pfs_pb2.SubscribeCommitRequest(repo=_REPO, branch="master")),
        pps.GetLogs(pps_pb2.GetLogsRequest(pipeline=_COPY, follow=True)),
    ]
    for stream in streams:
        assert next(stream) is not None  # it is served, and waits for more
    calls = [
        pps.InspectJob.future(pps_pb2.InspectJobRequest(job=job, wait=True)),
        pfs.ModifyFile.future(half_a_put()),
    ]
    process = os.pidfd_open(daemon.note["pid"])
    try:
        daemon.stop(signal.SIGTERM)
        assert select.select([process], [], [], _SOON_S)[0], "it goes on"
    finally:
        os.close(process)
        hangs_up.set()
    for stream in streams:
        with pytest.raises(grpc.RpcError, match=r"UNAVAILABLE|CANCELLED"):
            list(stream)
    for call in calls:
        with pytest.raises(grpc.RpcError, match=r"UNAVAILABLE|CANCELLED"):
            call.result(_LONGEST_WAIT_S)
    assert processes_of(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="tgkill is Linux's")
def test_the_daemon_stops_whatever_thread_the_signal_comes_to(daemon: Daemon) -> None:
    pid = daemon.note["pid"]
    tasks = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
    process = os.pidfd_open(pid)
    try:
        thread = max(task for task in tasks if task != pid)
        assert ctypes.CDLL(None).tgkill(pid, thread, signal.SIGTERM) == 0
        assert select.select([process], [], [], _SOON_S)[0], "it goes on"
    finally:
        os.close(process)


def test_datums_leave_nothing_open(daemon: Daemon, channel: grpc.Channel, tmp_path: Path) -> None:
    pfs, pps = pfs_pb2_grpc.APIStub(channel), pps_pb2_grpc.APIStub(channel)
    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_REPO))
    _put(pfs, [f"/warm{number}" for number in range(20)])
    _create(pps, tmp_path, "cp /pfs/in/* /pfs/out/; [ ! -e /pfs/in/bad ]")
    _await_jobs(pps)
    pid = daemon.note["pid"]
    before = _descriptors(pid)

    _put(pfs, [f"/f{number}" for number in range(200)])
    _await_jobs(pps)
    _put(pfs, ["/bad"])
    _await_jobs(pps)
    assert len(_descriptors(pid)) <= len(before) + 5, (before, _descriptors(pid))
    assert zombies(pid) == []


def _put(pfs: pfs_pb2_grpc.APIStub, paths: list[str]) -> None:
    """Puts files so large that each is a file of its own in the store."""
    requests = [pfs_pb2.ModifyFileRequest(set_commit=_MASTER)]
    for path in paths:
        add = pfs_pb2.AddFile(path=path, raw=BytesValue(value=os.urandom(70_000)))
        requests.append(pfs_pb2.ModifyFileRequest(add_file=add))
    pfs.ModifyFile(iter(requests))


def _create(pps: pps_pb2_grpc.APIStub, side: Path, script: str) -> None:
    pps.CreatePipeline(
        pps_spec_pb2.CreatePipelineRequest(
            pipeline=_COPY,
            transform=pps_spec_pb2.Transform(
                image="busybox:1", cmd=["sh", "-c", script], env={"SIDE": str(side)}
            ),
            input=pps_spec_pb2.Input(pfs=pps_spec_pb2.PFSInput(repo="in", glob="/*")),
            parallelism_spec=pps_spec_pb2.ParallelismSpec(constant=2),
        )
    )


def _await_jobs(pps: pps_pb2_grpc.APIStub) -> None:
    for info in list(pps.ListJob(pps_pb2.ListJobRequest())):
        request = pps_pb2.InspectJobRequest(job=info.job, wait=True)
        pps.InspectJob(request, timeout=_LONGEST_WAIT_S)


def _descriptors(pid: int) -> list[str]:
    """Returns what is open, but for the database: how many read it at once is a matter of chance.

    There is a bound to what is kept of that (pachlocal.storage.readers).
    """
    found: list[str] = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            found.append(str(link.readlink()))
    return sorted(name for name in found if "/pach.db" not in name)
