"""Which folders the daemon has for images, as users hear of it."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from walkthrough.machine import Daemon

COMPOSE = "services: {{clean: {{image: 'acme/clean:{tag}', build: clean}}}}\n"


def type_in(daemon: Daemon, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=folder, env=daemon.env, capture_output=True, text=True, timeout=60, check=True
    )


def project(folder: Path, tag: str) -> Path:
    (folder / "clean").mkdir(parents=True)
    (folder / "compose.yaml").write_text(COMPOSE.format(tag=tag))
    return folder


def spec(folder: Path, image: str, *cmd: str) -> str:
    value: dict[str, Any] = {
        "pipeline": {"name": "clean"},
        "transform": {"image": image, "cmd": cmd},
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
    }
    path = folder / "spec.json"
    path.write_text(json.dumps(value))
    return str(path)


def test_folders_stay_known_and_missing_ones_are_told(
    new_daemon: Callable[[str], Daemon], tmp_path: Path
) -> None:
    first, second = project(tmp_path / "a", "1"), project(tmp_path / "b", "2")
    daemon = new_daemon("store")
    up = type_in(daemon, first, "pachlocal", *daemon.up_arguments)
    assert "code     1 image of compose.yaml\n" in up.stdout
    daemon.started()
    daemon.pachctl("create", "repo", "data")

    def update(image: str, *cmd: str) -> str:
        file = spec(tmp_path, image, *cmd)
        words = ("pachctl", "update", "pipeline", "--reprocess", "-f", file)
        return type_in(daemon, tmp_path, *words).stderr

    assert update("acme/clean:1", "python3", "/code/x.py") == ""
    assert update("alpine:3", "sh", "-c", "cp /pfs/data/* /pfs/out/") == ""
    said = f"no folder for image acme/clean:3 in {first}/compose.yaml, so its command has no /code"
    assert update("acme/clean:3", "true") == (
        f"warning: {said}; known: acme/clean:1; did you mean acme/clean:1?\n"
    )

    # From another folder no code is lost, and what isn't there is told again.
    daemon.stop()
    up = type_in(daemon, second, "pachlocal", *daemon.up_arguments)
    daemon.started()
    assert (
        f"code     1 image of compose.yaml\ncode     1 image of {first}/compose.yaml" in up.stdout
    )
    assert "pachlocal: pipeline default/clean: no folder for image acme/clean:3 in " in up.stderr
    assert update("acme/clean:1", "true") == update("acme/clean:2", "true") == ""
    status = type_in(daemon, tmp_path, "pachlocal", "status", "--root", str(daemon.root)).stdout
    assert f"code     1 image of {second.relative_to(tmp_path)}/compose.yaml\n" in status

    # What the file says is what counts, without another start.
    (second / "compose.yaml").write_text(COMPOSE.format(tag="3-slim"))
    assert update("acme/clean:3-slim", "true") == ""

    daemon.stop()
    (first / "compose.yaml").unlink()
    up = type_in(daemon, tmp_path, "pachlocal", *daemon.up_arguments)
    daemon.started()
    assert f"pachlocal: {first}/compose.yaml is gone, so its images have no folders" in up.stderr


@pytest.mark.parametrize("words", [("python3", "main.py"), ("sh", "-c", "Rscript /code/x.R")])
def test_without_any_compose_file_commands_that_need_one_are_told(words: tuple[str, ...]) -> None:
    from pachlocal.runtime.missing_folder import missing_folder

    assert "no compose.yaml is known" in missing_folder({}, "acme/clean:1", words)
    assert missing_folder({}, "alpine", ("sh", "-c", "cp /pfs/data/code/x /pfs/out")) == ""


def test_commands_have_a_containers_environment(
    new_daemon: Callable[[str], Daemon], tmp_path: Path
) -> None:
    daemon = new_daemon("store")
    daemon.env |= {
        "SECRET": "s",
        "MY_TOKEN": "t",
        "GIVEN": "g",
        "PASSED": "p",
        "LANG": "de_DE",
        "PYTHONPATH": "/x",
    }
    up = daemon.run("pachlocal", *daemon.up_arguments, "--env", "GIVEN")
    assert up.returncode == 0, up.stderr
    daemon.started()
    daemon.pachctl("create", "repo", "data")
    daemon.pachctl("put", "file", "data@master:/a", "-f", "-", stdin="a")
    spec = {
        "pipeline": {"name": "env"},
        "metadata": {"annotations": {"pachlocal.io/env": "PASSED, MISSING, MY_TOKEN"}},
        "transform": {
            "image": "a:1",
            "cmd": ["sh", "-c", "env >/pfs/out/env"],
            "env": {"OWN": "o"},
        },
        "input": {"pfs": {"repo": "data", "glob": "/"}},
    }
    daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))
    daemon.pachctl("wait", "commit", "env@master")
    lines = daemon.pachctl("get", "file", "env@master:/env").splitlines()
    env = dict(line.partition("=")[::2] for line in lines)
    assert not env.keys() & {"SECRET", "PYTHONPATH", "MISSING"}
    assert [env[name] for name in ("GIVEN", "PASSED", "OWN", "LANG")] == ["g", "p", "o", "C.UTF-8"]
    assert {"PATH", "HOME"} <= env.keys()

    # Whoever runs the datum again elsewhere has what was let through, but no secret.
    listed = daemon.pachctl("list", "datum", "env@latest", "--raw")
    datum = json.JSONDecoder().raw_decode(listed)[0]["datum"]
    capsule = tmp_path / "datum.tar.gz"
    words = ("debug", "datum", f"env@{datum['job']['id']}", datum["id"], "-o", str(capsule))
    assert "left out, as a secret: MY_TOKEN\n" in daemon.pachctl(*words)
    with tarfile.open(capsule) as archive:
        file = archive.extractfile("manifest.json")
        assert file is not None
        manifest = json.load(file)
    assert (manifest["env"]["PASSED"], manifest["withheld"]) == ("p", ["MY_TOKEN"])
    assert not manifest["env"].keys() & {"MISSING", "MY_TOKEN", "GIVEN"}
    linted = daemon.run("pachlocal", "lint", "-", stdin=json.dumps(spec))
    assert "warning: PASSED is this machine's own (pachlocal.io/env)" in linted.stdout
    spec["metadata"] = {"annotations": {"pachlocal.io/env": "A B"}}
    refused = daemon.run("pachctl", "update", "pipeline", "-f", "-", stdin=json.dumps(spec))
    assert "'A B' isn't the name of a variable" in refused.stderr
