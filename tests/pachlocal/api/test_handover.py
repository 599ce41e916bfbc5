"""Open files that are handed over to the daemon instead of being sent."""

from __future__ import annotations

import os
import random
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from walkthrough.machine import Daemon

from pachlocal.proto import local_pb2_grpc, pfs_pb2, pfs_pb2_grpc

REPO = pfs_pb2.Repo(name="a")
HEAD = pfs_pb2.Commit(repo=REPO, id="master")
FILE = pfs_pb2.File(commit=HEAD, path="/f")
LARGE = random.Random(4).randbytes(9 << 20)  # noqa: S311 - not a secret


@contextmanager
def running() -> Iterator[Daemon]:
    """Run a daemon whose store has a short path: that of a socket can't be long."""
    with tempfile.TemporaryDirectory(prefix="pl-") as folder:
        daemon = Daemon(Path(folder) / "store")
        daemon.start()
        yield daemon
        daemon.end()


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    with running() as daemon:
        yield daemon


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with running() as daemon:
        yield daemon


@pytest.fixture
def channel(shared: Daemon) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(shared.address) as channel:
        yield channel


@pytest.fixture
def pfs(channel: grpc.Channel) -> Iterator[pfs_pb2_grpc.APIStub]:
    stub = pfs_pb2_grpc.APIStub(channel)
    stub.CreateRepo(pfs_pb2.CreateRepoRequest(repo=REPO))
    yield stub
    stub.DeleteRepo(pfs_pb2.DeleteRepoRequest(repo=REPO, force=True))


@contextmanager
def lent(channel: grpc.Channel, file: int) -> Iterator[str]:
    info = local_pb2_grpc.LocalStub(channel).InspectHandover(Empty())
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(info.socket)
        socket.send_fds(connection, [b"f"], [file])
        url = connection.recv(256).decode()
        assert url.startswith(info.url_prefix)
        yield url


def put_url(pfs: pfs_pb2_grpc.APIStub, url: str) -> None:
    add = pfs_pb2.AddFile(path="/f", url=pfs_pb2.AddFile.URLSource(URL=url))
    requests = [
        pfs_pb2.ModifyFileRequest(set_commit=HEAD),
        pfs_pb2.ModifyFileRequest(add_file=add),
    ]
    pfs.ModifyFile(iter(requests))


def get_to(pfs: pfs_pb2_grpc.APIStub, url: str, offset: int = 0) -> bytes:
    """Get to an open file; return what came as messages."""
    request = pfs_pb2.GetFileRequest(file=FILE, URL=url, offset=offset)
    return b"".join(piece.value for piece in pfs.GetFile(request))


@pytest.mark.parametrize("size", [0, 1, len(LARGE)])
def test_an_open_file_is_read_and_written_from_its_position_on(
    channel: grpc.Channel, pfs: pfs_pb2_grpc.APIStub, tmp_path: Path, size: int
) -> None:
    (tmp_path / "source").write_bytes(b"xy" + LARGE[:size])
    with (tmp_path / "source").open("rb", buffering=0) as source:
        source.seek(2)
        with lent(channel, source.fileno()) as url:
            put_url(pfs, url)
        assert source.tell() == 2 + size
    assert pfs.InspectFile(pfs_pb2.InspectFileRequest(file=FILE)).size_bytes == size

    with (tmp_path / "target").open("wb", buffering=0) as target:
        target.write(b"head")
        with lent(channel, target.fileno()) as url:
            assert get_to(pfs, url, offset=1) == b""
        assert target.tell() == 4 + max(size - 1, 0)
    assert (tmp_path / "target").read_bytes() == b"head" + LARGE[1:size]


def test_a_file_is_lent_only_as_long_as_its_connection_lasts(
    channel: grpc.Channel, pfs: pfs_pb2_grpc.APIStub, tmp_path: Path
) -> None:
    (tmp_path / "source").write_text("a")
    with (tmp_path / "source").open("rb") as source, lent(channel, source.fileno()) as url:
        put_url(pfs, url)
    for wrong in (url + "0", "descriptor:0", "descriptor:"):
        with pytest.raises(grpc.RpcError, match="no open file goes by this URL"):
            put_url(pfs, wrong)
        with pytest.raises(grpc.RpcError, match="no open file goes by this URL"):
            get_to(pfs, wrong)
    assert pfs.InspectFile(pfs_pb2.InspectFileRequest(file=FILE)).size_bytes == 1


def test_the_daemon_gets_no_right_that_the_client_lacks(
    channel: grpc.Channel, pfs: pfs_pb2_grpc.APIStub, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with path.open("rb") as readable, lent(channel, readable.fileno()) as url:
        put_url(pfs, url)
        with pytest.raises(grpc.RpcError, match="the file can't be written: Bad file descriptor"):
            get_to(pfs, url)
    unreadable = pytest.raises(grpc.RpcError, match="the file can't be read: Bad file descriptor")
    with path.open("ab") as writable, lent(channel, writable.fileno()) as url, unreadable:
        put_url(pfs, url)
    assert path.read_text() == "old"
    assert pfs.InspectFile(pfs_pb2.InspectFileRequest(file=FILE)).size_bytes == 3


def test_what_could_keep_the_daemon_waiting_is_not_taken(channel: grpc.Channel) -> None:
    info = local_pb2_grpc.LocalStub(channel).InspectHandover(Empty())
    reader, writer = os.pipe()
    for files in ([reader], []):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(info.socket)
            socket.send_fds(connection, [b"f"], files)
            assert connection.recv(256) == b""
    os.close(reader)
    os.close(writer)


def test_nobody_else_can_reach_the_socket(shared: Daemon) -> None:
    assert (shared.root / "handover.socket").is_socket()
    assert shared.root.stat().st_mode & 0o077 == 0


def test_a_socket_that_was_left_is_replaced_and_ours_goes_with_us(
    daemon: Daemon, tmp_path: Path
) -> None:
    daemon.stop(signal.SIGKILL)
    assert (daemon.root / "handover.socket").exists()
    daemon.start()
    source = tmp_path / "source"
    source.write_bytes(LARGE)
    daemon.pachctl("create", "repo", "a")
    daemon.pachctl("put", "file", "a@master:/f", "-f", str(source))
    daemon.pachctl("get", "file", "a@master:/f", "-o", str(tmp_path / "target"))
    assert (tmp_path / "target").read_bytes() == LARGE
    daemon.stop()
    assert not (daemon.root / "handover.socket").exists()


def test_without_the_socket_files_are_sent(daemon: Daemon, tmp_path: Path) -> None:
    (daemon.root / "handover.socket").unlink()
    (tmp_path / "source").write_bytes(LARGE)
    daemon.pachctl("create", "repo", "a")
    daemon.pachctl("put", "file", "a@master:/f", "-f", str(tmp_path / "source"))
    daemon.pachctl("get", "file", "a@master:/f", "--offset=3", "-o", str(tmp_path / "target"))
    assert (tmp_path / "target").read_bytes() == LARGE[3:]


@pytest.mark.slow
def test_more_large_files_than_are_lent_at_a_time(
    shared: Daemon, pfs: pfs_pb2_grpc.APIStub, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(70):
        with (folder / f"{number:02}").open("wb") as file:
            file.write(b"%02d" % number)
            file.truncate(4 << 20)
    shared.pachctl("put", "file", "a@master:/", "-r", "-f", str(folder))
    listed = shared.pachctl("list", "file", "a@master").splitlines()[1:]
    assert [line.split()[0] for line in listed] == ["4MiB"] * 70
    assert shared.pachctl("get", "file", "a@master:/69").startswith("69\0")


def test_a_file_that_is_not_there_leaves_the_target_alone(
    shared: Daemon, pfs: pfs_pb2_grpc.APIStub, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.write_text("old")
    refused = shared.run("pachctl", "get", "file", "a@master:/f", "-o", str(target))
    assert refused.returncode == 1
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["target"]
