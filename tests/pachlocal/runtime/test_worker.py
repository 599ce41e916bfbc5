from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pachlocal.runtime.contract import Invocation, Outcome
from pachlocal.runtime.worker import ProcessWorker

from .conftest import Run

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


def test_what_the_caller_puts_in_pfs_between_runs_is_seen(run: Run, worker: ProcessWorker) -> None:
    for name in ("a", "b"):
        (worker.pfs / name).write_text(name)
        assert run("sh", "-c", "ls /pfs") == (OK, [name])
        (worker.pfs / name).unlink()


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


def test_without_a_stage_commands_start_in_pfs(
    open_worker: Callable[..., ProcessWorker],
) -> None:
    worker = open_worker()
    (worker.pfs / "mark").touch()
    lines: list[str] = []
    assert worker.run(Invocation(("ls",)), lines.append) == OK
    assert lines == ["mark"]


def test_a_working_directory_is_taken_and_pwd_tells_it(run: Run, worker: ProcessWorker) -> None:
    (worker.pfs / "in").mkdir()
    outcome, lines = run("sh", "-c", 'cd /pfs/in; ls -d "$PWD" .', working_dir="/pfs")
    assert outcome == OK
    assert lines in ([".", "/pfs/in"], [".", str(worker.pfs / "in")])


@pytest.mark.parametrize(
    ("folder", "words"),
    [("code", "'code' is not an absolute path"), ("/nowhere", "/nowhere: no such file")],
)
def test_a_working_directory_that_cannot_be_is_said(run: Run, folder: str, words: str) -> None:
    outcome, _ = run("true", working_dir=folder)
    assert outcome.exit_code == 126
    assert outcome.error is not None
    assert words in outcome.error


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("false", 1)])
def test_the_exit_status_is_passed_on(run: Run, script: str, code: int) -> None:
    assert run("sh", "-c", script) == (Outcome(code), [])


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


@pytest.mark.parametrize(
    ("cmd", "env", "words"),
    [
        ((), {}, "invalid pipeline transform, no command specified"),
        (("",), {}, "invalid pipeline transform, no command specified"),
        (("echo", "a\0b"), {}, "NUL"),
        (("echo",), {"a=b": "c"}, "environment variable 'a=b'"),
    ],
)
def test_commands_that_can_be_refused_unseen(
    run: Run, cmd: tuple[str, ...], env: dict[str, str], words: str
) -> None:
    outcome, _ = run(*cmd, env=env)
    assert words in (outcome.error or "")


def test_output_and_errors_come_as_lines_in_order(run: Run) -> None:
    script = r"printf 'a\n\nb'; printf ' c\n' >&2; printf 'bad \377 byte\nlast'"
    assert run("sh", "-c", script) == (OK, ["a", "", "b c", "bad � byte", "last"])


def test_lines_come_while_the_command_runs(worker: ProcessWorker) -> None:
    (worker.pfs / "go").unlink(missing_ok=True)
    script = "echo started; while [ ! -e /pfs/go ]; do sleep 0.01; done; echo gone"
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        (worker.pfs / "go").touch()

    assert worker.run(Invocation(("sh", "-c", script), timeout_s=10), on_line) == OK
    assert lines == ["started", "gone"]


def test_much_output_and_much_input_at_once(run: Run) -> None:
    text = b"0123456789abcde\n" * 300_000
    outcome, lines = run("cat", stdin=text)
    assert outcome == OK
    assert len(lines) == 300_000
    assert set(lines) == {"0123456789abcde"}


def test_output_without_an_end_of_line_comes_in_pieces(run: Run) -> None:
    outcome, lines = run("sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x")
    assert outcome == OK
    assert max(map(len, lines)) <= 1 << 20
    assert sum(map(len, lines)) == 5_000_000


def test_input_that_nobody_reads_is_no_failure(run: Run) -> None:
    assert run("true", stdin=b"x" * 3_000_000) == (OK, [])
    assert run("sh", "-c", "exec <&-; sleep 0.05; echo on", stdin=b"x" * 3_000_000) == (OK, ["on"])


def test_a_broken_pipe_ends_a_command_quietly(run: Run) -> None:
    assert run("sh", "-c", "yes | head -n 1") == (OK, ["y"])


def test_a_pipe_left_non_blocking_does_not_disturb_the_next_command(run: Run) -> None:
    assert run("python3", "-c", "import os; os.set_blocking(1, False)") == (OK, [])
    outcome, lines = run("sh", "-c", "yes | head -n 200000")
    assert outcome == OK
    assert len(lines) == 200_000


def test_a_failing_listener_ends_the_command_and_the_worker_goes_on(
    run: Run, worker: ProcessWorker
) -> None:
    def on_line(line: str) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="y"):
        worker.run(Invocation(("yes",)), on_line)
    assert run("echo", "again") == (OK, ["again"])


def test_descriptors_of_the_daemon_do_not_reach_commands(run: Run) -> None:
    script = "import os; print([fd for fd in range(3, 64) if os.path.exists(f'/dev/fd/{fd}')])"
    outcome, lines = run("python3", "-c", script)
    assert outcome == OK
    # The interpreter itself opens nothing that stays.
    assert lines == ["[]"]


def test_workers_side_by_side_have_each_their_pfs(
    open_worker: Callable[..., ProcessWorker],
) -> None:
    workers = [open_worker() for _ in range(4)]
    seen: dict[int, list[str]] = {number: [] for number in range(4)}

    def work(number: int) -> None:
        worker = workers[number]
        for turn in range(10):
            (worker.pfs / "x").write_text(f"{number} {turn}\n")
            worker.run(Invocation(("cat", "/pfs/x")), seen[number].append)

    threads = [threading.Thread(target=work, args=(number,)) for number in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: [f"{number} {turn}" for turn in range(10)] for number in range(4)}
