from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pachlocal.runtime.contract import Invocation, Outcome
from pachlocal.runtime.launch import Isolation
from pachlocal.runtime.worker import ProcessWorker

from .conftest import Run
from .processes import taking

OK = Outcome(0)


def test_a_command_sees_its_input_its_code_and_writes_its_output(
    run: Run, worker: ProcessWorker, stage: Path
) -> None:
    (stage / "double.sh").write_text("cat /dev/stdin $1 $1 > $2; pwd\n")
    (worker.pfs / "in").mkdir()
    (worker.pfs / "in" / "a").write_text("x\n")
    (worker.pfs / "out").mkdir()

    outcome, lines = run("sh", "/code/double.sh", "/pfs/in/a", "/pfs/out/b", stdin=b"first\n")

    assert outcome == OK
    assert (worker.pfs / "out" / "b").read_text() == "first\nx\nx\n"
    assert lines in (["/code"], [str(stage)])


def test_paths_in_standard_input_and_variables(run: Run, worker: ProcessWorker) -> None:
    (worker.pfs / "in").mkdir()
    script = b'[ -d /pfs/in ] && [ -d "$dir" ] && cd "${both%%:*}" && cd "${both##*:}" && echo all'
    env = {"dir": "/pfs/in", "both": "/pfs/in:/code"}
    assert run("sh", stdin=script, env=env) == (OK, ["all"])


def test_python3_is_the_interpreter_of_pachlocal(run: Run) -> None:
    outcome, lines = run("python3", "-c", "import sys, yaml; print(sys.executable)")
    assert outcome == OK
    assert Path(lines[0]).parent == Path(sys.executable).parent


def test_variables_of_the_invocation_are_added_and_win(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'echo "$MINE"; echo "$HOME"'
    assert run("sh", "-c", script, env={"MINE": "a=b é"}) == (OK, ["a=b é", os.environ["HOME"]])
    assert run("sh", "-c", script, env={"HOME": "/x"}) == (OK, ["", "/x"])


def test_without_a_stage_commands_start_where_a_container_does_and_may_write_there(
    open_worker: Callable[..., ProcessWorker],
) -> None:
    worker = open_worker()
    (worker.pfs / "mark").touch()
    lines: list[str] = []
    command = ("sh", "-c", "ls pfs; echo x >scratch-of-a-command && cat scratch-of-a-command")
    assert worker.run(Invocation(command), taking(lines)) == OK
    assert lines == ["mark", "x"]
    assert not Path("/scratch-of-a-command").exists()


def test_a_working_directory_is_taken_and_pwd_tells_it(run: Run, worker: ProcessWorker) -> None:
    (worker.pfs / "in").mkdir()
    outcome, lines = run("sh", "-c", 'cd /pfs/in; ls -d "$PWD" .', working_dir="/pfs")
    assert outcome == OK
    assert lines in ([".", "/pfs/in"], [".", str(worker.pfs / "in")])


def test_commands_that_cannot_start(run: Run, stage: Path) -> None:
    (stage / "plain").write_text("x")
    (stage / "bad").write_text("#!/nowhere/sh\n")
    (stage / "bad").chmod(0o755)
    (stage / "raw").write_text("echo\n")
    (stage / "raw").chmod(0o755)
    cases = {
        "nosuch": (127, 'exec: "nosuch": executable file not found in $PATH'),
        "/code/none": (127, "/code/none: no such file or directory"),
        "/code/bad": (127, "(the interpreter that its first line names is missing)"),
        "/code/raw": (126, "exec format error"),
        "/code/plain": (126, "permission denied"),
        "/code": (126, "permission denied"),
    }
    for name, (code, words) in cases.items():
        outcome, lines = run(name)
        assert (outcome.exit_code, lines) == (code, [])
        assert words.removeprefix("/code") in (outcome.error or "")


@pytest.mark.parametrize(("program", "place"), [("Rscript", "r-project"), ("julia", "julialang")])
def test_a_missing_language_is_said_with_what_to_install(
    run: Run, program: str, place: str
) -> None:
    outcome, _ = run(program, "/code/x", env={"PATH": "/nowhere"})
    assert outcome.exit_code == 127
    assert place in (outcome.error or "")


def test_output_and_errors_come_as_lines_in_order(run: Run) -> None:
    script = r"printf 'a\n\nb'; printf ' c\n' >&2; printf 'bad \377 byte\nlast'"
    assert run("sh", "-c", script) == (OK, ["a", "", "b c", "bad � byte", "last"])


def test_a_pipe_left_non_blocking_does_not_disturb_the_next_command(run: Run) -> None:
    assert run("python3", "-c", "import os; os.set_blocking(1, False)") == (OK, [])
    outcome, lines = run("sh", "-c", "yes | head -n 200000")
    assert outcome == OK
    assert len(lines) == 200_000


def test_descriptors_of_the_daemon_do_not_reach_commands(run: Run) -> None:
    script = "import os; print([fd for fd in range(3, 64) if os.path.exists(f'/dev/fd/{fd}')])"
    outcome, lines = run("python3", "-c", script)
    assert outcome == OK
    # The interpreter itself opens nothing that stays.
    assert lines == ["[]"]


def test_a_mount_over_a_folder_ends_with_the_command(
    run: Run, worker: ProcessWorker, isolation: Isolation
) -> None:
    if isolation is Isolation.NONE:
        pytest.skip("commands are in the machine's own mount namespace")
    (worker.pfs / "out").mkdir()
    outcome, _ = run("sh", "-c", "mount -t tmpfs none /pfs/out && touch /pfs/out/left")
    if outcome != OK:
        pytest.skip("commands may not mount anything")
    assert run("ls", "/pfs/out") == (OK, [])
