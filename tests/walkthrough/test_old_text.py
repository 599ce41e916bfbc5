"""A workshop text of Pachyderm 1.4's time: its commands as they stand in it, with their tables."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .leftovers import processes_of
from .machine import ROOT, TIMEOUT_S, Daemon
from .steps import ONE, TWO

pytestmark = pytest.mark.slow

REPOS = ["NAME", "CREATED", "SIZE"]
FILES = ["NAME", "TYPE", "SIZE"]
JOBS = ["ID", "OUTPUT COMMIT", "STARTED", "DURATION", "RESTART", "PROGRESS", "STATE"]
COMMITS = ["REPO", "ID", "PARENT", "STARTED", "DURATION", "SIZE"]
AGO = re.compile(r"\d+ (seconds?|minutes?) ago|Less than a second ago|-")


class Reader:
    """Somebody who types what the text says, in the folder that it has gone to.

    Attributes:
        folder: Where edited copies go.
        failed: Whether a step has; those after it mean nothing then.
        svm: The commit of the first model.
        old_training: The commit of the first training data.
    """

    def __init__(self, daemon: Daemon, folder: Path) -> None:
        self.daemon = daemon
        self.folder = folder
        self.failed = False
        self.svm = self.old_training = ""
        self._place = ROOT

    def cd(self, place: str) -> None:
        self._place = ROOT / place

    def type(self, command: str) -> str:
        """Runs a line of shell, which must succeed, and returns what it printed."""
        result = subprocess.run(
            ["sh", "-c", command],
            cwd=self._place,
            env=self.daemon.env,
            capture_output=True,
            timeout=TIMEOUT_S,
        )
        out, err = result.stdout.decode("utf-8", "replace"), result.stderr.decode()
        print(f"$ {command}\n{out}{err}", end="")
        assert result.returncode == 0, f"{command}: {err}"
        return out

    def table(self, command: str, columns: list[str]) -> list[list[str]]:
        """Types what prints a table with these columns; returns its rows."""
        header, *rows = self.type(command).splitlines()
        assert re.fullmatch(" +".join(columns), header.strip()), header
        starts = [header.index(column) for column in columns]
        cuts = [slice(*ends) for ends in zip(starts, [*starts[1:], None], strict=True)]
        return [[row[cut].strip() for cut in cuts] for row in rows]

    def edit(self, spec: str, script: str) -> str:
        copy = self.folder / spec
        self.type(f"sed '{script}' {spec} > {copy}")
        assert copy.read_text() != (ROOT / spec).read_text()
        return str(copy)


STEPS: list[Callable[[Reader], None]] = []


def step(do: Callable[[Reader], None]) -> Callable[[Reader], None]:
    STEPS.append(do)
    return do


@step
def step_2_repos(reader: Reader) -> None:
    assert reader.type("pachctl create-repo training") == ""
    assert reader.type("pachctl create-repo attributes") == ""
    repos = _repos(reader)
    assert repos == {"training": "0 B", "attributes": "0 B"}


@step
def step_3_training_data(reader: Reader) -> None:
    reader.cd("data")
    assert reader.type("pachctl put-file training master -c -f iris.csv") == ""
    rows = reader.table("pachctl list-file training master", FILES)
    assert rows == [["iris.csv", "file", "4.444 KiB"]]
    assert _repos(reader)["training"] == "4.444 KiB"
    reader.old_training = _head(reader, "training")


@step
def step_4_training_pipeline(reader: Reader) -> None:
    reader.cd(".")
    assert reader.type("pachctl create-pipeline -f python_train.json") == ""
    assert set(_flush(reader, "training/master")) == {"model"}
    (job,) = _jobs(reader)
    assert job == ("model", "1 / 1", "success")
    assert set(_repos(reader)) == {"training", "attributes", "model"}
    reader.svm = _head(reader, "model")


@step
def step_5_attributes(reader: Reader) -> None:
    reader.cd("data/test")
    assert reader.type("pachctl put-file attributes master -c -r -f .") == ""
    rows = reader.table("pachctl list-file attributes master", FILES)
    assert rows == [["1.csv", "file", "16 B"], ["2.csv", "file", "96 B"]]


@step
def step_6_inference_pipeline(reader: Reader) -> None:
    reader.cd(".")
    assert reader.type("pachctl create-pipeline -f python_infer.json") == ""
    _flush(reader, "attributes/master")
    assert _jobs(reader) == [("inference", "2 / 2", "success"), ("model", "1 / 1", "success")]


@step
def step_7_results(reader: Reader) -> None:
    rows = reader.table("pachctl list-file inference master", FILES)
    assert rows == [["1.csv", "file", "15 B"], ["2.csv", "file", "85 B"]]
    _expect_results(reader)


@step
def step_8_parallelize(reader: Reader) -> None:
    spec = reader.edit("python_infer.json", 's/"constant": "1"/"constant": "10"/')
    reader.type(f"pachctl update-pipeline -f {spec}")
    _flush(reader, "attributes/master")
    assert len(_jobs(reader)) == 3
    about = reader.type("pachctl inspect-pipeline inference")
    assert "\nParallelism Spec: constant:10\n" in about
    _expect_results(reader)


@step
def step_9_another_model(reader: Reader) -> None:
    spec = reader.edit("python_train.json", "s/python-svm/python-lda/")
    reader.type(f"pachctl update-pipeline -f {spec} --reprocess")
    _flush(reader, "training/master")
    new = _jobs(reader)[:2]
    assert sorted(new) == [("inference", "2 / 2", "success"), ("model", "1 / 1", "success")]
    assert "discriminant analysis" in reader.type("pachctl get-file model master model.txt")
    _expect_results(reader)


@step
def step_10_other_training_data(reader: Reader) -> None:
    shorter = reader.folder / "iris.csv"
    reader.type(f"sed '149,150d' data/iris.csv > {shorter}")
    commit = reader.type("pachctl start-commit training master").strip()
    assert reader.type(f"pachctl delete-file training {commit} iris.csv") == ""
    assert reader.type(f"pachctl put-file training {commit} iris.csv -f {shorter}") == ""
    assert len(_jobs(reader, pipeline="model", state="success")) == 2, "the commit is still open"
    assert reader.type(f"pachctl finish-commit training {commit}") == ""
    assert set(_flush(reader, f"training/{commit}")) == {"model", "inference"}
    assert {name for name, _, state in _jobs(reader)[:2] if state == "success"} == {
        "model",
        "inference",
    }
    assert reader.type("pachctl get-file training master iris.csv") == shorter.read_text()
    assert "Rows: 148" in reader.type("pachctl get-file model master model.txt")
    _expect_results(reader)


@step
def step_11_provenance(reader: Reader) -> None:
    newest = _head(reader, "inference")
    heads = {name: _head(reader, name) for name in ("training", "attributes", "model")}
    assert _provenance(reader, "inference", newest) == heads
    first = _provenance(reader, "model", reader.svm)
    assert first == {"training": reader.old_training} != {"training": heads["training"]}

    old, new = reader.folder / "old.pkl", reader.folder / "new.pkl"
    reader.type(f"pachctl get-file model {reader.svm} model.pkl > {old}")
    reader.type(f"pachctl get-file model master model.pkl > {new}")
    assert b"SVC" in old.read_bytes()
    assert b"LinearDiscriminantAnalysis" in new.read_bytes()


def _repos(reader: Reader) -> dict[str, str]:
    rows = reader.table("pachctl list-repo", REPOS)
    assert all(AGO.fullmatch(created) for _, created, _ in rows), rows
    return {name: size for name, _, size in rows}


def _jobs(reader: Reader, **wanted: str) -> list[tuple[str, str, str]]:
    """Returns pipeline, progress and state of each job, the newest first."""
    rows = reader.table("pachctl list-job", JOBS)
    found = []
    for id_, output, started, _, restarts, progress, state in rows:
        pipeline, commit = output.split("/")
        assert commit == id_
        assert AGO.fullmatch(started), started
        assert restarts == "0"
        row = {"pipeline": pipeline, "progress": progress, "state": state}
        if wanted.items() <= row.items():
            found.append((pipeline, progress, state))
    return found


def _flush(reader: Reader, commit: str) -> list[str]:
    """Waits for all that came of a commit; returns the repos that it went to."""
    return [row[0] for row in reader.table(f"pachctl flush-commit {commit}", COMMITS)]


def _head(reader: Reader, repo: str) -> str:
    return _about(reader, repo, "master")["Commit"].removeprefix(f"{repo}/")


def _provenance(reader: Reader, repo: str, commit: str) -> dict[str, str]:
    named = _about(reader, repo, commit)["Provenance"].split()
    return dict(origin.split("/") for origin in named)


def _about(reader: Reader, repo: str, commit: str) -> dict[str, str]:
    lines = reader.type(f"pachctl inspect-commit {repo} {commit}").splitlines()
    about = dict(line.split(":", 1) for line in lines)
    assert {"Commit", "Started", "Finished", "Size"} <= about.keys()
    return {name: value.strip() for name, value in about.items()}


def _expect_results(reader: Reader) -> None:
    assert reader.type("pachctl get-file inference master 1.csv") == ONE
    assert reader.type("pachctl get-file inference master 2.csv") == TWO


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("old")
    daemon = Daemon(folder / "store")
    daemon.start()
    yield Reader(daemon, folder)
    daemon.end()
    print(daemon.log)
    assert not processes_of(folder)


@pytest.mark.parametrize("step", STEPS, ids=lambda do: do.__name__)
def test_old_text(reader: Reader, step: Callable[[Reader], Any]) -> None:
    if reader.failed:
        pytest.skip("a step before it failed")
    reader.failed = True
    step(reader)
    reader.failed = False
