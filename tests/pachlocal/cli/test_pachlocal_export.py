"""Repos and pipelines go from one pachlocal to another, and are the same there."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from programs import Program
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

pytestmark = pytest.mark.slow

LARGE = b"0123456789abcdef" * 700_000  # some messages
SPEC = {
    "pipeline": {"name": "upper"},
    "description": "Shouts.",
    "transform": {
        "image": "busybox:1",
        "cmd": ["sh"],
        "stdin": ["for f in /pfs/data/*.txt; do tr a-z A-Z < $f > /pfs/out/${f##*/}; done"],
    },
    "input": {"pfs": {"repo": "data", "glob": "/*.txt", "project": "default"}},
}
COUNT = {
    "pipeline": {"name": "count"},
    "transform": {"image": "busybox:1", "cmd": ["sh"], "stdin": ["cat /pfs/upper/* > /pfs/out/n"]},
    "input": {"pfs": {"repo": "upper", "glob": "/"}},
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A server with a history: files come, change and go, on branches that fork."""
    folder = tmp_path_factory.mktemp("source")
    daemon = Daemon(folder / "store")
    daemon.start()
    make_history(daemon, folder / "content")
    yield daemon
    daemon.end()
    print(daemon.log)


def make_history(daemon: Daemon, file: Path) -> None:
    def put(branch: str, path: str, content: bytes = b"") -> None:
        file.write_bytes(content)
        pachctl("put", "file", f"data@{branch}:{path}", "-f", str(file))

    pachctl = daemon.pachctl
    pachctl("create", "repo", "data", "--description", "Ünïcode")
    put("master", "/a.txt", b"one\n")
    put("master", r'/odd/a|b \ "c".bin', LARGE)
    put("master", "/same", LARGE)
    put("master", "/empty")
    pachctl("create", "branch", "data@fork", "--head", "master^")
    put("fork", "/a.txt", b"fork\n")
    pachctl("start", "commit", "data@master", "--description", "a file becomes a folder")
    pachctl("delete", "file", "data@master:/same")
    pachctl("put", "file", "data@master:/same/b.txt", stdin="deep\n")
    pachctl("put", "file", "data@master:/b.txt", stdin="two\n")
    pachctl("finish", "commit", "data@master")
    pachctl("create", "branch", "data@short", "--head", "fork")
    put("short", "/c.txt", b"c")
    pachctl("delete", "branch", "data@short")
    pachctl("create", "repo", "other")
    pachctl("put", "file", "other@master:/x", stdin="x")
    pachctl("start", "commit", "other@master")  # and it stays open
    pachctl("create", "branch", "data@daily", "--trigger", "master", "--trigger-commits", "9")
    fork, quiet = branch("data", "fork"), branch("other", "quiet")
    never = pfs_pb2.BranchPropagationSpec(
        branch=fork, propagation_spec=pfs_pb2.PropagationSpec(never=True)
    )
    with grpc.insecure_channel(daemon.address) as channel:
        pfs_pb2_grpc.APIStub(channel).CreateBranch(
            pfs_pb2.CreateBranchRequest(
                branch=quiet, provenance=[fork], branch_propagation_specs=[never]
            )
        )
    for spec in (SPEC, COUNT):
        pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))
    pachctl("update", "pipeline", "-f", "-", stdin=json.dumps({**SPEC, "description": "LOUD"}))
    pachctl("wait", "commit", "count@master")


@pytest.fixture
def target(new_daemon: Callable[[str], Daemon]) -> Daemon:
    daemon = new_daemon("target")
    daemon.start()
    return daemon


def pachlocal(daemon: Daemon, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = daemon.run("pachlocal", *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def raw(daemon: Daemon, *words: str) -> list[dict[str, Any]]:
    text, found, decoder = daemon.pachctl(*words, "--raw"), [], json.JSONDecoder()
    while text := text.strip():
        message, end = decoder.raw_decode(text)
        found.append(message)
        text = text[end:]
    return found


def files(daemon: Daemon, commit: str) -> dict[str, object]:
    """Returns the hash of each file, which says what is in it: both ends are of the same kind."""
    infos = raw(daemon, "glob", "file", f"{commit}:/**")
    return {info["file"]["path"]: info["hash"] for info in infos}


def history(daemon: Daemon, repo: str) -> list[tuple[object, ...]]:
    """Returns all that a repo's commits tell but their IDs and times, the oldest first."""
    infos = raw(daemon, "list", "commit", repo)[::-1]
    numbers = {info["commit"]["id"]: number for number, info in enumerate(infos)}
    return [
        (
            numbers.get(info.get("parent_commit", {}).get("id")),
            info.get("description"),
            files(daemon, f"{repo}@{info['commit']['id']}"),
        )
        for info in infos
        if "finished" in info
    ]


def branch(repo: str, name: str) -> pfs_pb2.Branch:
    return pfs_pb2.Branch(repo=pfs_pb2.Repo(name=repo), name=name)


def heads(daemon: Daemon, repo: str) -> dict[str, object]:
    newest = [info["commit"]["id"] for info in raw(daemon, "list", "commit", repo)][::-1]
    return {
        info["branch"]["name"]: (newest.index(info["head"]["id"]), info.get("trigger"))
        for info in raw(daemon, "list", "branch", repo)
    }


def test_what_is_exported_arrives(source: Daemon, target: Daemon, tmp_path: Path) -> None:
    export, mapping = tmp_path / "all.tar", tmp_path / "mapping.json"
    done = pachlocal(source, "export", "-o", str(export))
    assert "2 repos with" in done.stdout
    assert "other@" in done.stderr
    assert "is open and left out" in done.stderr

    done = pachlocal(target, "import", str(export), "--mapping", str(mapping))
    assert history(target, "data") == history(source, "data")
    assert heads(target, "data") == heads(source, "data")
    assert history(target, "other") == history(source, "other")
    infos = {info["branch"]["name"]: info for info in raw(target, "list", "branch", "other")}
    (spec,) = infos["quiet"]["branch_propagation_specs"]
    assert (spec["branch"]["name"], spec["propagation_spec"]) == ("fork", {"never": True})
    (info,) = raw(target, "inspect", "repo", "data")
    assert info["description"] == "Ünïcode"
    old, new = (raw(it, "list", "commit", "data") for it in (source, target))
    ids = {
        before["commit"]["id"]: after["commit"]["id"]
        for before, after in zip(old, new, strict=True)
    }
    assert json.loads(mapping.read_text())["data"] == ids
    assert all(f"data@{a} is now data@{b}\n" in done.stdout for a, b in ids.items())

    for pipeline in ("upper", "count"):
        target.pachctl("wait", "commit", f"{pipeline}@master")
        results = [files(it, f"{pipeline}@master") for it in (source, target)]
        assert results[0] == results[1] != {}
    (pipeline_info,) = raw(target, "inspect", "pipeline", "upper")
    assert pipeline_info["details"]["description"] == "LOUD"


def test_a_person_can_read_it(source: Daemon, target: Daemon, tmp_path: Path) -> None:
    export, folder = tmp_path / "all.tar", tmp_path / "unpacked"
    pachlocal(source, "export", "upper", "--address", f"grpc://{source.address}", "-o", str(export))
    with tarfile.open(export) as tar:
        names = tar.getnames()
    folder.mkdir()
    subprocess.run(["tar", "-xf", export, "-C", folder], check=True)
    assert len(names) == len(set(names))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [repo["name"] for repo in manifest["repos"]] == ["data"]
    (pipeline,) = manifest["pipelines"]
    assert (pipeline["spec"]["description"], pipeline["version"]) == ("LOUD", 2)
    assert pipeline["earlier"]["1"]["description"] == "Shouts."
    contents = [path for path in folder.glob("content/*/*") if path.stat().st_size == len(LARGE)]
    assert len(contents) == 1
    sums = subprocess.run(["sha256sum", contents[0]], capture_output=True, text=True, check=True)
    assert sums.stdout.split()[0] == contents[0].name

    pachlocal(target, "import", str(folder), "--project", "elsewhere")
    target.pachctl("wait", "commit", "upper@master", "--project", "elsewhere")
    text = target.pachctl("get", "file", "upper@master:b.txt", "--project", "elsewhere")
    assert text == "TWO\n"


def test_what_is_there_is_not_written_over_unasked(
    source: Daemon, target: Daemon, tmp_path: Path
) -> None:
    export = tmp_path / "all.tar"
    pachlocal(source, "export", "count", "-o", str(export))
    pachlocal(target, "import", str(export))
    target.pachctl("put", "file", "data@master:/new.txt", stdin="new")
    done = pachlocal(target, "import", str(export), code=1)
    assert done.stderr.startswith("pachlocal: already at grpc://")
    assert "default/data, default/upper, default/count; --replace" in done.stderr

    foreign = {**COUNT, "pipeline": {"name": "foreign"}}
    target.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(foreign))
    done = pachlocal(target, "import", str(export), "--replace", code=1)
    assert "default/foreign reads " in done.stderr
    assert target.pachctl("get", "file", "data@master:/new.txt") == "new"
    target.pachctl("delete", "pipeline", "foreign")

    pachlocal(target, "import", str(export), "--replace")
    assert history(target, "data") == history(source, "data")
    target.pachctl("wait", "commit", "count@master")
    assert target.pachctl("get", "file", "count@master:n") == "ONE\nTWO\n"


def damaged(export: Path, spoilt: Path) -> None:
    """Writes a copy in which a byte of the large content is another."""
    with tarfile.open(export) as tar, tarfile.open(spoilt, "w") as out:
        for entry in tar:
            file = tar.extractfile(entry)
            assert file
            content = file.read()
            if len(content) == len(LARGE):
                content = b"X" + content[1:]
            out.addfile(entry, io.BytesIO(content))


def test_a_damaged_export_changes_nothing(source: Daemon, target: Daemon, tmp_path: Path) -> None:
    export, spoilt = tmp_path / "all.tar", tmp_path / "spoilt.tar"
    pachlocal(source, "export", "data", "-o", str(export))
    damaged(export, spoilt)
    done = pachlocal(target, "import", str(spoilt), code=1)
    assert "is damaged: its bytes don't match its name" in done.stderr

    spoilt.write_bytes(export.read_bytes()[: len(LARGE) // 2])
    done = pachlocal(target, "import", str(spoilt), code=1)
    assert done.stderr.startswith(f"pachlocal: {spoilt}: not a whole tar file")

    spoilt.write_text("no tar")
    done = pachlocal(target, "import", str(spoilt), code=1)
    assert done.stderr.startswith(f"pachlocal: {spoilt}: not a whole tar file")
    assert raw(target, "list", "repo") == []


def test_a_pipe_stays_a_pipe(source: Daemon, tmp_path: Path) -> None:
    pipe, export = tmp_path / "pipe", tmp_path / "all.tar"
    os.mkfifo(pipe)
    with export.open("wb") as out, Program(["cat", pipe], stdout=out) as reader:
        pachlocal(source, "export", "data", "-o", str(pipe))
        assert pipe.is_fifo()
        assert reader.wait(10) == 0
    assert tarfile.is_tarfile(export)


def test_what_cannot_be_done_is_said_in_a_line(daemon: Daemon, tmp_path: Path) -> None:
    export = tmp_path / "none.tar"
    done = pachlocal(daemon, "export", "gone", "-o", str(export), code=1)
    assert done.stderr == "pachlocal: repo default/gone not found\n"
    assert not export.exists()
    done = pachlocal(daemon, "export", "--address", "grpc://127.0.0.1:1", code=1)
    assert done.stderr.count("\n") == 1
    assert "no Pachyderm answers at grpc://127.0.0.1:1" in done.stderr
    done = pachlocal(daemon, "export", "-o", str(tmp_path / "gone" / "all.tar"), code=1)
    assert done.stderr == f"pachlocal: {tmp_path / 'gone'}: no such directory\n"
