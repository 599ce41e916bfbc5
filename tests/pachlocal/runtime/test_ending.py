"""Nothing that a command started outlives it, its worker or the daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import Program

from pachlocal.errors import InfrastructureError
from pachlocal.runtime.contract import Invocation, Outcome
from pachlocal.runtime.launch import Isolation
from pachlocal.runtime.worker import ProcessWorker

from .conftest import Run
from .processes import Marked, in_thread, wait_until

OK = Outcome(0)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper or a PID namespace")


@pytest.fixture
def marked() -> Iterator[Marked]:
    marked = Marked()
    yield marked
    assert marked.count() == 0


@LINUX
@pytest.mark.parametrize(
    "which", [slice(None), slice(1), slice(-1, None)], ids=["all", "1st", "2nd"]
)
def test_a_launcher_killed_at_work_is_reported_and_replaced(
    run: Run, worker: ProcessWorker, marked: Marked, which: slice
) -> None:
    assert run("true") == (OK, [])
    thread, said = in_thread(worker, Invocation(("sh", "-c", f"{marked.command} & wait")))
    wait_until(lambda: marked.count() == 1)
    kill_launchers(worker, which)
    thread.join(10)
    [error] = said
    assert isinstance(error, InfrastructureError)  # and no outcome of the command
    assert "ended unexpectedly (SIGKILL)" in str(error)
    wait_until(lambda: marked.count() == 0)
    assert run("echo", "again") == (OK, ["again"])


@LINUX
def test_a_launcher_killed_while_idle_is_replaced_silently(run: Run, worker: ProcessWorker) -> None:
    assert run("true") == (OK, [])
    pids = kill_launchers(worker)
    wait_until(lambda: not any(map(running, pids)))
    assert run("echo", "again") == (OK, ["again"])


DAEMON = """
import os, sys
from pathlib import Path
from pachlocal.runtime.contract import Invocation
from pachlocal.runtime.environment import interpreter_environment
from pachlocal.runtime.folders import WorkerFolder
from pachlocal.runtime.launch import Isolation
from pachlocal.runtime.worker import ProcessWorker

folder = WorkerFolder(Path(sys.argv[1]), "held")
worker = ProcessWorker(folder, None, Isolation(sys.argv[2]), interpreter_environment(os.environ))
worker.run(Invocation(("sh", "-c", sys.argv[3])), print)
"""


@LINUX
@pytest.mark.parametrize("all_at_once", [False, True], ids=["daemon", "daemon-and-launcher"])
def test_a_killed_daemon_leaves_nothing_running(
    isolation: Isolation, tmp_path: Path, marked: Marked, all_at_once: bool
) -> None:
    script = f"exec {marked.command}"
    if not all_at_once:
        script = f"(setsid {marked.command} &); {script}"
    argv = [sys.executable, "-c", DAEMON, str(tmp_path), isolation.value, script]
    with Program(argv) as daemon:
        wait_until(lambda: marked.count() == script.count(marked.command))
        launchers = children_of(daemon.pid)
        assert launchers
        for pid in [daemon.pid, *(launchers if all_at_once else [])]:
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: marked.count() == 0)
    wait_until(lambda: not any(map(running, launchers)))


def test_a_worker_that_never_ran_has_no_process(worker: ProcessWorker) -> None:
    assert worker.pfs.is_dir()
    before = time.monotonic()
    worker.close()
    assert time.monotonic() - before < 0.1


def launchers_of(worker: ProcessWorker) -> list[int]:
    """The processes that start a worker's commands: its folder stands among their arguments."""
    mark = str(worker.pfs.parent / "root")
    listed = subprocess.run(
        ["ps", "axwwo", "pid,stat,args"], capture_output=True, text=True, check=True
    )
    found = []
    for line in listed.stdout.splitlines()[1:]:
        pid, state, args = line.split(maxsplit=2)
        if mark in args and "Z" not in state:
            found.append(int(pid))
    return found


def kill_launchers(worker: ProcessWorker, which: slice = slice(None)) -> list[int]:
    pids = launchers_of(worker)[which]  # with a PID namespace: its guard, then process 1
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return pids


def children_of(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"  # init may take its time to reap
