"""Clients that wait, and streams that nobody goes on with, take nothing that others need."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import BytesValue
from walkthrough.machine import Daemon

from pachlocal.proto import (
    pfs_pb2,
    pfs_pb2_grpc,
    pps_pb2,
    pps_pb2_grpc,
    pps_spec_pb2,
    version_pb2_grpc,
)

MANY = 700  # more than there are threads at once without anybody waiting
VERY_MANY = 5000
MOST_MB = 600  # of memory: for twice as many calls
TOO_MANY = 6400
LONGEST_S = 30.0
PROJECT = pfs_pb2.Project(name="default")
REPO = pfs_pb2.Repo(name="in", type="user", project=PROJECT)
MASTER = pfs_pb2.Commit(repo=REPO, id="master")
PIPELINE = pps_spec_pb2.Pipeline(name="held", project=PROJECT)
Call: TypeAlias = Any  # what a stub returns is both a call and a future, or a call and an iterator


class Clients:
    """Stubs, and an open commit that all wait for."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.pfs = pfs_pb2_grpc.APIStub(channel)
        self.pps = pps_pb2_grpc.APIStub(channel)
        self.version = version_pb2_grpc.APIStub(channel)
        self.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=REPO))
        branch = pfs_pb2.Branch(repo=REPO, name="master")
        self.commit = self.pfs.StartCommit(pfs_pb2.StartCommitRequest(branch=branch))
        self.hang_up = threading.Event()

    def put(self, path: str, to: pfs_pb2.Commit = MASTER, data: bytes = b"a") -> None:
        """Puts a file."""
        add = pfs_pb2.AddFile(path=path, raw=BytesValue(value=data))
        requests = [
            pfs_pb2.ModifyFileRequest(set_commit=to),
            pfs_pb2.ModifyFileRequest(add_file=add),
        ]
        self.pfs.ModifyFile(iter(requests), timeout=LONGEST_S)

    def finish(self) -> None:
        """Finishes the commit, which others wait for."""
        request = pfs_pb2.FinishCommitRequest(commit=self.commit)
        self.pfs.FinishCommit(request, timeout=LONGEST_S)

    def answer(self) -> None:
        """Makes sure that the daemon answers somebody else."""
        self.version.GetVersion(Empty(), timeout=LONGEST_S)

    def head(self, branch: str) -> str:
        """Returns the ID of a branch's head."""
        commit = pfs_pb2.Commit(repo=REPO, id=branch)
        return self.pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit)).commit.id

    def inspect_commit(self) -> Call:
        request = pfs_pb2.InspectCommitRequest(commit=self.commit, wait=pfs_pb2.FINISHED)
        return self.pfs.InspectCommit.future(request)

    def inspect_commit_set(self) -> Call:
        set_ = pfs_pb2.CommitSet(id=self.commit.id)
        return self.pfs.InspectCommitSet(
            pfs_pb2.InspectCommitSetRequest(commit_set=set_, wait=True)
        )

    def subscribe_commit(self) -> Call:
        return self.pfs.SubscribeCommit(
            pfs_pb2.SubscribeCommitRequest(repo=REPO, branch="master", state=pfs_pb2.FINISHED)
        )

    def half_a_put(self) -> Call:
        def messages() -> Iterator[pfs_pb2.ModifyFileRequest]:
            yield pfs_pb2.ModifyFileRequest(set_commit=MASTER)
            self.hang_up.wait()

        return self.pfs.ModifyFile.future(messages())


@pytest.fixture
def daemon(new_daemon: Callable[[], Daemon]) -> Daemon:
    """A daemon of the test's own: how much it has used tells nothing of other tests."""
    daemon = new_daemon()
    daemon.start()
    return daemon


@pytest.fixture
def clients(channel: grpc.Channel) -> Iterator[Clients]:
    clients = Clients(channel)
    yield clients
    clients.hang_up.set()


@pytest.mark.parametrize(
    "wait", [Clients.inspect_commit, Clients.inspect_commit_set, Clients.subscribe_commit]
)
def test_who_waits_for_a_commit_does_not_keep_it_from_being_finished(
    clients: Clients, wait: Callable[[Clients], Call]
) -> None:
    calls = [wait(clients) for _ in range(MANY)]
    clients.answer()
    clients.finish()
    for call in calls:
        info = call.result(LONGEST_S) if wait is Clients.inspect_commit else next(call)
        assert info.HasField("finished")


def test_half_open_puts_keep_nobody_from_anything(clients: Clients) -> None:
    calls = [clients.half_a_put() for _ in range(MANY)]
    clients.answer()
    clients.finish()
    assert clients.inspect_commit().result(LONGEST_S).HasField("finished")
    clients.put("/a")
    assert not any(call.done() for call in calls)


@pytest.mark.slow
def test_who_waits_for_a_job_keeps_nobody_from_anything(
    daemon: Daemon, clients: Clients, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "go")
    clients.put("/a")
    clients.finish()
    clients.pps.CreatePipeline(_held(tmp_path / "go"))
    (job,) = [info.job for info in clients.pps.ListJob(pps_pb2.ListJobRequest())]
    inspect = pps_pb2.InspectJobRequest(job=job, wait=True)
    set_ = pps_pb2.InspectJobSetRequest(job_set=pps_pb2.JobSet(id=job.id), wait=True)
    follow = pps_pb2.GetLogsRequest(pipeline=PIPELINE, follow=True)
    ends = [clients.pps.InspectJob.future(inspect) for _ in range(MANY)]
    sets = [clients.pps.InspectJobSet(set_) for _ in range(MANY)]
    logs = [clients.pps.GetLogs(follow) for _ in range(MANY)]
    subscribe = pps_pb2.SubscribeJobRequest(pipeline=PIPELINE, details=True)
    jobs = [clients.pps.SubscribeJob(subscribe) for _ in range(MANY)]
    for stream in jobs:
        assert next(stream).job.id == job.id
    clients.answer()
    (tmp_path / "go").write_text("go\n")
    for end in ends:
        assert end.result(LONGEST_S).state == pps_pb2.JOB_SUCCESS
    for one in sets:
        assert [info.state for info in one] == [pps_pb2.JOB_SUCCESS]
    for log in logs:
        assert any(line.message == "held no more" for line in log)


@pytest.mark.slow
def test_what_nobody_reads_keeps_nobody_from_anything(clients: Clients) -> None:
    clients.put("/large", data=bytes(4 << 20))  # more than gRPC takes ahead
    clients.finish()
    file = pfs_pb2.File(commit=MASTER, path="/large")
    streams = [clients.pfs.GetFile(pfs_pb2.GetFileRequest(file=file)) for _ in range(MANY)]
    for stream in streams:
        assert next(stream).value  # it is served
    clients.answer()
    repo = pfs_pb2.Repo(name="other", type="user", project=PROJECT)
    clients.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo), timeout=LONGEST_S)
    for stream in streams:
        stream.cancel()


def test_threads_go_with_their_clients(daemon: Daemon, clients: Clients) -> None:
    idle = daemon_status(daemon, "Threads")
    calls = [clients.half_a_put() for _ in range(MANY)]
    calls += [clients.inspect_commit() for _ in range(MANY)]
    wait_for(clients, lambda: daemon_status(daemon, "Threads") > MANY)
    for call in calls:
        call.cancel()
    wait_for(clients, lambda: daemon_status(daemon, "Threads") < idle + 50)


def test_a_subscription_goes_on_after_its_repo_is_made_anew(clients: Clients) -> None:
    other = pfs_pb2.Repo(name="other", type="user", project=PROJECT)
    clients.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=other))
    request = pfs_pb2.SubscribeCommitRequest(repo=other, branch="master", state=pfs_pb2.FINISHED)
    stream = clients.pfs.SubscribeCommit(request, timeout=LONGEST_S)
    for _ in range(2):
        clients.put("/a", to=pfs_pb2.Commit(repo=other, id="master"))
        assert next(stream).commit.repo.name == "other"
        clients.pfs.DeleteRepo(pfs_pb2.DeleteRepoRequest(repo=other))
        clients.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=other))


def test_a_subscription_to_all_branches(clients: Clients) -> None:
    """Without a branch: the commits of all; with one: those made on it, wherever its head is."""
    clients.finish()
    dev = pfs_pb2.Branch(repo=REPO, name="dev")
    clients.put("/b", to=pfs_pb2.Commit(repo=REPO, id="dev"))
    on_dev = clients.head("dev")
    clients.put("/c")
    ids = [clients.commit.id, on_dev, clients.head("master")]

    def subscribed(**fields: Any) -> Call:
        request = pfs_pb2.SubscribeCommitRequest(repo=REPO, state=pfs_pb2.FINISHED, **fields)
        stream = clients.pfs.SubscribeCommit(request, timeout=LONGEST_S)
        return (info.commit.id for info in stream)

    assert list(islice(subscribed(), 3)) == ids
    assert list(islice(subscribed(**{"from": clients.commit}), 2)) == ids[1:]
    clients.pfs.CreateBranch(pfs_pb2.CreateBranchRequest(branch=dev, head=clients.commit))
    assert next(subscribed(branch="dev")) == on_dev
    with ThreadPoolExecutor(1) as pool:
        new = pool.submit(next, subscribed(**{"from": pfs_pb2.Commit(repo=REPO)}))
        while not new.done():
            clients.put("/d")
    assert new.result() not in ids


def test_a_subscription_to_a_repo_that_is_not_there(clients: Clients) -> None:
    request = pfs_pb2.SubscribeCommitRequest(repo=pfs_pb2.Repo(name="nope"), branch="master")
    with pytest.raises(grpc.RpcError) as raised:
        next(clients.pfs.SubscribeCommit(request, timeout=LONGEST_S))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_commit_that_is_waited_for_and_deleted(clients: Clients) -> None:
    call = clients.inspect_commit()
    clients.answer()
    clients.pfs.DeleteRepo(pfs_pb2.DeleteRepoRequest(repo=REPO, force=True))
    with pytest.raises(grpc.RpcError, match="was deleted"):
        call.result(LONGEST_S)


@pytest.mark.slow
def test_five_thousand_wait(daemon: Daemon, clients: Clients) -> None:
    puts = [clients.half_a_put() for _ in range(VERY_MANY)]
    wait_for(clients, lambda: daemon_status(daemon, "Threads") >= VERY_MANY)
    ends = [clients.inspect_commit() for _ in range(VERY_MANY)]
    clients.answer()
    clients.finish()
    for end in ends:
        assert end.result(LONGEST_S).HasField("finished")
    assert daemon_status(daemon, "VmHWM") < MOST_MB * 1024
    more = [clients.half_a_put() for _ in range(TOO_MANY - VERY_MANY)]
    wait_for(clients, lambda: any(call.done() for call in more))
    refused = next(call for call in more if call.done())
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.details() == "too many streams are open at once: end some, and try again"
    assert not any(call.done() for call in puts)
    clients.answer()


def wait_for(clients: Clients, found: Callable[[], bool]) -> None:
    """Asks the daemon for something else until something is so."""
    deadline = time.monotonic() + LONGEST_S
    while not found():
        assert time.monotonic() < deadline
        clients.answer()


def daemon_status(daemon: Daemon, field: str) -> int:
    """Returns a number that the kernel knows of the daemon."""
    text = Path(f"/proc/{daemon.note['pid']}/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)
    assert found is not None
    return int(found[1])


def _held(until: Path) -> pps_spec_pb2.CreatePipelineRequest:
    return pps_spec_pb2.CreatePipelineRequest(
        pipeline=PIPELINE,
        transform=pps_spec_pb2.Transform(
            image="busybox:1", cmd=["sh", "-c", f"cat {until}; echo held no more"]
        ),
        input=pps_spec_pb2.Input(pfs=pps_spec_pb2.PFSInput(repo="in", glob="/")),
    )
