"""`pachlocal.testing`, as tests of pipelines use it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pachlocal.errors import CliError
from pachlocal.testing import PipelineError, Server

COPY = 'for f in /pfs/data/*; do tr a-z A-Z <"$f" >"/pfs/out/$(basename "$f")"; done\n'


def spec(name: str, source: str, glob: str = "/*", **more: Any) -> dict[str, Any]:
    return {
        "pipeline": {"name": name},
        "transform": {"image": f"acme/{name}:1", "cmd": ["sh", "/code/run.sh"]},
        "input": {"pfs": {"repo": source, "glob": glob}},
        **more,
    }


def make_project(folder: Path) -> Path:
    for name in ("clean", "report"):
        (folder / name).mkdir(parents=True)
    compose = folder / "compose.yaml"
    compose.write_text(
        "services:\n  clean: {image: 'acme/clean:1', build: clean}\n"
        "  report: {image: 'acme/report:1', build: report}\n"
    )
    (folder / "clean" / "run.sh").write_text(COPY)
    (folder / "report" / "run.sh").write_text("cat /pfs/clean/* | wc -c >/pfs/out/bytes\n")
    (folder / "report.json").write_text(json.dumps(spec("report", "clean", "/")))
    return compose


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    compose = make_project(tmp_path_factory.mktemp("project"))
    with Server(compose, timeout_s=60) as server:
        yield server


def test_a_change_is_followed_through_its_jobs(server: Server, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "c").write_text("c")
    server.put("data", {"/a": "a", "/b": b"b", "/": tmp_path / "more"})
    assert server.apply(spec("clean", "data"), "report.json").ran == {"clean": 3, "report": 1}
    assert server.files("clean") == {"/a": b"A", "/b": b"B", "/c": b"C"}
    assert server.read("report", "/bytes").strip() == b"3"

    # One changed file is one datum; what reads an output that stays the same doesn't run.
    run = server.put("data", {"/a": "longer"})
    assert run.ran == {"clean": 1, "report": 1}
    assert (run["clean"].skipped, run["clean"].total) == (2, 3)
    assert server.put("data", {"/a": "LONGER"}).ran == {"clean": 1, "report": 0}
    assert server.put("data", {}, delete=["/c"]).ran == {"clean": 0, "report": 1}
    datums = {datum.files: (datum.state, datum.why) for datum in run["clean"].datums}
    assert datums["data:/a",][0] == "success"
    assert datums["data:/a",][1].startswith("data:/a changed")
    assert datums["data:/b",][0] == "skipped"
    with pytest.raises(KeyError, match="those that did: clean, report"):
        run["other"]
    assert server.put("unread", {"/x": "x"}).ran == {}
    assert "clean" in server.pachctl("list", "pipeline")
    assert repr(run).startswith("<run: <job clean@")


def test_a_failure_says_why(server: Server) -> None:
    server.put("input", {"/bad": "x"})
    failing = spec("failing", "input")
    failing["transform"] = {"cmd": ["sh"], "stdin": ["echo out of cheese >&2; exit 3"]}
    failing["datum_tries"] = 1
    run = server.apply(failing)
    assert "exit code 3" in run.failures["failing"]
    assert (run["failing"].state, run["failing"].failed) == ("failure", 1)
    assert run["failing"].log == "out of cheese\n"
    with pytest.raises(PipelineError, match=r"failing: failure: datum .*\n  \| out of cheese"):
        run.check()
    with pytest.raises(PipelineError, match="out of cheese"):
        server.read("failing", "/x")
    with pytest.raises(PipelineError, match=r'pipeline .*nothing" not found'):
        server.pachctl("inspect", "pipeline", "nothing")
    with pytest.raises(PipelineError, match="repo default/absent not found"):
        server.apply(spec("clean", "absent"))
    with pytest.raises(PipelineError, match="not found"):
        server.read("input", "/absent")
    with pytest.raises(CliError, match=r"missing.json"):
        server.apply("missing.json")
    with pytest.raises(PipelineError, match=r"repo default/inptu; did you mean input@master\?$"):
        server.read("inptu", "/bad")


def test_what_cannot_be_put_is_named_and_stops_nothing(server: Server) -> None:
    server.put("texts", {"/a": "1"})
    with pytest.raises(FileNotFoundError, match="no-such-file"):
        server.put("texts", {"/b": Path("no-such-file")})
    with pytest.raises(PipelineError, match="path collision"):
        server.put("texts", {"/a/b": "2"})
    server.put("texts", {"/c": "3"})
    assert server.files("texts") == {"/a": b"1", "/c": b"3"}


def test_what_takes_too_long_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.put("waiting", {"/a": "a"})
    slow = spec("slow", "waiting")
    slow["transform"] = {"cmd": ["sleep", "60"]}
    monkeypatch.setattr(server, "_timeout_s", 0.3)
    with pytest.raises(PipelineError, match=r"not done after 0.3 s: slow \(0 of 1 datums\)"):
        server.apply(slow).check()
    with pytest.raises(PipelineError, match=r"slow@master is not done after 0.3 s"):
        server.files("slow")
    server.pachctl("delete", "pipeline", "slow")


TEST = """\
def test_it(pachlocal):
    pachlocal.put("data", {"/a": "a", "/b": "b"})
    pachlocal.apply("clean.json", "report.json").check()
    assert pachlocal.files("clean") == {"/a": b"A", "/b": b"B"}
    assert pachlocal.put("data", {"/a": "A"}).ran == {"clean": 1, "report": 0}


def test_a_wrong_expectation(pachlocal):
    assert pachlocal.pachctl("list", "repo").splitlines()[1:] == []  # a server of its own
    pachlocal.put("data", {"/a": "a"})
    assert pachlocal.apply("clean.json").ran == {"clean": 2}
"""


@pytest.mark.slow  # the tests that `pachlocal init` writes show most of it
def test_pytest_has_the_fixture(tmp_path: Path) -> None:
    make_project(tmp_path)
    (tmp_path / "clean.json").write_text(json.dumps(spec("clean", "data")))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "pachlocal.testing.plugin", "-q", "tests"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "assert {'clean': 1} == {'clean': 2}" in done.stdout
