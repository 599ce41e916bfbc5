"""pachctl's commands about the server as a whole, its configuration, and what is noted."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from walkthrough.machine import Daemon


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("cluster") / "store")
    daemon.start()
    try:
        daemon.pachctl("create", "repo", "in")
        daemon.pachctl("put", "file", "in@master:/a", stdin="text")
        yield daemon
    finally:
        daemon.end()


def noted(daemon: Daemon, kind: str, name: str) -> Any:
    return json.loads(daemon.pachctl("inspect", kind, name, "--raw")).get("metadata", {})


def test_keys_are_noted_about_things(shared: Daemon) -> None:
    edit = ("edit", "metadata")
    shared.pachctl(
        *edit, "repo", "in", "add", "a=b", "branch", "in@master", "add", "'x y'=\"1\\n2\""
    )
    assert noted(shared, "repo", "in") == {"a": "b"}
    assert noted(shared, "branch", "in@master") == {"x y": "1\n2"}
    shared.pachctl(*edit, "commit", "in@master", "replace", "k=v;l='w'")
    assert noted(shared, "commit", "in@master") == {"k": "v", "l": "w"}
    shared.pachctl(*edit, "commit", "default/in@master", "replace", '{"m": "n"}')
    assert noted(shared, "commit", "in@master") == {"m": "n"}
    shared.pachctl(*edit, "repo", "in", "edit", "a=c", "project", "default", "add", "p=q")
    assert noted(shared, "repo", "in") == {"a": "c"}
    assert noted(shared, "project", "default") == {"p": "q"}
    shared.pachctl(*edit, "repo", "in", "delete", "a", "cluster", ".", "add", "c=d")
    assert noted(shared, "repo", "in") == {}
    cluster = json.loads(shared.pachctl("inspect", "cluster", "--raw"))
    assert cluster["metadata"] == {"c": "d"}
    assert shared.pachctl("inspect", "cluster") == f"{cluster['id']}\n"


@pytest.mark.parametrize(
    "words",
    [
        ("repo", "in", "add"),
        ("shelf", "in", "add", "a=b"),
        ("repo", "in", "join", "a=b"),
        ("repo", "in@master", "add", "a=b"),
        ("branch", "in", "add", "a=b"),
        ("repo", "in", "add", "a=b;c=d"),
        ("repo", "in", "add", "a"),
        ("repo", "in", "replace", "{"),
    ],
)
def test_what_is_no_change_of_metadata_is_a_mistake_of_usage(
    pachctl: Any, words: tuple[str, ...]
) -> None:
    assert pachctl("edit", "metadata", *words).code == 2


def test_waiting_tells_by_its_exit_code_whether_it_failed(shared: Daemon) -> None:
    for name, command in (("good", "true"), ("bad", "exit 1")):
        spec = {
            "pipeline": {"name": name},
            "transform": {"image": "none:1", "cmd": ["sh", "-c", command]},
            "input": {"pfs": {"repo": "in", "glob": "/*"}},
            "datum_tries": 1,
        }
        shared.pachctl("create", "pipeline", stdin=json.dumps(spec))

    def code(*words: str) -> int:
        return shared.run("pachctl", "wait", *words).returncode

    def job(name: str) -> str:
        info = json.loads(shared.pachctl("inspect", "branch", f"{name}@master", "--raw"))
        return str(info["head"]["id"])

    assert code("commit", "bad@master") == 0
    assert code("commit", "bad@master", "--fail") == 1
    assert code("commit", "good@master", "--fail") == 0
    assert code("job", f"bad@{job('bad')}") == 0
    assert code("job", f"bad@{job('bad')}", "--fail") == 1
    assert code("job", job("bad"), "--fail") == 1
    assert code("commit", job("bad"), "--fail") == 1
    assert code("job", job("good"), "--fail") == 0
    assert shared.pachctl("check", "status", "-A").splitlines()[0].split() == [
        "PROJECT",
        "PIPELINE",
        "ALERT",
    ]


def test_jobs_and_datums_are_found_by_less_than_an_id(shared: Daemon) -> None:
    spec = {
        "pipeline": {"name": "found"},
        "transform": {"image": "none:1", "cmd": ["echo", "hello"]},
        "input": {"pfs": {"repo": "in", "glob": "/*"}},
    }
    shared.pachctl("create", "pipeline", stdin=json.dumps(spec))
    shared.pachctl("wait", "commit", "found@master")

    def id_of(*words: str) -> str:
        return str(json.loads(shared.pachctl("inspect", *words, "--raw"))[words[0]]["id"])

    job = id_of("job", "found@master")
    assert {id_of("job", f"found@{name}") for name in (job, job[:8], "latest")} == {job}
    assert job in shared.pachctl("wait", "job", "found@latest")
    assert shared.pachctl("logs", "-j", "found@latest") == "hello\n"
    (line,) = shared.pachctl("list", "datum", "found@latest").splitlines()[1:]
    datum = line.split()[0]
    assert id_of("datum", "found@latest", datum[:6]) == datum
    assert "not found" in shared.run("pachctl", "inspect", "job", "found@abcd1234").stderr
    assert "not found" in shared.run("pachctl", "inspect", "datum", "found@latest", "0" * 8).stderr


def test_a_specification_is_checked_without_a_server(pachctl: Any, tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text('{"pipeline": {"name": "p"}}')
    assert pachctl("validate", "pipeline", "-f", str(path)) == (0, "", "")
    path.write_text('{"pipeline": {"nme": "p"}}')
    outcome = pachctl("validate", "pipeline", "-f", str(path))
    assert (outcome.code, "pipeline.nme: no such field" in outcome.err) == (1, True)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "config.json"
    monkeypatch.setenv("PACH_CONFIG", str(path))
    return path


def test_contexts_are_made_chosen_changed_and_deleted(
    config: Path, pachctl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pachctl("connect", "localhost:1234", "--alias", "near")
    assert made.out == (
        "New context 'near' created, will connect to Pachyderm at grpc://localhost:1234\n"
        "Context 'near' set as active\n"
    )
    for problem in ("", "already exists"):
        given = io.BytesIO(b'{"pachd_address": "far:1"}')
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(given))
        assert problem in pachctl("config", "set", "context", "far").err
    assert pachctl("config", "update", "context", "--project", "botany").code == 0
    assert pachctl("config", "get", "active-context").out == "near\n"
    assert json.loads(pachctl("config", "get", "context").out) == {
        "pachd_address": "grpc://localhost:1234",
        "project": "botany",
    }
    assert pachctl("config", "set", "active-context", "far").code == 0
    assert json.loads(pachctl("config", "get", "context").out) == {"pachd_address": "grpc://far:1"}
    assert pachctl("config", "delete", "context", "far").err.endswith(
        "cannot delete an active context\n"
    )
    assert pachctl("config", "delete", "context", "near").code == 0
    assert set(json.loads(config.read_text())["v2"]["contexts"]) == {"far"}
    assert config.stat().st_mode & 0o077 == 0
    for words in (("set", "active-context", "x"), ("update", "context", "x")):
        assert "context does not exist: x" in pachctl("config", *words).err


def test_another_program_compares_files(shared: Daemon) -> None:
    compared = shared.pachctl("diff", "file", "in@master:/a", "--diff-command", "wc -c")
    assert compared.splitlines()[-1].split() == ["4", "total"]
    missing = shared.run(
        "pachctl", "diff", "file", "in@master:/a", "--diff-command", "no-such-thing"
    )
    assert "there is no program `no-such-thing` to compare with" in missing.stderr


@pytest.mark.parametrize("name", ["files.tar", "files.tar.gz", "files.tgz"])
def test_the_files_of_an_archive_are_put(shared: Daemon, tmp_path: Path, name: str) -> None:
    large = b"0123456789" * 300_000
    archive = tmp_path / name
    with tarfile.open(archive, "w:gz" if name.endswith("gz") else "w") as tar:
        for path, content in (("folder", None), ("folder/small", b"x"), ("./large", large)):
            entry = tarfile.TarInfo(path)
            if content is None:
                entry.type = tarfile.DIRTYPE
            entry.size = len(content or b"")
            tar.addfile(entry, io.BytesIO(content or b""))
    branch = f"in@{name.replace('.', '-')}"
    shared.pachctl("put", "file", f"{branch}:/ignored", "--untar", "-f", str(archive))
    listed = shared.pachctl("glob", "file", f"{branch}:/**")
    assert [line.split()[-1] for line in listed.splitlines()[1:]] == [
        "/folder/",
        "/folder/small",
        "/large",
    ]
    target = tmp_path / "large"
    shared.pachctl("get", "file", f"{branch}:/large", "-o", str(target))
    assert target.read_bytes() == large


def test_what_a_file_lacks_is_appended(shared: Daemon, tmp_path: Path) -> None:
    target = tmp_path / "a"
    for there in (b"", b"te", b"text"):
        target.write_bytes(there)
        shared.pachctl("get", "file", "in@master:/a", "--retry", "-o", str(target))
        assert target.read_bytes() == b"text"
    target.unlink()
    shared.pachctl("get", "file", "in@master:/a", "--retry", "-o", str(target))
    assert target.read_bytes() == b"text"


def test_what_is_no_archive_is_told_and_nothing_put(shared: Daemon, tmp_path: Path) -> None:
    archive = tmp_path / "no.tar"
    archive.write_bytes(b"no archive" * 1000)
    run = shared.run("pachctl", "put", "file", "in@other", "--untar", "-f", str(archive))
    assert run.returncode == 1
    assert "no.tar: it isn't a complete tar archive" in run.stderr
