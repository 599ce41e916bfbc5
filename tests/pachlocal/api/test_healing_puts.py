"""Content that the store has already, damaged, is healed by whoever brings it again."""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

pytestmark = pytest.mark.slow

SMALL = b"5.9,3.0,5.1,1.8\n"
LARGE = random.Random(7).randbytes(9 << 20)  # noqa: S311 - not a secret; it is handed over
CONTENT = {"small": SMALL, "large": LARGE}
COPY = {
    "pipeline": {"name": "copy"},
    "transform": {"image": "busybox:1", "cmd": ["sh", "-c", "cp $CONTENT/* /pfs/out"]},
    "input": {"pfs": {"repo": "begin", "glob": "/"}},
}


@pytest.fixture
def content(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    folder.mkdir()
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def daemon(content: Path) -> Iterator[Daemon]:
    """A daemon that has the content, on a path that isn't too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="pl-") as folder:
        daemon = Daemon(Path(folder) / "store")
        daemon.start()
        daemon.pachctl("create", "repo", "data")
        daemon.pachctl("put", "file", "data@master:/", "-r", "-f", str(content))
        yield daemon
        daemon.end()


def damage(daemon: Daemon) -> None:
    """Change a byte of each piece of the content, and of nothing else."""
    daemon.stop()
    chunks = [file for file in daemon.root.glob("chunks/*/*") if file.is_file()]
    assert len(chunks) > 1
    for chunk in chunks:
        with chunk.open("r+b") as file:
            byte = file.read(1)[0]
            file.seek(0)
            file.write(bytes([byte ^ 1]))
    with closing(sqlite3.connect(daemon.root / "pach.db")) as database, database:
        changed = database.execute("UPDATE objects SET data = ? WHERE data = ?", (b"!", SMALL))
        assert changed.rowcount == 1
    daemon.start()


def put(daemon: Daemon, content: Path) -> str:
    daemon.pachctl("create", "repo", "again")
    daemon.pachctl("put", "file", "again@master:/", "-r", "-f", str(content))
    return "again"


def stream(daemon: Daemon, content: Path) -> str:
    repo = pfs_pb2.Repo(name="again", type="user", project=pfs_pb2.Project(name="default"))
    daemon.pachctl("create", "repo", "again")
    with grpc.insecure_channel(daemon.address) as channel:
        pfs_pb2_grpc.APIStub(channel).ModifyFile(requests(pfs_pb2.Commit(repo=repo, id="master")))
    return "again"


def add_file_set(daemon: Daemon, content: Path) -> str:
    repo = pfs_pb2.Repo(name="again", type="user", project=pfs_pb2.Project(name="default"))
    daemon.pachctl("create", "repo", "again")
    daemon.pachctl("start", "commit", "again@master")
    with grpc.insecure_channel(daemon.address) as channel:
        pfs = pfs_pb2_grpc.APIStub(channel)
        made = pfs.CreateFileSet(requests(None))
        commit = pfs_pb2.Commit(repo=repo, branch=pfs_pb2.Branch(repo=repo, name="master"))
        request = pfs_pb2.AddFileSetRequest(commit=commit, file_set_id=made.file_set_id)
        pfs.AddFileSet(request)
    daemon.pachctl("finish", "commit", "again@master")
    return "again"


def requests(commit: pfs_pb2.Commit | None) -> Iterator[pfs_pb2.ModifyFileRequest]:
    if commit is not None:
        yield pfs_pb2.ModifyFileRequest(set_commit=commit)
    for name, data in CONTENT.items():
        for start in range(0, len(data), 1 << 20):
            piece = BytesValue(value=data[start : start + (1 << 20)])
            yield pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path=f"/{name}", raw=piece))


def run_pipeline(daemon: Daemon, content: Path) -> str:
    daemon.pachctl("create", "repo", "begin")
    spec = json.loads(json.dumps(COPY))
    spec["transform"]["env"] = {"CONTENT": str(content)}
    daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))
    daemon.pachctl("put", "file", "begin@master:/go", stdin="go")
    daemon.pachctl("wait", "commit", "copy@master")
    return "copy"


def import_(daemon: Daemon, content: Path) -> str:
    archive = content.parent / "archive.tar"
    other = Daemon(daemon.root.with_name("other"))
    other.start()
    try:
        put(other, content)
        exported = other.run("pachlocal", "export", "-o", str(archive))
    finally:
        other.end()
    assert exported.returncode == 0, exported.stderr
    imported = daemon.run("pachlocal", "import", str(archive))
    assert imported.returncode == 0, imported.stderr
    return "again"


@pytest.mark.parametrize("bring", [put, stream, add_file_set, run_pipeline, import_])
def test_what_is_brought_again_is_there_whole(
    daemon: Daemon, content: Path, bring: Callable[[Daemon, Path], str]
) -> None:
    damage(daemon)
    assert daemon.run("pachctl", "get", "file", "data@master:/large", "-o", "-").returncode != 0
    repo = bring(daemon, content)
    for name, data in CONTENT.items():
        for owner in (repo, "data"):
            got = content.parent / f"{owner}-{name}"
            daemon.pachctl("get", "file", f"{owner}@master:/{name}", "-o", str(got))
            assert got.read_bytes() == data
    assert daemon.pachctl("fsck") == "No errors found.\n"
