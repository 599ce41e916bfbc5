"""What is taken of an image's folder."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pachlocal.errors import ImageUnavailableError
from pachlocal.runtime import code_folder
from pachlocal.runtime.code_folder import CodeFolder
from pachlocal.runtime.dockerignore import DockerIgnore


@pytest.mark.parametrize(
    ("lines", "path", "left"),
    [
        ([], "a.py", True),
        (["# *.py", "", "  "], "a.py", True),
        (["*.py"], "a.py", False),
        (["*.py"], "sub/a.py", True),
        (["**/*.py"], "sub/deep/a.py", False),
        (["**/*.py"], "a.py", False),
        (["sub"], "sub/deep/a.py", False),
        (["/sub/"], "sub/a.py", False),
        (["sub/**"], "sub/a.py", False),
        (["*/temp*"], "sub/temporary.txt", False),
        (["temp?"], "tempa", False),
        (["temp?"], "temp/", True),
        (["*", "!*.py", "!requirements.txt"], "iris.py", True),
        (["*", "!*.py"], "data.csv", False),
        (["*.md", "!README*.md", "README-secret.md"], "README-secret.md", False),
        (["!keep", "*"], "keep", False),
        (["sub", "!sub/keep"], "sub/keep/a", True),
        (["[ab].py"], "b.py", False),
        (["[^ab].py"], "b.py", True),
        ([r"\*.py"], "*.py", False),
        ([r"\*.py"], "a.py", True),
        (["./a/../b.py"], "b.py", False),
        (["["], "[", False),
    ],
)
def test_dockerignore_patterns(lines: list[str], path: str, left: bool) -> None:
    assert DockerIgnore(lines).leaves(path) is left


def test_folders_are_looked_into_only_if_something_may_be_left() -> None:
    ignore = DockerIgnore(["*", "!*.py", "!src/**/*.py", "!a/b"])
    assert ignore.may_leave_below("src")
    assert ignore.may_leave_below("src/deep")
    assert ignore.may_leave_below("a")
    assert ignore.may_leave_below("a/b/c")
    assert not ignore.may_leave_below("data")
    assert not ignore.may_leave_below("a/c")


def test_scan_takes_what_is_left_and_links_but_nothing_that_runs_would_add(tmp_path: Path) -> None:
    for name in ("main.py", "data/big.csv", "sub/x.py", "__pycache__/main.pyc", ".git/HEAD"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "link.py").symlink_to("main.py")
    (tmp_path / ".dockerignore").write_text("\ufeffdata\n")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        found = CodeFolder("image", tmp_path).scan()
    assert list(found) == [".dockerignore", "empty", "link.py", "main.py", "sub", "sub/x.py"]
    before = found
    (tmp_path / "__pycache__" / "other.pyc").touch()
    assert CodeFolder("image", tmp_path).scan() == before
    (tmp_path / "sub" / "x.py").chmod(0o755)
    assert CodeFolder("image", tmp_path).scan() != before


def test_what_cant_be_taken_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reason() -> str:
        with pytest.raises(ImageUnavailableError) as caught:
            CodeFolder("acme/clean:1", tmp_path / "clean").scan()
        return str(caught.value).removeprefix(
            f"image acme/clean:1 is built from {tmp_path / 'clean'}, "
        )

    assert reason() == "which isn't a folder"
    (tmp_path / "clean").mkdir()
    for name in ("a", "b"):
        (tmp_path / "clean" / name).write_text("12345678")
    cure = "; a .dockerignore there can exclude what isn't code"
    monkeypatch.setattr(code_folder, "MAX_FILES", 1)
    assert reason() == f"which holds more than 1 files{cure}"
    monkeypatch.setattr(code_folder, "MAX_FILES", 2)
    monkeypatch.setattr(code_folder, "MAX_BYTES", 15)
    assert reason() == f"which holds more than 0 GiB{cure}"
    monkeypatch.undo()

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert reason() == f"where . can't be read{cure}"
