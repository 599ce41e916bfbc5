"""Which code made a result, as a user of a daemon sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from walkthrough.machine import Daemon

SCRIPT = """\
. /code/helpers.sh
touch "$(dirname /pfs/out)/out/$(basename "$data")"
say > "/pfs/out/$(basename "$data")"
"""


class Project:
    """A pipeline `clean` with a folder of its own, and a daemon that runs it."""

    def __init__(self, folder: Path, daemon: Daemon) -> None:
        self.folder = folder
        self.daemon = daemon
        self.stage = folder / "clean"
        self.stage.mkdir(parents=True)
        (self.stage / "run.sh").write_text(SCRIPT)
        self.helpers("first")
        compose = folder / "compose.yaml"
        compose.write_text("services: {clean: {image: 'acme/clean:1', build: clean}}\n")
        up = daemon.run("pachlocal", *daemon.up_arguments, "--compose", str(compose))
        assert up.returncode == 0, up.stderr
        daemon.started()
        daemon.pachctl("create", "repo", "data")

    def helpers(self, text: str) -> None:
        (self.stage / "helpers.sh").write_text(f"say() {{ echo {text}; }}\n")

    def spec(self, **more: Any) -> str:
        value: dict[str, Any] = {
            "pipeline": {"name": "clean"},
            "transform": {"image": "acme/clean:1", "cmd": ["sh", "/code/run.sh"]},
            "input": {"pfs": {"repo": "data", "glob": "/*"}},
            **more,
        }
        path = self.folder / "spec.json"
        path.write_text(json.dumps(value))
        return str(path)

    def put(self, path: str) -> str:
        """Put a file, and return the job that came of it when it has ended."""
        self.daemon.pachctl("put", "file", f"data@master:/{path}", "-f", "-", stdin=path)
        return self.job()

    def job(self) -> str:
        """Wait for the newest job, and return its ID."""
        self.daemon.pachctl("wait", "commit", "clean@master")
        raw = self.daemon.pachctl("inspect", "commit", "clean@master", "--raw")
        return str(json.loads(raw)["commit"]["id"])

    def content(self, path: str) -> str:
        return self.daemon.pachctl("get", "file", f"clean@master:/{path}").strip()


@pytest.fixture
def project(new_daemon: Callable[[str], Daemon], tmp_path: Path) -> Project:
    project = Project(tmp_path / "project", new_daemon("store"))
    project.daemon.pachctl("create", "pipeline", "-f", project.spec())
    return project


def code_of(project: Project, job: str) -> str:
    line = next(
        line
        for line in project.daemon.pachctl("inspect", "job", f"clean@{job}").splitlines()
        if line.startswith("Code: ")
    )
    return line.removeprefix("Code: ")


def test_results_say_which_code_made_them(project: Project, tmp_path: Path) -> None:
    pachctl = project.daemon.pachctl
    first = project.put("a")
    old = code_of(project, first)
    assert re.fullmatch("[0-9a-f]{12}", old)
    project.helpers("second")
    assert code_of(project, first) == f"{old} (helpers.sh differs from what there is now)"
    (project.stage / "more.sh").touch()
    second = project.put("b")
    assert (project.content("a"), project.content("b")) == ("first", "second")
    new = code_of(project, second)
    mixed = [
        f"1 output by {old} (helpers.sh, more.sh differ from the newest)",
        f"1 output by {new}",
    ]
    assert [line.strip() for line in pachctl("inspect", "job", f"clean@{second}").splitlines()][
        -2:
    ] == mixed
    told = pachctl("why", "clean@master:/a").splitlines()
    assert f"   │ code {old} (helpers.sh, more.sh differ from the newest)" in told
    assert told[-3:] == [
        "The outputs of this commit are by several versions of the code:",
        *(f"  {line}" for line in mixed),
    ]
    header, *rows = pachctl("list", "datum", f"clean@{second}", "--why").splitlines()
    assert header.split()[-2:] == ["CODE", "WHY"]
    assert [old in rows[0], new in rows[1]] == [True, True]

    # What ran is given back, whatever the folder holds by now.
    (project.stage / "run.sh").unlink()
    said = pachctl("get", "code", f"clean@{first}", "-o", str(tmp_path / "code"))
    assert said == f"{tmp_path / 'code'}: code {old}, 2 files\n"
    assert sorted(path.name for path in (tmp_path / "code").iterdir()) == ["helpers.sh", "run.sh"]
    assert (tmp_path / "code" / "helpers.sh").read_text() == "say() { echo first; }\n"
    again = project.daemon.run("pachctl", "get", "code", f"clean@{first}", "-o", str(tmp_path))
    assert "exists and isn't an empty directory" in again.stderr

    # A datum takes its code along.
    datum = rows[0].split()[0]
    capsule = str(tmp_path / "capsule.tar.gz")
    pachctl("debug", "datum", f"clean@{second}", datum, "-o", capsule)
    done = project.daemon.run("pachlocal", "replay", capsule)
    assert (done.returncode, f"the code that ran there, {old}" in done.stderr) == (0, True)
    compose = str(project.folder / "compose.yaml")
    done = project.daemon.run("pachlocal", "replay", capsule, "--compose", compose)
    assert done.returncode != 0
    assert "run.sh" in done.stdout


@pytest.mark.slow
def test_updates_and_plans_tell_what_is_by_older_code(project: Project) -> None:
    pachctl = project.daemon.pachctl
    project.put("a")
    project.put("b")

    def update(*options: str) -> str:
        done = project.daemon.run("pachctl", "update", "pipeline", "-f", project.spec(), *options)
        assert done.returncode == 0, done.stderr
        project.job()
        return done.stderr

    assert update() == ""
    project.helpers("second")
    note = (
        "2 outputs are by an older version of the code (helpers.sh changed); "
        "--reprocess runs them again"
    )
    assert f"  note: {note}\n" in pachctl("plan", "-f", project.spec())
    assert "note" not in pachctl("plan", "-f", project.spec(), "--reprocess")
    plan = pachctl("plan", "put", "file", "data@master:/c", "-f", "-", stdin="c")
    assert f"  note: {note}\n" in plan
    assert update() == f"note: {note}\n"
    assert project.content("a") == "first"
    assert update("--reprocess") == ""
    assert project.content("a") == "second"
    assert "note" not in pachctl("plan", "-f", project.spec())


@pytest.mark.slow
def test_code_that_counts_reprocesses_by_itself(project: Project) -> None:
    pachctl = project.daemon.pachctl
    spec = project.spec(metadata={"annotations": {"pachlocal.io/code": "true"}})

    def update() -> str:
        pachctl("update", "pipeline", "-f", spec)
        return project.job()

    first = project.put("a")
    update()
    project.helpers("second")
    plan = pachctl("plan", "-f", spec)
    assert "1 runs: the code changed" in " ".join(plan.split())
    assert "note" not in plan
    second = update()
    assert project.content("a") == "second"
    project.helpers("first")
    assert "1 is skipped: reused from job" in " ".join(pachctl("plan", "-f", spec).split())
    third = update()
    assert project.content("a") == "first"
    row = pachctl("list", "datum", f"clean@{third}", "--why").splitlines()[1]
    assert f"reused from job {first}" in row
    assert second not in row
