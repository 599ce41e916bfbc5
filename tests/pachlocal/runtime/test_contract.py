"""What every runtime promises, held against each of them in all of its ways."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pachlocal.runtime.contract import Invocation, Outcome, StopToken, Worker, WorkerSpec
from pachlocal.runtime.launch import Isolation

from .conftest import Run, process_worker
from .processes import Marked, in_thread, taking, wait_until

OK = Outcome(0)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper or a PID namespace")


# In Docker a program is started by an exec at first, and by the container's shell from then on.
KNOWN = "docker, known programs"
PROGRAMS = (("sh", "-c", ""), ("cat", "/dev/null"), ("ls", "/"), ("head", "-c0", "/dev/null"))


@pytest.fixture(
    params=[
        *(isolation.value for isolation in Isolation),
        "docker",
        pytest.param(KNOWN, marks=pytest.mark.slow),
    ]
)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def open_worker(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[], Worker]]:
    workers: list[Worker] = []
    runtime = image = None
    if backend.startswith("docker"):
        image = request.getfixturevalue("busybox_image")
        runtime = request.getfixturevalue("docker_runtime")

    def open_() -> Worker:
        name = f"worker{len(workers)}"
        if runtime is not None:
            workers.append(runtime.open_worker(WorkerSpec(name, image)))
            for program in PROGRAMS if backend == KNOWN else ():
                assert workers[-1].run(Invocation(program), taking([])) == OK
        else:
            isolation = Isolation(backend)
            if isolation not in request.getfixturevalue("allowed"):
                pytest.skip(f"{backend} is refused on this machine")
            workers.append(process_worker(tmp_path, name, None, isolation))
        return workers[-1]

    yield open_
    for worker in workers:
        worker.close()


@pytest.fixture
def worker(open_worker: Callable[[], Worker]) -> Worker:
    return open_worker()


@pytest.fixture
def marked() -> Iterator[Marked]:
    marked = Marked()
    yield marked
    assert marked.count() == 0


def test_a_command_sees_its_input_and_writes_its_output(run: Run, worker: Worker) -> None:
    (worker.pfs / "in").mkdir()
    (worker.pfs / "in" / "a").write_text("x\n")
    (worker.pfs / "out").mkdir()
    script = "cat - $1 $1 > /pfs/out/b"
    outcome, lines = run("sh", "-c", script, "sh", "/pfs/in/a", stdin=b"first\n")
    assert (outcome, lines) == (OK, [])
    assert (worker.pfs / "out" / "b").read_text() == "first\nx\nx\n"


def test_variables_of_the_invocation_win(run: Run) -> None:
    script = 'echo "$MINE"; echo "$HOME"'
    env = {"MINE": "a=b é", "HOME": "/x"}
    assert run("sh", "-c", script, env=env) == (OK, ["a=b é", "/x"])


def test_a_working_directory_is_taken(run: Run, worker: Worker) -> None:
    (worker.pfs / "in").mkdir()
    assert run("ls", working_dir="/pfs") == (OK, ["in"])


def test_a_command_that_is_not_there(run: Run) -> None:
    outcome, lines = run("nosuch")
    assert outcome == Outcome(127, 'exec: "nosuch": executable file not found in $PATH')
    assert lines == []


def test_a_command_that_is_no_program(run: Run, worker: Worker) -> None:
    (worker.pfs / "plain").write_text("x")
    outcome, lines = run("/pfs/plain")
    assert (outcome.exit_code, lines) == (126, [])
    assert "permission denied" in (outcome.error or "")


def test_output_comes_as_lines_in_order(run: Run) -> None:
    script = r"printf 'a\n\nb'; printf ' c\n'; printf 'bad \377 byte\nlast'"
    assert run("sh", "-c", script) == (OK, ["a", "", "b c", "bad � byte", "last"])


def test_errors_come_as_lines_too(run: Run) -> None:
    assert run("sh", "-c", "echo a >&2; echo b >&2") == (OK, ["a", "b"])


def test_a_command_may_close_its_output_and_go_on(worker: Worker) -> None:
    wait = "while [ ! -e /pfs/go ]; do sleep 0.01; done"
    script = f"exec >&- 2>&-; echo > /pfs/closed; {wait}; exit 5"
    thread, said = in_thread(worker, Invocation(("sh", "-c", script)))
    wait_until((worker.pfs / "closed").exists)
    (worker.pfs / "go").touch()
    thread.join(10)
    assert said == [Outcome(5)]


def test_what_the_caller_puts_in_pfs_between_runs_is_seen(run: Run, worker: Worker) -> None:
    for name in ("a", "b"):
        (worker.pfs / name).write_text(name)
        assert run("sh", "-c", "ls /pfs") == (OK, [name])
        (worker.pfs / name).unlink()


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


def test_lines_come_while_the_command_runs(worker: Worker) -> None:
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


def test_a_failing_listener_ends_the_command_and_the_worker_goes_on(
    run: Run, worker: Worker
) -> None:
    def on_line(line: str) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="y"):
        worker.run(Invocation(("yes",)), on_line)
    assert run("echo", "again") == (OK, ["again"])


def test_workers_side_by_side_have_each_their_pfs(
    open_worker: Callable[..., Worker],
) -> None:
    workers = [open_worker() for _ in range(4)]
    seen: dict[int, list[str]] = {number: [] for number in range(4)}

    def work(number: int) -> None:
        worker = workers[number]
        for turn in range(10):
            (worker.pfs / "x").write_text(f"{number} {turn}\n")
            worker.run(Invocation(("cat", "/pfs/x")), taking(seen[number]))

    threads = [threading.Thread(target=work, args=(number,)) for number in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: [f"{number} {turn}" for turn in range(10)] for number in range(4)}


def test_a_timeout_ends_the_command_and_says_so(run: Run, marked: Marked) -> None:
    outcome, lines = run("sh", "-c", f"echo on; {marked.command}", timeout_s=1.0)
    assert outcome == Outcome(137, "datum timeout of 1s exceeded")
    assert lines == ["on"]
    assert marked.count() == 0


def test_a_timeout_ends_a_command_that_never_stops_writing(worker: Worker) -> None:
    seen: set[str] = set()
    outcome = worker.run(
        Invocation(("yes",), timeout_s=1.0), lambda text: seen.update(text.split("\n"))
    )
    assert outcome == Outcome(137, "datum timeout of 1s exceeded")
    assert seen == {"y"}


def test_a_long_timeout_does_no_harm(run: Run) -> None:
    assert run("true", timeout_s=30 * 86400.0) == (OK, [])


def test_kill_ends_the_command_at_once(worker: Worker, marked: Marked) -> None:
    thread, said = in_thread(worker, Invocation(("sh", "-c", f"{marked.command} & wait")))
    wait_until(lambda: marked.count() == 1)
    worker.kill()
    thread.join(5)
    assert said == [Outcome(137, "the command was stopped")]
    assert marked.count() == 0
    worker.kill()
    assert worker.run(Invocation(("true",)), print) == OK


def test_a_stop_ends_the_command_at_once(worker: Worker, marked: Marked) -> None:
    stop = StopToken()
    thread, said = in_thread(worker, Invocation(("sh", "-c", f"{marked.command} & wait")), stop)
    wait_until(lambda: marked.count() == 1)
    stop.stop()
    thread.join(5)
    assert said == [Outcome(137, "the command was stopped")]
    assert marked.count() == 0


def test_after_a_stop_nothing_begins_that_is_to_end_with_it(worker: Worker) -> None:
    stop = StopToken()
    stop.stop()
    begun = Invocation(("touch", "/pfs/begun"))
    assert worker.run(begun, print, stop) == Outcome(137, "the command was stopped")
    assert not (worker.pfs / "begun").exists()
    assert worker.run(begun, print, StopToken()) == OK


def test_signals_that_a_command_ignores_do_not_save_it(run: Run, marked: Marked) -> None:
    script = f"trap '' TERM INT HUP; {marked.command}; {marked.command}"
    assert run("sh", "-c", script, timeout_s=0.2)[0].exit_code == 137


def test_close_ends_a_running_command(worker: Worker, marked: Marked) -> None:
    thread, said = in_thread(worker, Invocation(tuple(marked.command.split())))
    wait_until(lambda: marked.count() == 1)
    worker.close()
    thread.join(5)
    assert said == [Outcome(137, "the command was stopped")]
    assert not worker.pfs.exists()


def test_what_stays_in_the_background_is_ended(run: Run, marked: Marked) -> None:
    assert run("sh", "-c", f"{marked.command} & exit 4") == (Outcome(4), [])
    assert marked.count() == 0


@LINUX
def test_a_daemon_that_left_the_session_is_ended(run: Run, marked: Marked) -> None:
    script = f"(setsid {marked.command} &); (setsid setsid sh -c '{marked.command} & wait' &)"
    assert run("sh", "-c", script + "; sleep 0.1") == (OK, [])
    assert marked.count() == 0
