"""`pachlocal dev`, as somebody sees it who saves files beside it."""

from __future__ import annotations

import json
import os
import pty
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from walkthrough.machine import Daemon

from pachlocal.dev.loop import in_order
from pachlocal.dev.project import Project
from pachlocal.dev.watching import Watcher

DEADLINE_S = 60.0
COPY = 'for f in /pfs/data/*; do tr a-z A-Z <"$f" >"/pfs/out/$(basename "$f")"; done\n'


def spec(name: str, source: str, glob: str = "/*") -> str:
    return json.dumps(
        {
            "pipeline": {"name": name},
            "transform": {"image": f"acme/{name}:1", "cmd": ["sh", "/code/run.sh"]},
            "input": {"pfs": {"repo": source, "glob": glob}},
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name in ("clean", "report"):
        (folder / name).mkdir(parents=True)
    (folder / "compose.yaml").write_text(
        "services:\n  clean: {image: 'acme/clean:1', build: clean}\n"
        "  report: {image: 'acme/report:1', build: report}\n"
    )
    (folder / "clean" / "run.sh").write_text(COPY)
    (folder / "report" / "run.sh").write_text("cat /pfs/clean/* | wc -c >/pfs/out/bytes\n")
    (folder / "a-report.json").write_text(spec("report", "clean", "/"))
    (folder / "clean.json").write_text(spec("clean", "data"))
    return folder


class Dev:
    """The program, and the lines that it has printed."""

    def __init__(self, folder: Path, daemon: Daemon) -> None:
        self.process = subprocess.Popen(
            ["pachlocal", "dev", str(folder), *daemon.up_arguments[1:]],
            env=daemon.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self.seen: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put("(it has ended)")

    def until(self, part: str) -> str:
        """Wait for a line with this in it."""
        while True:
            try:
                line = self._lines.get(timeout=DEADLINE_S)
            except queue.Empty:
                raise AssertionError(f"no {part!r} in {self.seen[-9:]}") from None
            self.seen.append(line)
            if part in line:
                return line
            assert line != "(it has ended)", (part, self.seen[-9:])

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it goes on; the last it said was {self.seen[-9:]}") from None
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def dev(folder: Path, new_daemon: Callable[[str], Daemon]) -> Iterator[tuple[Dev, Daemon]]:
    daemon = new_daemon("store")
    dev = Dev(folder, daemon)
    try:
        dev.until("dev: watching")
        daemon.started()
        yield dev, daemon
    finally:
        dev.process.kill()
        dev.interrupt()


def test_what_is_saved_runs(dev: tuple[Dev, Daemon], folder: Path, tmp_path: Path) -> None:
    it, daemon = dev
    it.until("clean.json: repo default/data not found")
    daemon.pachctl("create", "repo", "data")
    daemon.pachctl("put", "file", "data@master:/x", "-f", "-", stdin="x")
    it.until("clean: created")
    assert it.until("clean: 1 of 1").endswith("→ new /x")
    it.until("report: 1 of 1 datum ran")

    # A save runs what it is about, and what reads it only if that has changed.
    run = folder / "clean" / "run.sh"
    run.write_text("#\n" + COPY)
    assert it.until("clean: 1 of 1 datum ran").endswith("no file changed")
    assert "1 skipped" in it.until("report: 0 of 1")
    it.until("s after the save")
    run.write_text(COPY)
    assert "1 skipped" in it.until("clean: 0 of 1")

    # What fails says why.
    run.write_text("echo it is broken >&2; exit 3\n")
    it.until("clean: failed: datum")
    it.until("  | it is broken")

    # A save in the middle of a job: that one is left.
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    run.write_text(f"echo >{begun}; while :; do sleep 1; done\n")
    begun.read_text()
    run.write_text(COPY)
    it.until("clean: left: ")
    it.until("clean: 0 of 1 datum ran, 1 skipped")

    # Slips: a sentence each, and the last good state goes on.
    (folder / "clean.json").write_text(spec("clean", "data")[:-1])
    it.until("its previous content still applies")
    (folder / "clean.json").write_text(spec("clean", "data"))
    it.until("note: clean.json is in order again")
    (folder / "clean").rename(folder / "away")
    assert it.until("which isn't a folder").endswith(
        "until it is back, the pipeline stays as it is"
    )
    (folder / "away").rename(folder / "clean")
    it.until("note: the folder of image acme/clean:1 is back")
    (folder / "clean.json").write_text(spec("clean", "data").replace("/*", "/["))
    it.until("clean: clean.json: error: it can't be right")
    (folder / "clean.json").write_text(spec("clean", "data"))
    it.until("clean: updated")
    (folder / "a-report.json").unlink()
    assert "pachctl delete pipeline report" in it.until("a-report.json is gone; report stays")

    # Ctrl-C leaves all as it is.
    assert it.interrupt() == 0
    assert daemon.pachctl("get", "file", "clean@master:/x") == "X"
    assert "report" in daemon.pachctl("list", "pipeline")

    (tmp_path / "empty").mkdir()
    empty = Dev(tmp_path / "empty", daemon)
    empty.until("`pachlocal init` makes a project")
    assert empty.interrupt() == 0

    # The next one finds everything in order.
    again = Dev(folder, daemon)
    again.until("clean: up to date")
    daemon.stop()
    again.until("pachlocal dev: ")
    assert "no Pachyderm answers at unix:" in again.seen[-1]
    assert again.process.wait(DEADLINE_S) == 1
    again.interrupt()


def test_a_project_says_what_changed(folder: Path) -> None:
    project = Project(folder)
    changes = project.look()
    assert [it.request.pipeline.name for it in in_order(changes.specs)] == ["clean", "report"]
    assert not changes.problems
    assert project.look() == type(changes)()
    (folder / "data.json").write_text('{"rows": [1, 2]}')
    (folder / "twice.yaml").write_text(spec("clean", "other"))
    (folder / "wrong.json").write_text(spec("wrong", "data").replace("transform", "transfrom"))
    (folder / "report" / "new.sh").touch()
    (folder / "report" / "__pycache__").mkdir()
    changes = project.look()
    twice, wrong = changes.problems
    assert twice == "twice.yaml: clean is also in clean.json"
    assert wrong.startswith("wrong.json: transfrom: no such field; did you mean transform?")
    (folder / "wrong.json").unlink()
    assert changes.images == {"acme/report:1"}
    (folder / "compose.yaml").write_text("services: [")
    (problem,) = project.look().problems
    assert problem.startswith("compose.yaml:1:12: ")
    assert problem.endswith("its previous content still applies")
    assert project.code_folders == [folder / "clean", folder / "report"]
    (folder / "compose.yaml").unlink()
    assert project.look().problems == ["compose.yaml is gone; its previous content still applies"]
    (folder / "compose.yaml").write_text("services: {}")
    assert project.look().notes == ["compose.yaml is in order again"]
    (folder / "twice.yaml").unlink()
    assert project.look().notes == ["twice.yaml is gone; clean is as clean.json says"]
    (folder / "twice.yaml").write_text(spec("clean", "other"))
    project.look()
    (folder / "clean.json").unlink()
    changes = project.look()
    assert changes.notes == ["clean.json is gone; clean is as twice.yaml says"]
    assert [it.place for it in changes.specs] == ["twice.yaml"]


def test_only_the_folder_s_own_pipelines_are_shown(
    dev: tuple[Dev, Daemon], folder: Path, tmp_path: Path
) -> None:
    it, daemon = dev
    go = tmp_path / "go"

    def create_stranger(name: str, source: str) -> None:
        waiting = f"until test -e {go}; do sleep 0.05; done"
        told = json.loads(spec(name, source)) | {
            "transform": {"image": "x:1", "cmd": ["sh", "-c", waiting]}
        }
        daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(told))

    daemon.pachctl("create", "repo", "data")
    it.until("report: created")
    create_stranger("stranger", "data")
    create_stranger("after", "clean")
    daemon.pachctl("put", "file", "data@master:/x", "-f", "-", stdin="x")
    it.until("report: 1 of 1 datum ran")  # while the others go on
    (folder / "clean" / "run.sh").write_text("#\n" + COPY)
    it.until("s after the save")
    go.touch()
    daemon.pachctl("wait", "commit", "after@master")
    (folder / "report" / "run.sh").write_text("echo 1 >/pfs/out/one\n")
    it.until("report: 1 of 1 datum ran")
    assert not [line for line in it.seen if "stranger" in line or "after:" in line]


def test_a_terminal_shows_how_far_jobs_are() -> None:
    program = (
        "from pachlocal.dev.screen import Screen\n"
        "screen = Screen()\n"
        "screen.draw(['clean: 1 of 2 datums'])\n"
        "screen.draw(['clean: 2 of 2 datums'])\n"
        "screen.say('clean', 'done \\x1b[2J', 'green')\n"
    )
    main, other = pty.openpty()
    subprocess.run([sys.executable, "-c", program], stdout=other, check=True)
    os.close(other)
    shown = _all_of(main).replace("\r\n", "\n")
    up = "\x1b[1A\r\x1b[J"
    assert shown.startswith(f"clean: 1 of 2 datums\n{up}clean: 2 of 2 datums\n{up}")
    assert shown.endswith("done \\x1b[2J\n")  # what a program wrote can't steer the terminal


def _all_of(descriptor: Any) -> str:
    pieces = b""
    try:
        while piece := os.read(descriptor, 1 << 16):
            pieces += piece
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(descriptor)
    return pieces.decode()


def test_a_folder_that_goes_while_it_is_looked_at_is_not_watched(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir()

    def going() -> Iterator[Path]:
        yield folder
        folder.rmdir()

    saved = threading.Event()
    watcher = Watcher(saved.set)
    try:
        watcher.watch([tmp_path], going())
        (tmp_path / "spec.json").write_text("{}")
        assert saved.wait(DEADLINE_S)
    finally:
        watcher.close()
