from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pachlocal.errors import ImageUnavailableError
from pachlocal.runtime.contract import Invocation, Outcome, Runtime, WorkerSpec
from pachlocal.runtime.environment import interpreter_environment
from pachlocal.runtime.launch import Isolation
from pachlocal.runtime.process import ProcessRuntime

from .processes import taking


def open_runtime(scratch: Path, stages: dict[str, Path], *, rewrite_paths: bool = False) -> Runtime:
    return ProcessRuntime(scratch, stages, rewrite_paths=rewrite_paths)


@pytest.mark.parametrize("rewrite_paths", [False, True])
def test_a_stage_is_shown_as_code(tmp_path: Path, rewrite_paths: bool) -> None:
    stage = tmp_path / "stage"
    stage.mkdir()
    (stage / "main.sh").write_text("echo hello")
    runtime = open_runtime(tmp_path / "scratch", {"org/a": stage}, rewrite_paths=rewrite_paths)
    worker = runtime.open_worker(WorkerSpec("w", "org/a:latest"))
    lines: list[str] = []
    assert worker.run(Invocation(("sh", "/code/main.sh")), taking(lines)) == Outcome(0)
    worker.close()
    assert lines == ["hello"]
    assert not worker.pfs.parent.exists()


@pytest.mark.parametrize("rewrite_paths", [False, True])
def test_scratch_and_stage_may_have_blanks_in_their_paths(
    tmp_path: Path, rewrite_paths: bool
) -> None:
    stage = tmp_path / "my stage"
    stage.mkdir()
    (stage / "x").write_text("x")
    scratch = tmp_path / "Application Support" / "it's"
    worker = open_runtime(scratch, {"a": stage}, rewrite_paths=rewrite_paths).open_worker(
        WorkerSpec("w", "a")
    )
    assert worker.run(Invocation(("sh",), b"cp /code/x /pfs/y && cd /pfs\n"), print) == Outcome(0)
    assert (worker.pfs / "y").read_text() == "x"
    worker.close()


@pytest.mark.parametrize("rewrite_paths", [False, True])
def test_a_worker_says_where_is_what_its_commands_see(tmp_path: Path, rewrite_paths: bool) -> None:
    stage = tmp_path / "stage"
    stage.mkdir()
    (stage / "x").write_text("x")
    (tmp_path / "y").write_text("y")
    runtime = open_runtime(tmp_path / "scratch", {"a": stage}, rewrite_paths=rewrite_paths)
    worker = runtime.open_worker(WorkerSpec("w", "a"))
    for path, content in (("/code/x", "x"), (str(tmp_path / "y"), "y")):
        place = worker.place_of(path)
        assert place is not None
        assert place.read_text() == content
    worker.close()


def test_an_image_whose_folder_is_gone(tmp_path: Path) -> None:
    runtime = open_runtime(tmp_path / "scratch", {"org/a": tmp_path / "gone"})
    with pytest.raises(ImageUnavailableError, match=r"org/a is built from .*gone"):
        runtime.open_worker(WorkerSpec("w", "org/a"))


def test_an_unknown_image_has_the_machines_programs_and_no_code(tmp_path: Path) -> None:
    runtime = open_runtime(tmp_path / "scratch", {}, rewrite_paths=True)
    worker = runtime.open_worker(WorkerSpec("w", "ubuntu:22.04"))
    lines: list[str] = []
    assert worker.run(Invocation(("echo", "/code")), taking(lines)) == Outcome(0)
    worker.close()
    assert lines == ["/code"]


def test_paths_are_true_or_rewritten_and_it_says_which(
    tmp_path: Path, allowed: set[Isolation]
) -> None:
    forced = open_runtime(tmp_path / "a", {}, rewrite_paths=True)
    assert forced.describe() == "process: paths rewritten (as asked for)"
    said = open_runtime(tmp_path / "b", {}).describe()
    if Isolation.MOUNTS in allowed:
        assert said == "process: true /pfs and /code paths (private mount namespace)"
    else:
        assert said.startswith("process: paths rewritten (mount namespaces are")


SCRIPT = """
import sys
from pathlib import Path
from pachlocal.runtime.contract import Invocation, WorkerSpec
from pachlocal.runtime.process import ProcessRuntime
runtime = ProcessRuntime(Path(sys.argv[1]), {})
print(runtime.describe())
worker = runtime.open_worker(WorkerSpec("w", "x"))
(worker.pfs / "x").write_text("content")
print(worker.run(Invocation(("cat", "/pfs/x")), print))
worker.close()
"""


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("max_mnt_namespaces", "paths rewritten (mount namespaces are refused here: unshare"),
        ("max_pid_namespaces", "true /pfs and /code paths"),
    ],
)
def test_a_kernel_that_refuses(
    tmp_path: Path, allowed: set[Isolation], limit: str, words: str
) -> None:
    if Isolation.MOUNTS not in allowed or shutil.which("unshare") is None:
        pytest.skip("this machine has no namespaces to take away")
    # A user namespace has its own limits: namespaces(7).
    inner = f'echo 0 > /proc/sys/user/{limit} && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", inner, "sh"]
    argv = [*command, sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    said, *rest = done.stdout.splitlines()
    assert words in said
    assert rest == ["content", "Outcome(exit_code=0, error=None)"]


def test_the_environment_of_commands() -> None:
    programs = str(Path(sys.executable).parent)
    env = interpreter_environment({"PATH": "/bin", "HOME": "/h", "OLDPWD": "/x", "LANG": "C"})
    assert env["PATH"] == f"{programs}:/bin"
    assert (env["HOME"], env["LANG"]) == ("/h", "C")
    assert "OLDPWD" not in env
    assert env.get("VIRTUAL_ENV") == (sys.prefix if sys.prefix != sys.base_prefix else None)
    assert interpreter_environment(env) == env
    assert "PACH_CONFIG" not in interpreter_environment({"PACH_CONFIG": "/home/me/config.json"})
    assert interpreter_environment({})["PATH"] == f"{programs}:{os.defpath}"
