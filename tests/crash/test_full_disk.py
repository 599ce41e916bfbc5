"""A disk that fills up, or can't be written to: calls say so, and nothing acknowledged is lost.

What frees room works on it, the daemon starts on it, and with room all goes on.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from walkthrough.machine import Daemon

from pachlocal.proto import (
    local_pb2,
    local_pb2_grpc,
    pfs_pb2,
    pfs_pb2_grpc,
    pps_pb2,
    pps_pb2_grpc,
    pps_spec_pb2,
)

_SIZE = 96 << 20  # bytes of the disk
_LEFT = 3 << 20  # bytes that the ballast leaves, of which the store's log takes its share
_WORDS = "No space left on device: the disk of the store is full"
_READ_ONLY = "Read-only file system: the disk of the store can't be written to"
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
        self._local = local_pb2_grpc.LocalStub(channel)
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
            if (error.code(), error.details()) != (grpc.StatusCode.RESOURCE_EXHAUSTED, _WORDS):
                raise
            self.refused += 1
            return False
        return True

    def until_full(self) -> None:
        """Puts smaller and smaller files, until there is no room for a byte, nor for a repo."""
        for size in (300_000, 30_000, 3_000, 1):
            while self.put(size):
                pass
        while self.create_repo():
            pass

    def delete(self, repo: pfs_pb2.Repo = _REPO) -> None:
        """Deletes a repo, by force."""
        self.pfs.DeleteRepo(pfs_pb2.DeleteRepoRequest(repo=repo, force=True))

    def collect_garbage(self) -> int:
        """Has garbage collected; returns how many bytes that freed."""
        answer = self._local.CollectGarbage(local_pb2.CollectGarbageRequest())
        assert answer.complete
        return answer.size_bytes

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


def test_what_frees_room_works_on_a_full_disk(
    disk: Disk, daemon: Daemon, channel: grpc.Channel
) -> None:
    puts = Puts(channel)
    puts.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_REPO))
    other = pfs_pb2.Repo(name="other", type="user", project=_REPO.project)
    puts.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=other))
    requests = [pfs_pb2.ModifyFileRequest(set_commit=pfs_pb2.Commit(repo=other, id="master"))]
    for number in range(60):
        add = pfs_pb2.AddFile(path=f"/f{number}", raw=BytesValue(value=os.urandom(50_000)))
        requests.append(pfs_pb2.ModifyFileRequest(add_file=add))
    puts.pfs.ModifyFile(iter(requests))
    assert puts.put(100_000)
    assert puts.put(100_000)
    middle = puts.pfs.InspectCommit(
        pfs_pb2.InspectCommitRequest(commit=pfs_pb2.Commit(repo=_REPO, id="master"))
    )
    assert puts.put(100_000)
    disk.fill(0)
    puts.until_full()

    puts.pfs.SquashCommit(pfs_pb2.SquashCommitRequest(commit=middle.commit))
    assert not puts.put(300_000), "what is kept back isn't for puts"
    puts.delete(other)
    assert not puts.put(300_000), "a deletion frees nothing by itself"
    assert puts.collect_garbage() > 60 * 50_000
    assert puts.put(300_000)
    puts.check()
    disk.fill(0)  # also when it was given up before
    puts.until_full()
    puts.delete()
    assert puts.collect_garbage() > 0
    puts.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_REPO))
    assert list(puts.pfs.Fsck(pfs_pb2.FsckRequest())) == []
    assert "Traceback" not in daemon.log


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_start_on_a_full_disk(
    disk: Disk, daemon: Daemon, channel: grpc.Channel, number: signal.Signals
) -> None:
    puts = Puts(channel)
    puts.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_REPO))
    for _ in range(30):
        assert puts.put(100_000)
    disk.fill(0)
    puts.until_full()
    daemon.stop(number)
    disk.fill(0)

    result = daemon.run("pachlocal", *daemon.up_arguments)
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("pachlocal: the disk of the store is full"), result.stderr
    assert result.stderr.endswith(f"then: pachlocal gc --root {daemon.root}\n"), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    daemon.started()
    puts.check()
    assert not puts.put(300_000)
    puts.delete()
    assert puts.collect_garbage() > 30 * 100_000
    puts.acknowledged.clear()
    puts.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_REPO))
    assert puts.put(300_000)
    daemon.stop()
    disk.free()
    result = daemon.run("pachlocal", *daemon.up_arguments)
    assert (result.returncode, result.stderr) == (0, "")
    daemon.started()
    puts.check()


def test_jobs_on_a_full_disk(
    disk: Disk, daemon: Daemon, channel: grpc.Channel, tmp_path: Path
) -> None:
    puts = Puts(channel)
    pps = pps_pb2_grpc.APIStub(channel)
    puts.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_REPO))
    for _ in range(20):
        assert puts.put(100_000)
    disk.fill(3 << 20)  # for some of them
    runs = tmp_path / "runs"
    for name, source in (("first", "in"), ("second", "first")):
        pps.CreatePipeline(_doubling(name, source, runs))
    first = pps_spec_pb2.Pipeline(name="first", project=_REPO.project)
    inspect = pps_pb2.InspectPipelineRequest(pipeline=first)
    deadline = time.monotonic() + _LONGEST_WAIT_S
    while (info := pps.InspectPipeline(inspect)).state != pps_pb2.PIPELINE_CRASHING:
        assert time.monotonic() < deadline, info
    assert info.reason == _WORDS
    (job,) = pps.ListJob(pps_pb2.ListJobRequest(pipeline=first))
    assert (job.state, job.data_failed) == (pps_pb2.JOB_RUNNING, 0)
    done = job.data_processed

    disk.free()
    await_jobs(pps)
    assert_doubled(puts)
    assert pps.InspectPipeline(inspect).state == pps_pb2.PIPELINE_RUNNING
    lines = runs.read_text().splitlines()
    of_first = [line for line in lines if line.startswith("first/")]
    once = [line for line in of_first if of_first.count(line) == 1]
    assert len(once) >= done > 0, "datums that were done ran again"
    assert list(puts.pfs.Fsck(pfs_pb2.FsckRequest())) == []
    assert "Traceback" not in daemon.log


def test_a_disk_that_became_read_only(tmp_path: Path) -> None:
    with mounted_image(tmp_path) as folder:
        daemon = Daemon(folder / "store")
        daemon.start()
        try:
            with grpc.insecure_channel(daemon.address) as channel:
                puts = Puts(channel)
                puts.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_REPO))
                assert puts.put(100_000)
                # As the kernel does it when the disk fails.
                subprocess.run(["mount", "-o", "remount,abort", str(folder)], check=True)
                for call in (lambda: puts.put(1), lambda: puts.put(100_000), puts.delete):
                    with pytest.raises(grpc.RpcError) as raised:
                        call()
                    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
                    assert raised.value.details() == _READ_ONLY
                puts.check()
            assert "Traceback" not in daemon.log
        finally:
            daemon.end()
        result = daemon.run("pachlocal", *daemon.up_arguments)
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
        assert "Read-only file system" in result.stderr


def test_nothing_of_the_store_is_mapped_into_memory(daemon: Daemon, channel: grpc.Channel) -> None:
    """Where written pages take new room, as on btrfs, a full disk would end the daemon."""
    puts = Puts(channel)
    puts.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_REPO))
    assert puts.put(100_000)
    puts.check()
    maps = Path(f"/proc/{daemon.note['pid']}/maps").read_text()
    assert "libc" in maps
    assert str(daemon.root) not in maps


@contextlib.contextmanager
def mounted_image(folder: Path) -> Iterator[Path]:
    """Mounts an ext4 of its own, from a file."""
    image, place = folder / "image", folder / "mounted"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    for command in (["mkfs.ext4", "-q", image], ["mount", "-o", "loop", image, place]):
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError as error:
            pytest.skip(f"no disk can be made from a file: {error}")
        if done.returncode:
            pytest.skip(f"no disk can be made from a file: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _doubling(name: str, source: str, runs: Path) -> pps_spec_pb2.CreatePipelineRequest:
    return pps_spec_pb2.CreatePipelineRequest(
        pipeline=pps_spec_pb2.Pipeline(name=name),
        transform=pps_spec_pb2.Transform(
            image="busybox:1",
            cmd=["sh", "-e"],
            stdin=[
                f"for f in /pfs/{source}/*",
                f"do cat $f $f > /pfs/out/${{f##*/}}; echo {name}/${{f##*/}} >> {runs}",
                "done",
            ],
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
