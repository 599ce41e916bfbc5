"""Ctrl-C on a terminal: it ends a program with the code that shells know, and says nothing else."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from walkthrough.machine import Daemon, environment

CTRL_C = b"\x03"


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, words: list[str], env: dict[str, str]) -> None:
        program = shutil.which(words[0], path=env["PATH"])
        assert program
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execve(program, words, env)  # noqa: S606
        self.shown = ""

    def wait_for(self, pattern: str) -> None:
        """Reads until something is shown."""
        while not re.search(pattern, self.shown):
            assert self._read(), self.shown

    def interrupt(self) -> int:
        """Types Ctrl-C; returns the exit code as a shell tells it, and adds what is shown."""
        os.write(self._terminal, CTRL_C)
        return self.end()

    def end(self) -> int:
        """Waits for its end; returns the exit code as a shell tells it, and adds what is shown."""
        while self._read():
            pass
        _, status = os.waitpid(self._pid, 0)
        os.close(self._terminal)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def _read(self) -> bool:
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # Linux's end of a terminal
            return False
        self.shown += data.decode().replace("\r\n", "\n")
        return bool(data)


@pytest.mark.parametrize(("program", "module"), [("pachlocal", "click"), ("pachctl", "inspect")])
def test_a_program_that_is_still_being_imported_ends_in_silence(
    program: str, module: str, tmp_path: Path
) -> None:
    (tmp_path / f"{module}.py").write_text(
        "import signal\nprint('importing', flush=True)\nsignal.pause()\n"
    )
    env = environment(tmp_path) | {"PYTHONPATH": str(tmp_path)}
    terminal = Terminal([program, "version"], env)
    terminal.wait_for("importing\n")
    assert terminal.interrupt() == 128 + signal.SIGINT
    assert terminal.shown == "importing\n^C"


def test_a_start_that_is_interrupted_leaves_no_daemon(tmp_path: Path) -> None:
    at_work = tmp_path / "at work"
    os.mkfifo(at_work)
    (tmp_path / "sqlite3.py").write_text(
        f"import signal\nat_work = open({str(at_work)!r}, 'w')\n"
        "print('starting', file=at_work, flush=True)\nsignal.pause()\n"
    )
    env = environment(tmp_path) | {"PYTHONPATH": str(tmp_path)}
    terminal = Terminal(["pachlocal", "up", "--root", str(tmp_path / "store")], env)
    with at_work.open() as daemon:
        assert daemon.readline() == "starting\n"
        assert terminal.interrupt() == 128 + signal.SIGINT
        assert daemon.read() == ""  # when it has ended
    assert terminal.shown == "^C"


def test_a_log_that_is_followed_ends_with_its_lines(daemon: Daemon) -> None:
    daemon.pachctl("create", "repo", "data")
    spec = {
        "pipeline": {"name": "wait"},
        "transform": {"image": "any", "cmd": ["sh"], "stdin": ["echo ready; exec sleep 1000"]},
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
    }
    daemon.pachctl("create", "pipeline", stdin=json.dumps(spec))
    daemon.pachctl("put", "file", "data@master:/1", "-f", "-", stdin="x")
    terminal = Terminal(["pachctl", "logs", "--pipeline", "wait", "--follow"], daemon.env)
    terminal.wait_for("ready\n")
    before = terminal.shown
    assert terminal.interrupt() == 128 + signal.SIGINT
    assert terminal.shown.replace("^C", "").strip() == before.strip()


def test_who_waits_sees_how_far_a_job_is_and_what_keeps_it(
    new_daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    folder, away = tmp_path / "stage", tmp_path / "away"
    folder.mkdir()
    (tmp_path / "compose.yaml").write_text("services: {stage: {image: 'any:1', build: stage}}\n")
    daemon = new_daemon("store", "--compose", str(tmp_path / "compose.yaml"))
    daemon.start()
    daemon.pachctl("create", "repo", "data")
    go = tmp_path / "go"
    os.mkfifo(go)
    spec = {
        "pipeline": {"name": "one"},
        "transform": {"image": "any:1", "cmd": ["sh"], "stdin": [f"cat {go}"]},
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
    }
    daemon.pachctl("create", "pipeline", stdin=json.dumps(spec))
    folder.rename(away)
    daemon.pachctl("put", "file", "data@master:/1", "-f", "-", stdin="x")
    terminal = Terminal(["pachctl", "wait", "commit", "one@master"], daemon.env)
    terminal.wait_for("one: image any:1 is built from .*")
    away.rename(folder)
    terminal.wait_for("one: 0 of 1 datums")
    go.write_text("")
    terminal.wait_for("Commit: one@")
    assert terminal.end() == 0
