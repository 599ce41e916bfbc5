"""What the machine lacks is told apart from what is wrong with a command."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pachlocal.errors import ImageUnavailableError, InfrastructureError, NotFoundError
from pachlocal.faults import machine_fault
from pachlocal.runtime import launch, process
from pachlocal.runtime.contract import Invocation, Outcome, WorkerSpec
from pachlocal.runtime.launch import Isolation
from pachlocal.runtime.process import ProcessRuntime
from pachlocal.runtime.worker import ProcessWorker

from .conftest import Run

OK = Outcome(0)


@pytest.fixture
def runtime(tmp_path: Path) -> ProcessRuntime:
    return ProcessRuntime(tmp_path / "scratch", {})


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ImageUnavailableError("image x is not here"), "image x is not here"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EIO, "Input/output error", "/x"), "Input/output error: /x"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "Resource temporarily"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (sqlite3.OperationalError("database or disk is full"), "database or disk is full"),
        (RuntimeError("can't start new thread"), "can't start new thread"),
        (MemoryError(), "Cannot allocate memory"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_failures_of_the_machine(error: Exception, words: str) -> None:
    assert words in machine_fault(error)


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("repo x not found"),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        PermissionError(errno.EACCES, "Permission denied"),
        sqlite3.OperationalError("no such table: x"),
        sqlite3.IntegrityError("UNIQUE constraint failed"),
        RuntimeError("a mistake"),
        ValueError("can't start new thread"),
    ],
    ids=repr,
)
def test_failures_of_others(error: Exception) -> None:
    assert machine_fault(error) == ""


def test_a_thread_that_the_machine_has_no_room_for_is_recognized() -> None:
    # A limit of 1 byte for the address space leaves no room for a stack; the words are CPython's.
    program = """
import resource, threading
resource.setrlimit(resource.RLIMIT_AS, (1, resource.getrlimit(resource.RLIMIT_AS)[1]))
try:
    threading.Thread(target=print).start()
except RuntimeError as error:
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
    from pachlocal.faults import machine_fault
    print(machine_fault(error))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.startswith("can't start new thread: "), done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_a_launcher_without_descriptors_starts_nothing_and_is_replaced(
    run: Run, worker: ProcessWorker
) -> None:
    assert run("true") == (OK, [])
    for pid in _launchers(worker):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, 1))
    with pytest.raises(InfrastructureError, match=r"^fork/exec true: too many open files$"):
        run("true")
    assert run("echo", "again") == (OK, ["again"])


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_a_launcher_with_few_descriptors_takes_no_command_for_failed(
    run: Run, worker: ProcessWorker
) -> None:
    for files in range(2, 16):
        assert run("true") == (OK, [])
        for pid in _launchers(worker):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (files, 4096))
        with contextlib.suppress(InfrastructureError):
            assert run("true") == (OK, [])


def test_a_launcher_that_is_not_ready_in_time(
    runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = runtime.open_worker(WorkerSpec("w", "x"))
    with monkeypatch.context() as patch:
        patch.setattr(launch, "START_LIMIT_S", 0)
        with pytest.raises(InfrastructureError, match="the launcher was not ready after 0s"):
            worker.run(Invocation(("true",)), print)
    assert worker.run(Invocation(("true",)), print) == OK
    worker.close()


def test_a_machine_that_can_start_nothing(
    runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork_fails(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", fork_fails)
        assert "could not be found out yet" in runtime.describe()
        with pytest.raises(InfrastructureError, match="does not start: Resource temporarily"):
            runtime.open_worker(WorkerSpec("w", "x"))
    assert "could not be found out" not in runtime.describe()
    worker = runtime.open_worker(WorkerSpec("w", "x"))
    assert worker.run(Invocation(("true",)), print) == OK
    worker.close()


def test_a_busy_machine_is_no_kernel_that_refuses(
    tmp_path: Path, allowed: set[Isolation], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = ProcessRuntime(tmp_path / "scratch", {})
    with monkeypatch.context() as patch:
        patch.setattr(launch, "START_LIMIT_S", 0)
        runtime.describe()
    refused = allowed == {Isolation.NONE}
    assert ("paths rewritten" in runtime.describe()) == refused


def test_a_worker_that_could_not_be_made_leaves_its_name_free(
    runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def full(path: Path, *arguments: object, **options: object) -> None:
        if path.name == "root":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        mkdir(path, *arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", full)
        with pytest.raises(OSError, match="No space left"):
            runtime.open_worker(WorkerSpec("w", "x"))
    runtime.open_worker(WorkerSpec("w", "x")).close()


def test_a_worker_whose_folder_can_not_be_removed_leaves_its_name_free(
    runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    worker = runtime.open_worker(WorkerSpec("w", "x"))
    with monkeypatch.context() as patch:
        patch.setattr("pachlocal.runtime.folders.remove_tree", fails)
        with pytest.raises(OSError, match="Input/output"):
            worker.close()
    runtime.open_worker(WorkerSpec("w", "x")).close()


def test_a_folder_that_somebody_has_removed(runtime: ProcessRuntime) -> None:
    worker = runtime.open_worker(WorkerSpec("w", "x"))
    process.WorkerFolder.remove(worker._folder)
    worker.close()


def _launchers(worker: ProcessWorker) -> list[int]:
    """The numbers of a worker's launcher, and of its process 1 where there is one."""
    launcher = worker._launcher
    assert launcher is not None
    guard = launcher._process.pid
    children = Path(f"/proc/{guard}/task/{guard}/children").read_text().split()
    return [guard, *map(int, children)]
