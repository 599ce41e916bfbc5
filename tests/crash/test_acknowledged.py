"""What a call has changed is synced when it is answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from walkthrough.machine import Daemon

from crash.disk import recorder
from crash.disk.events import Kind
from crash.disk.model import Disk, Fate, File, Folder, Kept, Lost
from crash.disk.recorded import RecordedDaemon
from crash.load import read
from pachlocal.proto import (
    metadata_pb2,
    metadata_pb2_grpc,
    pfs_pb2,
    pfs_pb2_grpc,
    pps_pb2,
    pps_pb2_grpc,
    pps_spec_pb2,
    transaction_pb2,
    transaction_pb2_grpc,
)

_PROJECT = pfs_pb2.Project(name="default")
_REPO = pfs_pb2.Repo(name="data", type="user", project=_PROJECT)
_PIPELINE = pps_spec_pb2.Pipeline(name="copy", project=_PROJECT)
_MASTER = pfs_pb2.Branch(repo=_REPO, name="master")
_SECRET = b"""
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"key": "dg=="}}
"""
_FILES = {"/small": b"5.1,3.5,1.4,0.2,Iris-setosa\n", "/large": bytes(range(256)) * 1200}

# What is written by itself, between calls: it isn't promised to be there.
_TABLES = ("logs", "datums", "objects")
_COLUMNS = ("state", "reason")


class Recording(NamedTuple):
    """What a daemon did, and how far it had come when it answered each call."""

    daemon: RecordedDaemon
    answers: dict[str, int]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    folder = tmp_path_factory.mktemp("recording")
    daemon = RecordedDaemon(folder / "disk", recorder.build(folder))
    daemon.start()
    answers = {}
    try:
        with grpc.insecure_channel(daemon.address) as channel:
            for name in calls(channel):
                answers[name] = daemon.position()
        daemon.stop()
        yield Recording(daemon, answers)
    finally:
        daemon.end()


def calls(channel: grpc.Channel) -> Iterator[str]:
    """Changes a store in every way; yields what was done as soon as it is answered."""
    pfs = pfs_pb2_grpc.APIStub(channel)
    pfs.CreateProject(pfs_pb2.CreateProjectRequest(project=pfs_pb2.Project(name="p")))
    yield "create project"
    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_REPO))
    yield "create repo"
    pfs.ModifyFile(modifications("master", _FILES))
    yield "put files"
    pfs.ModifyFile(modifications("master", {"/small": b"changed\n"}))
    yield "put a file"
    commit = pfs.StartCommit(pfs_pb2.StartCommitRequest(branch=_MASTER))
    yield "start commit"
    pfs.ModifyFile(modifications(commit.id, {"/other": _FILES["/large"][1:]}))
    yield "put a file into an open commit"
    set_ = pfs.CreateFileSet(modifications("", {"/from-a-set": _FILES["/large"][2:]}))
    yield "create file set"
    pfs.AddFileSet(pfs_pb2.AddFileSetRequest(commit=commit, file_set_id=set_.file_set_id))
    yield "add file set"
    yield from other_calls(channel)  # no job begins by itself meanwhile
    pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=commit))
    yield "finish commit"
    left = pfs_pb2.Branch(repo=_REPO, name="left")
    pfs.CreateBranch(pfs_pb2.CreateBranchRequest(branch=left, head=commit))
    yield "create branch"
    pfs.DropCommit(pfs_pb2.DropCommitRequest(commit=pfs_pb2.Commit(repo=_REPO, id="left")))
    yield "drop commit"
    squashed = pfs_pb2.Commit(repo=_REPO, id="master^1")
    pfs.SquashCommit(pfs_pb2.SquashCommitRequest(commit=squashed, recursive=True))
    yield "squash commit"
    pfs.DeleteBranch(pfs_pb2.DeleteBranchRequest(branch=left))
    yield "delete branch"
    pfs.DeleteRepo(pfs_pb2.DeleteRepoRequest(repo=_REPO))
    yield "delete repo"


def other_calls(channel: grpc.Channel) -> Iterator[str]:
    """Changes what isn't a file."""
    pps = pps_pb2_grpc.APIStub(channel)
    name = pfs_pb2.RepoPicker.RepoName(name="data")
    edit = metadata_pb2.Edit(repo=pfs_pb2.RepoPicker(name=name))
    edit.add_key.key, edit.add_key.value = "key", "value"
    metadata_pb2_grpc.APIStub(channel).EditMetadata(metadata_pb2.EditMetadataRequest(edits=[edit]))
    yield "edit metadata"
    pps.CreateSecret(pps_pb2.CreateSecretRequest(file=_SECRET))
    yield "create secret"
    pps.CreatePipeline(
        pps_spec_pb2.CreatePipelineRequest(
            pipeline=_PIPELINE,
            transform=pps_spec_pb2.Transform(image="busybox:1", cmd=["true"]),
            input=pps_spec_pb2.Input(pfs=pps_spec_pb2.PFSInput(repo="data", glob="/*")),
        )
    )
    yield "create pipeline"
    pps.StopPipeline(pps_pb2.StopPipelineRequest(pipeline=_PIPELINE))
    yield "stop pipeline"
    pps.StartPipeline(pps_pb2.StartPipelineRequest(pipeline=_PIPELINE))
    yield "start pipeline"
    pps.DeletePipeline(pps_pb2.DeletePipelineRequest(pipeline=_PIPELINE))
    yield "delete pipeline"
    transactions = transaction_pb2_grpc.APIStub(channel)
    started = transactions.StartTransaction(transaction_pb2.StartTransactionRequest())
    yield "start transaction"
    late = pfs_pb2.Repo(name="late", type="user", project=_PROJECT)
    pfs_pb2_grpc.APIStub(channel).CreateRepo(
        pfs_pb2.CreateRepoRequest(repo=late), metadata=[("pach-transaction", started.id)]
    )
    yield "create repo in a transaction"
    transactions.FinishTransaction(transaction_pb2.FinishTransactionRequest(transaction=started))
    yield "finish transaction"


def modifications(commit: str, files: dict[str, bytes]) -> Iterator[pfs_pb2.ModifyFileRequest]:
    if commit:
        target = pfs_pb2.Commit(repo=_REPO, id=commit)
        yield pfs_pb2.ModifyFileRequest(set_commit=target)
    for path, data in files.items():
        yield pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=path))
        add = pfs_pb2.AddFile(path=path, raw=BytesValue(value=data))
        yield pfs_pb2.ModifyFileRequest(add_file=add)


def disks(recording: Recording) -> Iterator[tuple[str, Disk]]:
    """Yields each call and the disk when it was answered."""
    left = list(recording.answers.items())
    for event, disk in recording.daemon.replay():
        while left and left[0][1] <= event.end:
            yield left.pop(0)[0], disk
    assert not left


def test_what_was_answered_is_synced(recording: Recording, tmp_path: Path) -> None:
    before = None
    for number, (call, disk) in enumerate(disks(recording)):
        left = rows(disk, tmp_path / f"{number}-lost", Lost())
        assert left == rows(disk, tmp_path / f"{number}-kept", Kept()), f"not synced: {call}"
        assert left != before, f"changed nothing: {call}"
        before = left


def rows(disk: Disk, store: Path, fate: Fate) -> dict[str, list[Any]]:
    """Returns what the tables hold after a power cut."""
    store.mkdir()
    folder = disk.find("store")
    assert isinstance(folder, Folder)
    for name, node in fate.names(folder).items():
        if isinstance(node, File):
            (store / name).write_bytes(fate.data(node))
    with closing(sqlite3.connect(store / "pach.db")) as connection:
        connection.row_factory = sqlite3.Row
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {
            name: [
                {key: row[key] for key in row.keys() if key not in _COLUMNS}  # noqa: SIM118
                for row in connection.execute(f"SELECT * FROM {name}")
            ]
            for (name,) in tables.fetchall()
            if name not in _TABLES
        }


def test_a_daemon_finds_what_was_put(
    recording: Recording, new_daemon: Callable[[str], Daemon]
) -> None:
    daemon = new_daemon("left/store")
    for call, disk in disks(recording):
        if call == "put files":
            disk.cut(daemon.root.parent, Lost())
    daemon.start()
    assert files_of(daemon) == _FILES


def test_a_file_gets_its_name_when_its_bytes_are_on_disk(recording: Recording) -> None:
    named = 0
    for event, disk in recording.daemon.replay():
        if event.kind is Kind.RENAME and "/chunks/" in event.path:
            assert not disk.find(event.second).pending  # another put may rely on it from now on
            named += 1
    assert named


def files_of(daemon: Daemon) -> dict[str, bytes]:
    """Returns what the branch holds, in a store that must be sound."""
    with grpc.insecure_channel(daemon.address) as channel:
        pfs = pfs_pb2_grpc.APIStub(channel)
        assert list(pfs.Fsck(pfs_pb2.FsckRequest())) == []
        return read(pfs, pfs_pb2.Commit(repo=_REPO, id="master"))
