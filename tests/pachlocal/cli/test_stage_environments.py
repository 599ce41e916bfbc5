"""The environments of stages: made once of what their folders ask for, and kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from small_packages import r_repository, slow_source, wheel
from walkthrough.machine import Daemon, environment

DEADLINE_S = 60.0
SCRIPT = """\
import importlib.util, pathlib, sys
import shades
for path in pathlib.Path("/pfs/data").iterdir():
    ours = importlib.util.find_spec("grpc") is not None
    (pathlib.Path("/pfs/out") / path.name).write_text(f"{shades.SAYS} {sys.prefix} {ours}")
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the only packages that there are, for all that is started from here on."""
    folder = tmp_path / "packages"
    folder.mkdir()
    wheel(folder, "shades", "1.0")
    wheel(folder, "shades", "2.0")
    wheel(folder, "needy", "1.0", "shades==1.0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PACHLOCAL_ENVIRONMENTS", str(tmp_path / "environments"))
    return folder


def stage(folder: Path, **files: str) -> Path:
    """Write a stage's folder; in the names of files, __ stands for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def started(daemon: Daemon, folder: Path, wishes: Mapping[str, str]) -> Path:
    """Start a daemon with stages by name, and what they ask for."""
    lines = ["services:"]
    for name, wish in wishes.items():
        stage(folder / name, main__py=SCRIPT, requirements__txt=wish)
        lines.append(f"  {name}: {{image: 'acme/{name}:1', build: {name}}}")
    (folder / "compose.yaml").write_text("\n".join(lines))
    words = ("pachlocal", *daemon.up_arguments, "--compose", str(folder / "compose.yaml"))
    assert daemon.run(*words).returncode == 0
    daemon.started()
    daemon.pachctl("create", "repo", "data")
    return folder


def create(daemon: Daemon, name: str, *cmd: str) -> None:
    spec = {
        "pipeline": {"name": name},
        "transform": {"image": f"acme/{name}:1", "cmd": cmd or ["python3", "/code/main.py"]},
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
    }
    daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))


def put(daemon: Daemon, name: str) -> None:
    daemon.pachctl("put", "file", f"data@master:/{name}", "-f", "-", stdin=name)


def result(daemon: Daemon, name: str, file: str) -> list[str]:
    daemon.pachctl("wait", "commit", f"{name}@master")
    return daemon.pachctl("get", "file", f"{name}@master:/{file}").split()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.02)


def pipeline(daemon: Daemon, name: str) -> tuple[str, str]:
    """Return a pipeline's state and reason."""
    info = json.loads(daemon.pachctl("inspect", "pipeline", name, "--raw"))
    return info["state"], info.get("reason", "")


def make(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["pachlocal", "environment", *words],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_each_stage_has_what_it_asks_for(
    new_daemon: Callable[[str], Daemon], packages: Path, tmp_path: Path
) -> None:
    wishes = {"one": "shades==1.0\n", "two": "shades==1.0\n", "three": "shades==2.0\n"}
    daemon = new_daemon("store")
    folder = started(daemon, tmp_path / "project", wishes)
    put(daemon, "a")
    for name in wishes:
        create(daemon, name)
    found = {name: result(daemon, name, "a") for name in wishes}
    assert {name: (it[1], it[3]) for name, it in found.items()} == {
        **{"one": ("1.0", "False"), "two": ("1.0", "False"), "three": ("2.0", "False")}
    }
    assert found["one"][2] == found["two"][2] != found["three"][2]
    assert "the Python environment of requirements.txt: done after" in daemon.pachctl(
        "logs", "-p", "one", "--master"
    )

    # What is in use stays. Interpreters are warm in it, from the second datum on.
    listed = make(tmp_path, "list").stdout
    assert listed.count("Python, requirements.txt") == 2
    assert make(tmp_path, "remove", "--all").stderr.count(" is in use\n") == 2
    for name in "bcd":
        put(daemon, name)
        result(daemon, "one", name)
    assert "(in a warm interpreter)" in daemon.pachctl("logs", "-p", "one", "--worker")

    # A save that can't be resolved: the reason is said, its job waits, and nothing is lost.
    wish = folder / "one" / "requirements.txt"
    wish.write_text("shades==3.0\n")
    put(daemon, "e")
    until(lambda: pipeline(daemon, "one")[0] == "PIPELINE_CRASHING")
    assert pipeline(daemon, "one")[1] == (
        "image acme/one:1: the Python environment of requirements.txt can't be made: Could not "
        "find a version that satisfies the requirement shades==3.0 (from versions: 1.0, 2.0)"
    )
    assert daemon.pachctl("get", "file", "one@master^:/d").startswith("shades 1.0")
    assert result(daemon, "two", "e")[1] == "1.0"
    wish.write_text("shades==2.0\n")
    assert result(daemon, "one", "e")[1:3] == found["three"][1:3]
    assert pipeline(daemon, "one") == ("PIPELINE_RUNNING", "")

    # A datum takes what it asks for along.
    listed = daemon.pachctl("list", "datum", "two@latest", "--raw")
    datum, _ = json.JSONDecoder().raw_decode(listed)
    capsule = str(tmp_path / "datum.tar.gz")
    job = f"two@{datum['datum']['job']['id']}"
    daemon.pachctl("debug", "datum", job, datum["datum"]["id"], "-o", capsule)
    assert "exit code 0" in daemon.run("pachlocal", "replay", capsule).stderr


@pytest.mark.slow
def test_one_that_a_killed_daemon_has_begun_is_made_again(
    new_daemon: Callable[[str], Daemon], packages: Path, tmp_path: Path
) -> None:
    slow_source(packages)
    daemon, other = new_daemon("store"), new_daemon("other")
    started(daemon, tmp_path / "project", {"one": "shades==1.0\nslow\n"})
    create(daemon, "one")
    put(daemon, "a")
    until(lambda: (packages / "begun").exists())
    until(lambda: pipeline(daemon, "one")[0] == "PIPELINE_STARTING")
    assert pipeline(daemon, "one")[1].startswith(
        "making the Python environment of requirements.txt"
    )
    daemon.stop(signal.SIGKILL)
    daemon.start()
    # Another one that wants the same waits for it, too.
    started(other, tmp_path / "project", {"one": "shades==1.0\nslow\n"})
    create(other, "one")
    until(lambda: pipeline(other, "one")[1].endswith("another program is at it"))
    (packages / "go").touch()
    assert result(daemon, "one", "a")[1] == "1.0"
    assert (packages / "begun").read_text() == "xx"
    put(other, "a")
    assert result(other, "one", "a")[1] == "1.0"
    assert (packages / "begun").read_text() == "xx"


def test_a_stop_leaves_nothing_half_made(
    new_daemon: Callable[[str], Daemon], packages: Path, tmp_path: Path
) -> None:
    slow_source(packages)
    daemon = new_daemon("store")
    started(daemon, tmp_path / "project", {"one": "slow\n"})
    create(daemon, "one")
    until(lambda: (packages / "begun").exists())
    daemon.stop()
    assert [path.suffix for path in (tmp_path / "environments").iterdir()] == [".lock"]


@pytest.mark.slow
def test_files_of_each_kind_are_understood(packages: Path, tmp_path: Path) -> None:
    sha = hashlib.sha256((packages / "shades-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    project = '[project]\nname = "x"\nversion = "1"\ndependencies = ["needy"]\n'
    lock = f"""\
version = 1
[[package]]
name = "x"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "needy" }}, {{ name = "elsewhere", marker = "sys_platform == 'win32'" }}]
[[package]]
name = "needy"
version = "1.0"
source = {{ registry = "{packages}" }}
dependencies = [{{ name = "shades" }}]
wheels = [{{ path = "needy-1.0-py3-none-any.whl" }}]
[[package]]
name = "shades"
version = "1.0"
source = {{ registry = "{packages}" }}
wheels = [{{ path = "shades-1.0-py3-none-any.whl", hash = "sha256:{sha}" }}]
[[package]]
name = "elsewhere"
version = "1.0"
source = {{ registry = "https://pypi.org/simple" }}
"""
    folder = stage(tmp_path / "vendored", requirements__txt="-r more.txt\n")
    (folder / "wheels").mkdir()
    shutil.move(wheel(packages, "own", "1.0"), folder / "wheels")
    stage(folder, more__txt="-c pins.txt\n./wheels/own-1.0-py3-none-any.whl\nshades # any\n")
    stage(folder, pins__txt="shades<2\n")
    folders = [
        stage(tmp_path / "hashed", requirements__txt=f"shades==1.0 \\\n  --hash=sha256:{sha}\n"),
        stage(tmp_path / "empty", requirements__txt="# nothing\n"),
        stage(tmp_path / "project", pyproject__toml=project),
        stage(tmp_path / "locked", pyproject__toml=project, uv__lock=lock),
        stage(tmp_path / "settings", pyproject__toml="[tool.ruff]\nline-length = 100\n"),
        folder,
    ]
    done = make(tmp_path, "make", *map(str, folders))
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.partition(": ")[0]: line for line in done.stdout.splitlines()}
    assert lines["settings"] == "settings: nothing to be made"
    told = {}
    for name, line in lines.items():
        if name != "settings":
            python = f"{line.rpartition(': ')[2]}/bin/python3"
            code = "from importlib.metadata import distributions as d; print(*sorted(it.name + "
            code += "it.version for it in d()))"
            run = [python, "-c", code]
            told[name] = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert told == {
        "hashed": "shades1.0\n",
        "empty": "\n",
        "project": "needy1.0 shades1.0\n",
        "locked": "needy1.0 shades1.0\n",
        "vendored": "own1.0 shades1.0\n",
    }


def test_what_cannot_be_installed_is_said_in_a_sentence(packages: Path, tmp_path: Path) -> None:
    dynamic = '[project]\nname = "x"\ndynamic = ["dependencies"]\n'
    newer = '[project]\nname = "x"\nrequires-python = ">=4"\n'
    mine = f"{sys.version_info.major}.{sys.version_info.minor}."
    cases = {
        "unknown": ({"requirements__txt": "nosuch==1\n"}, "the requirement nosuch==1 (from"),
        "clash": ({"requirements__txt": "shades==2.0\nneedy\n"}, "have conflicting dependencies"),
        "slip": ({"requirements__txt": "one two\n"}, "one two isn't a requirement: "),
        "itself": ({"requirements__txt": "shades\n-e .\n"}, "requirements.txt, line 2: -e .: a st"),
        "outside": ({"requirements__txt": "-r ../x.txt\n"}, "../x.txt isn't in the stage's folder"),
        "gone": ({"requirements__txt": "-c pins.txt\n"}, "line 1: pins.txt isn't there"),
        "changed": (
            {"requirements__txt": f"shades==1.0 --hash=sha256:{'0' * 64}\n"},
            "DO NOT MATCH THE HASHES",
        ),
        "broken": ({"pyproject__toml": "[project\n"}, "pyproject.toml: Expected ']'"),
        "older": ({"pyproject__toml": newer}, f"Python >=4, and pachlocal runs with {mine}"),
        "made": ({"pyproject__toml": dynamic}, "(dynamic)"),
        "lock": (
            {"pyproject__toml": '[project]\nname = "x"\n', "uv__lock": "version = 7\n"},
            "uv.lock has version 7",
        ),
        "renv": ({"renv__lock": "{"}, "renv.lock was not written by renv"),
    }
    folders = [str(stage(tmp_path / name, **files)) for name, (files, _) in cases.items()]
    done = make(tmp_path, "make", *folders)
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (1, len(cases)), done.stderr
    for (name, (_, said)), line in zip(cases.items(), lines, strict=True):
        assert line.startswith(f"pachlocal: image {name}: ")
        assert said in line
    assert make(tmp_path, "make", "/nowhere").stderr == "pachlocal: /nowhere isn't a folder\n"
    assert make(tmp_path, "remove", "x").stderr == "pachlocal: there is no environment x\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root mounts a small disk")
    size = "size=100k"
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", folder], check=False)
    if made.returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_named_and_nothing_is_left_on_it(
    packages: Path, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACHLOCAL_ENVIRONMENTS", str(small_disk))
    wheel(packages, "large", "1.0", padding=200_000)
    folder = stage(tmp_path / "one", requirements__txt="large\n")
    done = make(tmp_path, "make", str(folder))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pachlocal: image one: the Python environment of requirements")
    assert done.stderr.endswith("No space left on device\n")
    assert done.stderr.count("\n") == 1
    assert [path.suffix for path in small_disk.iterdir()] == [".lock"]
    subprocess.run(["mount", "-o", "remount,size=10m", small_disk], check=True)
    assert "made in" in make(tmp_path, "make", str(folder)).stdout


@pytest.mark.slow
def test_what_is_of_no_use_is_made_again_or_goes(packages: Path, tmp_path: Path) -> None:
    folder = stage(tmp_path / "one", requirements__txt="shades==1.0\n")
    place = Path(make(tmp_path, "make", "--quiet", str(folder), str(folder)).stdout.strip())

    def says() -> str:
        code = [place / "bin" / "python3", "-c", "import shades; print(shades.SAYS)"]
        return subprocess.run(code, capture_output=True, text=True, check=True).stdout

    # Its Python is gone.
    for name in ("python3", "python"):
        (place / "bin" / name).unlink()
        (place / "bin" / name).symlink_to("/no-such/python3")
    assert "made in" in make(tmp_path, "make", str(folder)).stdout
    assert says() == "shades 1.0\n"

    # It was left half made.
    (place / ".pachlocal.json").unlink()
    shutil.rmtree(place / "lib")
    assert "made in" in make(tmp_path, "make", str(folder)).stdout
    assert says() == "shades 1.0\n"
    assert "there already" in make(tmp_path, "make", str(folder)).stdout

    # Nobody has used it for long, and another one is made.
    long_ago = time.time() - 31 * 24 * 3600
    os.utime(place / ".pachlocal.json", (long_ago, long_ago))
    make(tmp_path, "make", str(stage(tmp_path / "two", requirements__txt="shades==2.0\n")))
    assert not place.exists()
    assert make(tmp_path, "list").stdout.count("requirements.txt") == 1
    assert make(tmp_path, "remove", "--all").stdout.startswith("removed ")
    assert make(tmp_path, "list").stdout.splitlines()[1:] == []


def test_julia_has_its_project(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    julia = tmp_path / "bin" / "julia"
    julia.parent.mkdir()
    julia.write_text('#!/bin/sh\n[ "$1" = --version ] && echo julia 1.10 || echo "$@"; pwd\n')
    julia.chmod(0o755)
    monkeypatch.setenv("PATH", str(julia.parent), prepend=os.pathsep)
    folder = stage(tmp_path / "one", Project__toml="[deps]\n", Manifest__toml="x = 1\n")
    done = make(tmp_path, "make", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert "one: the Julia environment of Project.toml: made in" in done.stdout
    place = Path(done.stdout.strip().rpartition(": ")[2])
    assert (place / "Manifest.toml").read_text() == "x = 1\n"


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("Rscript") and not os.environ.get("CI"), reason="R is missing")
def test_r_has_the_versions_of_its_lock(
    new_daemon: Callable[[str], Daemon], packages: Path, tmp_path: Path
) -> None:
    url = r_repository(
        tmp_path / "cran",
        {
            "apple_2.0.tar.gz": ("apple", "2.0", ""),
            "Archive/apple/apple_1.0.tar.gz": ("apple", "1.0", ""),
            "aardvark_1.0-1.tar.gz": ("aardvark", "1.0-1", "apple"),
        },
    )
    lock = {
        "R": {"Version": "4.2.2", "Repositories": [{"Name": "CRAN", "URL": url}]},
        "Packages": {
            "aardvark": {"Package": "aardvark", "Version": "1.0-1", "Source": "Repository"},
            "apple": {
                "Package": "apple",
                "Version": "1.0",
                "Source": "Repository",
                "Repository": "CRAN",
            },
        },
    }
    daemon = new_daemon("store")
    folder = started(daemon, tmp_path / "project", {"one": "# nothing\n"})
    script = 'for (it in list.files("/pfs/data")) cat(aardvark::says(), file.path("/pfs/out", it)'
    script = script.replace("says(), file", "says(), file = file") + ")\n"
    stage(folder / "one", main__R=script, renv__lock=json.dumps(lock))
    create(daemon, "one", "Rscript", "/code/main.R")
    for name in "abc":
        put(daemon, name)
        assert result(daemon, "one", name) == ["aardvark", "1.0-1", "apple", "1.0"]
    assert "(in a warm interpreter)" in daemon.pachctl("logs", "-p", "one", "--worker")

    # What there isn't, and what is elsewhere.
    packages_of: Any = lock["Packages"]
    packages_of["apple"]["Version"] = "3.0"
    stage(folder / "one", renv__lock=json.dumps(lock))
    packages_of["apple"]["Source"] = "GitHub"
    other = stage(tmp_path / "other", renv__lock=json.dumps(lock))
    said = make(tmp_path, "make", str(folder / "one"), str(other)).stderr
    assert "the R environment of renv.lock can't be made: apple 3.0 can't be had from file:" in said
    assert "renv.lock: apple is of GitHub, and only packages of a repository are" in said
