"""Pipes where a stage's folder should have files: nobody waits for a writer that never comes."""

import os
from pathlib import Path

import pytest

from pachlocal.errors import ImageUnavailableError
from pachlocal.runtime.code_folder import CodeFolder
from pachlocal.runtime.dockerfile import ImageWords, read_dockerfile
from pachlocal.runtime.environments.wanted import wanted

pytestmark = pytest.mark.timeout(20)


def test_a_pipe_is_no_dockerfile(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Dockerfile")

    assert read_dockerfile(tmp_path) == ImageWords()


def test_a_pipe_says_nothing_of_what_to_leave_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".dockerignore")

    with pytest.raises(ImageUnavailableError, match=r"where \.dockerignore is not a regular file"):
        CodeFolder("a:1", tmp_path).scan()


def test_a_pipe_asks_for_no_packages(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-r pipe\n")
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ImageUnavailableError, match="pipe: is not a regular file"):
        wanted(tmp_path, "a:1")


def test_a_pipe_that_took_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    code = CodeFolder("a:1", tmp_path)
    (tmp_path / "a.py").write_text("1\n")
    assert list(code.scan()) == ["a.py"]
    (tmp_path / "a.py").unlink()
    os.mkfifo(tmp_path / "a.py")

    with code.open("a.py") as file:
        assert file.read() == b""
