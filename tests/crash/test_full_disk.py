"""A disk that fills up: calls say so, nothing acknowledged is lost, and with space all goes on."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc, pps_spec_pb2

_SIZE = 24 << 20  # bytes of the disk
_LEFT = 3 << 20  # bytes that the ballast leaves, of which the store's log takes its share
_WORDS = ("No space left on device", "database or disk is full")
_LONGEST_WAIT_S = 60.0
_REPO = pfs_pb2.Repo(name="in", type="user", project=pfs_pb2.Project(name="default"))


class Disk:
    """A small file system in memory, and a file on it that takes space."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, left: int) -> None:
        """Leaves so many bytes, or fewer."""
        with self._ballast.open("ab") as file:
            while (size := self._free_bytes() - left) > 0:
                with contextlib.suppress(OSError):  # jobs were quicker to take the space
                    os.posix_fallocate(file.fileno(), file.tell(), size)
                    file.seek(0, os.SEEK_END)

    def _free_bytes(self) -> int:
        stat = os.statvfs(self.folder)
        return stat.f_bavail * stat.f_frsize

    def free(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "none", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError as error:
        pytest.skip(f"no small disk can be made: {error}")
    if mounted.returncode:
        pytest.skip(f"no small disk can be made: {mounted.stderr.strip()}")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def daemon(disk: Disk) -> Iterator[Daemon]:
    daemon = Daemon(disk.folder / "store")
    daemon.start()
    yield daemon
    daemon.end()
    print(daemon.log)


@pytest.fixture
def channel(daemon: Daemon) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(daemon.address) as channel:
        yield channel


class Puts:
    """Puts files, and knows which were acknowledged."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.pfs = pfs_pb2_grpc.APIStub(channel)
        self.acknowledged: dict[str, bytes] = {}
        self.refused = 0
        self._random = random.Random(0)  # noqa: S311 - no secret
        self._number = 0

    def put(self, size: int) -> bool:
        """Puts a new file; whether there was room for it."""
        self._number += 1
        path, data = f"/f{self._number}", self._random.randbytes(size)
        target = pfs_pb2.Commit(repo=_REPO, id="master")
        requests = [pfs_pb2.ModifyFileRequest(set_commit=target)]
        for start in range(0, size, 1 << 20):
            add = pfs_pb2.AddFile(path=path, raw=BytesValue(value=data[start : start + (1 << 20)]))
            requests.append(pfs_pb2.ModifyFileRequest(add_file=add))
        if not self._has_room(lambda: self.pfs.ModifyFile(iter(requests))):
            return False
        self.acknowledged[path] = data
        return True

    def create_repo(self) -> bool:
        """Creates another repo; whether there was room for it."""
        self._number += 1
        repo = pfs_pb2.Repo(name=f"r{self._number}", type="user", project=_REPO.project)
        return self._has_room(lambda: self.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo)))

    def _has_room(self, call: Callable[[], object]) -> bool:
        try:
            call()
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, error  # noqa: PT017
            assert any(words in error.details() for words in _WORDS), error  # noqa: PT017
            assert "\n" not in error.details()  # noqa: PT017
            self.refused += 1
            return False
        return True

    def check(self) -> None:
        """Reads everything back."""
        assert read(self.pfs, "in") == self.acknowledged


def read(pfs: pfs_pb2_grpc.APIStub, repo: str) -> dict[str, bytes]:
    """Returns the files of a repo's head."""
    name = pfs_pb2.Repo(name=repo, type="user", project=_REPO.project)
    root = pfs_pb2.File(commit=pfs_pb2.Commit(repo=name, id="master"), path="/")
    return {
        info.file.path: b"".join(
            piece.value for piece in pfs.GetFile(pfs_pb2.GetFileRequest(file=info.file))
        )
        for info in pfs.WalkFile(pfs_pb2.WalkFileRequest(file=root))
        if info.file_type == pfs_pb2.FILE
    }


def test_puts_on_a_full_disk(disk: Disk, daemon: Daemon, channel: grpc.Channel) -> None:
    puts = Puts(channel)
    puts.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_REPO))
    assert puts.put(100)
    disk.fill(_LEFT)

    assert not puts.put(2 * _LEFT)
    assert puts.put(200_000), "what the failed put wrote still takes the space"
    assert not list((daemon.root / "chunks").glob("*/*.tmp"))
    while puts.put(300_000):
        pass
    while puts.put(30_000):
        pass
    disk.fill(0)
    for size in (1, 1_000, 100_000, 1, 3_000_000):
        puts.put(size)
        puts.create_repo()
    puts.check()
    print(f"{len(puts.acknowledged)} puts acknowledged, {puts.refused} refused")

    disk.free()
    assert puts.put(300_000)
    assert puts.create_repo()
    puts.check()
    assert list(puts.pfs.Fsck(pfs_pb2.FsckRequest())) == []
    assert "Traceback" not in daemon.log


def test_a_start_on_a_full_disk(disk: Disk, daemon: Daemon, channel: grpc.Channel) -> None:
    puts = Puts(channel)
    puts.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_REPO))
    assert puts.put(100_000)
    disk.fill(0)
    daemon.stop(signal.SIGKILL)

    result = daemon.run("pachlocal", *daemon.up_arguments)
    assert result.returncode == 0 or any(words in result.stderr for words in _WORDS), result.stderr
    if result.returncode == 0:
        daemon.started()
        daemon.stop()
    else:
        assert result.stderr.count("\n") == 1, result.stderr

    disk.free()
    daemon.start()
    puts.check()
    assert puts.put(100_000)


def test_jobs_on_a_full_disk(disk: Disk, daemon: Daemon, channel: grpc.Channel) -> None:
    puts = Puts(channel)
    pps = pps_pb2_grpc.APIStub(channel)
    puts.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_REPO))
    for name, source in (("first", "in"), ("second", "first")):
        pps.CreatePipeline(_doubling(name, source))
    puts.put(50_000)
    await_jobs(pps)
    assert_doubled(puts)

    disk.fill(_LEFT)
    while puts.put(100_000):
        pass
    disk.fill(0)
    puts.put(1)
    puts.check()
    disk.free()
    await_jobs(pps)  # they may have failed, and say why
    for info in pps.ListJob(pps_pb2.ListJobRequest(history=-1)):
        if info.state == pps_pb2.JOB_FAILURE:
            assert any(words in info.reason for words in _WORDS), info.reason

    assert puts.put(50_000)
    await_jobs(pps)
    assert_doubled(puts)
    assert list(puts.pfs.Fsck(pfs_pb2.FsckRequest())) == []


def _doubling(name: str, source: str) -> pps_spec_pb2.CreatePipelineRequest:
    return pps_spec_pb2.CreatePipelineRequest(
        pipeline=pps_spec_pb2.Pipeline(name=name),
        transform=pps_spec_pb2.Transform(
            image="busybox:1",
            cmd=["sh", "-e"],
            stdin=[f"for f in /pfs/{source}/*; do cat $f $f > /pfs/out/${{f##*/}}; done"],
        ),
        input=pps_spec_pb2.Input(pfs=pps_spec_pb2.PFSInput(repo=source, glob="/*")),
    )


def await_jobs(pps: pps_pb2_grpc.APIStub) -> None:
    for info in list(pps.ListJob(pps_pb2.ListJobRequest(history=-1))):
        request = pps_pb2.InspectJobRequest(job=info.job, wait=True)
        pps.InspectJob(request, timeout=_LONGEST_WAIT_S)


def assert_doubled(puts: Puts) -> None:
    assert read(puts.pfs, "first") == {path: 2 * data for path, data in puts.acknowledged.items()}
    assert read(puts.pfs, "second") == {path: 4 * data for path, data in puts.acknowledged.items()}
