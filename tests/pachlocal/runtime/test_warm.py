"""A run in a warm interpreter is a run in a fresh one, only sooner."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pachlocal.runtime.contract import Invocation, Outcome
from pachlocal.runtime.worker import ProcessWorker

from .processes import Marked, in_thread, taking, wait_until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all starts are cold"),
]

OK = Outcome(0)
WARM = "in a warm interpreter"
MAIN = """
import os, sys
import modes
if __name__ == "__main__":
    getattr(modes, os.environ["MODE"])()
"""
MODES = """
import atexit, decimal, json, os, random, signal, subprocess, sys, threading, traceback
import multiprocessing.pool, multiprocessing.popen_fork, multiprocessing.popen_spawn_posix
import multiprocessing.queues, multiprocessing.synchronize, multiprocessing.resource_tracker
held = []

def learn():
    pass

def facts():
    main = sys.modules["__main__"]
    names = sorted(name for name in vars(main) if name != "__annotations__")
    print(names, main.__file__, main.__spec__, main.__loader__.name, main.__package__)
    print(sys.argv, sys.orig_argv, sys.path, sys.flags, sys.getrecursionlimit())
    print(list(os.environ.items()), os.getcwd(), os.open("/", os.O_RDONLY))
    print([getattr(it, "__name__", type(it)) for it in sys.meta_path])
    print("sitecustomize" in sys.modules)
    print(os.getpid() == os.getsid(0) == os.getpgid(0), threading.active_count())
    print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGPIPE))
    print(sys.stdin.read(), sys.stdout.line_buffering, sys.stdout.encoding, sys.stdin.isatty())
    print(sys.executable, sys.prefix, open("/proc/self/cmdline").read().replace(chr(0), " "))
    subprocess.run(["env"])

def number():
    sys.exit(3)

def words():
    sys.exit("some words")

def no_code():
    raise SystemExit

def error():
    def inner(): raise ValueError("wrong")
    try:
        inner()
    except ValueError as error:
        raise KeyError("because") from error

def recursion():
    recursion()

def at_once():
    sys.stdout.write("lost")
    os._exit(5)

def signalled():
    os.kill(os.getpid(), signal.SIGTERM)

def pipe():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)

def streams():
    print("out 1")
    print("err", file=sys.stderr)
    print("out 2", end="")

def at_exit():
    atexit.register(print, "registered first")
    atexit.register(print, "registered last")

def unclosed():
    json.held = open("/dev/fd/1", "w")
    json.held.write("flushed when freed")

class Late:
    def __del__(self):
        print("freed")

def late():
    json.held = Late()

def pool():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(abs, [-1, 2]))

def spawn():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(abs, [-1, 2]))

def thread():
    threading.Thread(target=print, args=("from a thread",)).start()

def spoil():
    print(getattr(json, "mark", 0), decimal.getcontext().prec, os.environ.get("NEW"), held)
    print(os.getcwd(), sys.path)
    json.mark = 1
    json.dumps = None
    decimal.getcontext().prec = 3
    os.environ["NEW"] = "x"
    held.append(1)
    os.chdir("/")
    sys.path.insert(0, "/nowhere")

def draw():
    print(random.random())

def wait():
    print("waiting", flush=True)
    signal.pause()

def leave():
    subprocess.Popen(["setsid", *os.environ["LEFT"].split()])
    subprocess.Popen(os.environ["LEFT"].split())

def parricide():
    if open(f"/proc/{os.getppid()}/cmdline").read() == open("/proc/self/cmdline").read():
        os.kill(os.getppid(), signal.SIGKILL)
"""


class Python:
    """Runs the script in a worker.

    Attributes:
        notes: What was noted of each run.
    """

    def __init__(self, worker: ProcessWorker) -> None:
        self.worker = worker
        self.notes: list[str] = []

    def invocation(self, mode: str, *, cold: bool = False, **env: str) -> Invocation:
        names = frozenset(("MODE", "LEFT", "in_COMMIT"))
        return Invocation(
            ("python3", "/code/main.py", "a b", "/pfs/out"),
            stdin=b"input",
            env={"MODE": mode, **env},
            varying=None if cold else names,
        )

    def run(self, mode: str, *, cold: bool = False, **env: str) -> tuple[Outcome, list[str]]:
        lines: list[str] = []
        outcome = self.worker.run(self.invocation(mode, cold=cold, **env), taking(lines))
        self.notes.append(outcome.note)
        return outcome, lines


@pytest.fixture
def python(worker: ProcessWorker, stage: Path) -> Python:
    (stage / "main.py").write_text(MAIN)
    (stage / "modes.py").write_text(MODES)
    python = Python(worker)
    python.run("learn")
    return python


@pytest.fixture
def marked() -> Iterator[Marked]:
    marked = Marked()
    yield marked
    assert marked.count() == 0


def test_the_first_run_learns_and_the_others_are_warm(python: Python) -> None:
    assert [python.run("learn") for _ in range(3)] == [(OK, [])] * 3
    assert python.notes == ["", WARM, WARM, WARM]


def test_all_is_as_in_a_cold_start(python: Python) -> None:
    modes = [
        *("facts", "number", "words", "no_code", "error", "recursion", "at_once", "signalled"),
        *("pipe", "streams", "at_exit", "unclosed", "late", "pool", "spawn", "thread"),
    ]
    cold = {mode: python.run(mode, cold=True, in_COMMIT="1") for mode in modes}
    assert set(python.notes) == {""}
    python.notes.clear()
    warm = {mode: python.run(mode, in_COMMIT="1") for mode in modes}
    assert {mode: warm[mode] for mode in modes if warm[mode] != cold[mode]} == {}
    assert set(python.notes) == {WARM}
    assert cold["number"][0].exit_code == 3
    assert cold["signalled"][0].exit_code == 143
    assert cold["late"][1] == ["freed"]


def test_a_run_finds_nothing_of_the_one_before(python: Python) -> None:
    said = [python.run("spoil") for _ in range(3)]
    assert python.notes[1:] == [WARM] * 3
    assert said[0] == said[1] == said[2] == python.run("spoil", cold=True)


def test_random_numbers_are_not_shared(python: Python) -> None:
    drawn = [python.run("draw")[1][0] for _ in range(3)]
    assert len(set(drawn)) == 3


def test_a_changed_module_of_the_stage_is_seen(python: Python, stage: Path) -> None:
    python.run("learn")
    (stage / "modes.py").write_text("def learn():\n    print('changed')\n")
    assert python.run("learn") == (OK, ["changed"])
    assert python.notes[-1] == WARM


def test_a_changed_script_is_learned_anew(python: Python, stage: Path) -> None:
    python.run("learn")
    (stage / "main.py").write_text("import sys\nprint('decimal' in sys.modules)\n")
    assert [python.run("learn") for _ in range(2)] == [(OK, ["False"])] * 2
    assert python.notes[2:] == ["", WARM]


def test_a_module_that_comes_to_hide_one_of_the_library_is_seen(
    python: Python, stage: Path
) -> None:
    python.run("learn")
    (stage / "decimal.py").write_text("print('hidden')\n")
    assert python.run("learn") == (OK, ["hidden"])
    assert python.run("learn") == (OK, ["hidden"])


def test_another_environment_is_another_interpreter(python: Python, stage: Path) -> None:
    (stage / "main.py").write_text("import os\nprint(os.environ['FIXED'])\n")
    said = [python.run("x", FIXED=value)[1] for value in ("1", "1", "2", "2")]
    assert said == [["1"], ["1"], ["2"], ["2"]]
    assert python.notes[1:] == ["", WARM, "", WARM]


def test_what_is_imported_after_a_change_of_the_environment_is_not_loaded_before(
    python: Python, stage: Path
) -> None:
    script = """
import json, sys, os
os.environ["DECIMAL"] = "1"
print("json" in sys.modules, "decimal" in sys.modules)
import decimal
"""
    (stage / "main.py").write_text(script)
    assert [python.run("x") for _ in range(3)] == [(OK, ["True False"])] * 3
    assert python.notes[-1] == WARM


def test_more_imports_are_learned(python: Python, stage: Path) -> None:
    script = """
import os, sys
if os.environ["MODE"] == "more":
    print("decimal" in sys.modules)
    import decimal
"""
    (stage / "main.py").write_text(script)
    said = [python.run(mode)[1] for mode in ("less", "more", "more", "more")]
    more = "the warm interpreter was given up: the script imports more than it did"
    assert python.notes[1:] == ["", more, "", WARM]
    assert said == [[], ["False"], ["False"], ["True"]]


def test_imports_that_write_are_left_to_each_run(python: Python, stage: Path) -> None:
    (stage / "main.py").write_text("import this\n")
    said = [python.run("x") for _ in range(3)]
    assert said[0] == said[1] == said[2]
    assert "The Zen of Python, by Tim Peters" in said[0][1]
    refused = "always in a cold interpreter: what it loads writes messages"
    assert python.notes[1:] == ["", refused, ""]


def test_a_killed_run_ends_and_the_next_is_warm(python: Python, marked: Marked) -> None:
    python.run("learn")
    lines: list[str] = []
    outcomes: list[Outcome] = []

    def on_line(line: str) -> None:
        lines.append(line)
        python.worker.kill()

    outcomes.append(python.worker.run(python.invocation("wait"), on_line))
    assert lines == ["waiting"]
    assert outcomes == [Outcome(137, "the command was stopped")]
    assert outcomes[0].note == WARM
    assert python.run("learn") == (OK, [])
    assert python.notes[-1] == WARM


def test_a_time_limit_holds(python: Python) -> None:
    python.run("learn")
    limited = Invocation(
        ("python3", "/code/main.py", "a b", "/pfs/out"),
        b"",
        {"MODE": "wait"},
        timeout_s=0.5,
        varying=frozenset(("MODE",)),
    )
    outcome = python.worker.run(limited, print)
    assert outcome == Outcome(137, "datum timeout of 0.5s exceeded")
    assert python.run("learn") == (OK, [])


def test_what_a_run_leaves_behind_is_dead_when_it_returns(python: Python, marked: Marked) -> None:
    for _ in range(3):
        assert python.run("leave", LEFT=marked.command)[0] == OK
        assert marked.count() == 0
    assert python.notes[-1] == WARM


def test_a_cold_command_beside_a_warm_interpreter_leaves_nothing(
    python: Python, marked: Marked
) -> None:
    python.run("learn")
    script = f"setsid {marked.command} & {marked.command} &"
    assert python.worker.run(Invocation(("sh", "-c", script)), print) == OK
    assert marked.count() == 0
    python.run("learn")
    assert python.notes[-1] == WARM


def test_a_run_that_kills_its_server_harms_no_other(python: Python) -> None:
    assert python.run("parricide")[0] in (OK, Outcome(137))
    assert python.notes[-1] == WARM
    assert [python.run("streams") for _ in range(3)] == [python.run("streams", cold=True)] * 3
    assert WARM in python.notes[-4:-1]


def test_a_closed_worker_leaves_no_server(python: Python, worker: ProcessWorker) -> None:
    thread, said = in_thread(worker, python.invocation("wait"))
    wait_until(lambda: worker._launcher is not None)  # it starts, or the server does
    worker.close()
    thread.join(10)
    assert len(said) == 1


@pytest.mark.parametrize(
    "cmd",
    [
        ("sh", "-c", "python3 /code/main.py"),
        ("python3", "-c", "print()"),
        ("python3", "-m", "main"),
        ("python3", "-I", "/code/main.py"),
    ],
)
def test_other_commands_start_cold(python: Python, cmd: tuple[str, ...]) -> None:
    given = Invocation(cmd, env={"MODE": "learn"}, varying=frozenset())
    assert [python.worker.run(given, print).note for _ in range(3)] == ["", "", ""]


def test_a_worker_that_is_to_start_all_cold(
    open_worker: Callable[..., ProcessWorker], stage: Path
) -> None:
    (stage / "main.py").write_text("import decimal\n")
    worker = open_worker(stage)
    worker._warm = False
    given = Invocation(("python3", "/code/main.py"), varying=frozenset())
    assert [worker.run(given, print).note for _ in range(3)] == ["", "", ""]


@pytest.fixture
def shared_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of the machine in which everybody sees what is mounted there: a disk, at first."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts anything")
    folder = tmp_path / "shared"
    (folder / "disk").mkdir(parents=True)
    (folder / "another").mkdir()
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "--make-shared", folder], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", folder / "disk"], check=True)
        yield folder
    finally:
        subprocess.run(["umount", "--recursive", folder], check=True)


def test_what_the_machine_mounts_cools_nothing(shared_folder: Path, python: Python) -> None:
    python.run("learn")
    subprocess.run(["umount", shared_folder / "disk"], check=True)
    python.run("learn")
    # The kernel gives this one the number of the peer group that is gone.
    subprocess.run(["mount", "-t", "tmpfs", "none", shared_folder / "another"], check=True)
    python.run("learn")
    python.run("learn")
    assert python.notes == ["", WARM, WARM, WARM, WARM]
