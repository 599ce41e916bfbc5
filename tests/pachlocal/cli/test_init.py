"""`pachlocal init`: what it writes runs, and its own tests pass."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from walkthrough.machine import environment

PROGRAMS = {"python": "python3", "r": "Rscript", "julia": "julia"}


def pachlocal(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["pachlocal", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    "language",
    ["python", *(pytest.param(it, marks=pytest.mark.slow) for it in ("r", "julia"))],
)
def test_a_project_that_is_begun_passes_its_own_tests(language: str, tmp_path: Path) -> None:
    done = pachlocal(tmp_path, "init", "--lang", language, "mine")
    assert done.returncode == 0, done.stderr
    assert "wrote mine/words.json\n" in done.stdout
    done = pachlocal(tmp_path / "mine", "lint", "words.json")
    assert done.stdout == (
        "words.json: words: ready: Pachyderm 2.12 takes it, and so does pachlocal\n"
    )
    spec = tmp_path / "mine" / "words.json"
    (tmp_path / "other.json").write_text(spec.read_text())
    (tmp_path / "mine" / "typo.json").write_text(spec.read_text().replace("words:1.0", "word:1.0"))
    done = pachlocal(tmp_path, "lint", "mine/typo.json", "other.json")
    assert "warning: no folder for image example/word:1.0 in " in done.stdout
    assert "did you mean example/words:1.0?" in done.stdout
    assert (done.returncode, done.stdout.count("warning")) == (0, 1)
    if not shutil.which(PROGRAMS[language]):
        pytest.skip(f"{PROGRAMS[language]} isn't there")
    command = [sys.executable, "-m", "pytest", "-p", "pachlocal.testing.plugin", "-q"]
    ran = subprocess.run(command, cwd=tmp_path / "mine", capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_way_to_a_folder_can_be_pasted(tmp_path: Path) -> None:
    assert "cd 'my words'\n" in pachlocal(tmp_path, "init", "my words").stdout


def test_nothing_that_is_there_is_changed(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("mine")
    done = pachlocal(tmp_path, "init")
    assert done.returncode == 1
    assert done.stderr == "pachlocal: compose.yaml already exists; nothing was written\n"
    assert [path.name for path in tmp_path.iterdir()] == ["compose.yaml"]
