"""The daemon ends at a known moment: while a datum's command runs, while a file comes in."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import Program

from .machine import Daemon

_TIMEOUT_MS = 60_000

SIGNALS = pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name
)


class Gate:
    """Where a command in a pipeline says that it runs, and waits until it may go on."""

    def __init__(self, folder: Path) -> None:
        self.runs = folder / "runs"
        self._alive, self._go = folder / "alive", folder / "go"
        os.mkfifo(self._alive)
        os.mkfifo(self._go)
        self._reader = -1
        self.stdin = [
            "for file in /pfs/in/*; do name=${file##*/}; done",
            f"echo $name >> {self.runs}",
            f"if [ $name = b ]; then exec 3> {self._alive}; echo runs >&3; read x < {self._go}; fi",
            "cp /pfs/in/* /pfs/out/",
        ]

    def await_run(self) -> None:
        """Returns when a command runs; it holds its end open for as long as it lives."""
        self.close()
        self._reader = os.open(self._alive, os.O_RDONLY | os.O_NONBLOCK)
        assert self._poll() & select.POLLIN, "no command has come to run"
        assert os.read(self._reader, 100) == b"runs\n"

    def await_death(self) -> None:
        assert self._poll() & select.POLLHUP, "the command outlives its daemon"

    def open(self) -> None:
        """Lets a command that waits go on."""
        self._go.write_text("on\n")

    def close(self) -> None:
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1

    def _poll(self) -> int:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        return sum(events for _, events in poll.poll(_TIMEOUT_MS))


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    yield gate
    gate.close()


@pytest.fixture
def put(daemon: Daemon, tmp_path: Path) -> Callable[..., None]:
    """Puts files with their names for content, in one commit."""

    def put_(*names: str) -> None:
        options = []
        for name in names:
            (tmp_path / name).write_text(name)
            options += ["-f", str(tmp_path / name)]
        daemon.pachctl("put", "file", "in@master", *options)

    return put_


def _job(daemon: Daemon, commit: str) -> dict[str, Any]:
    (id_,) = (
        line.removeprefix("Commit: copy@")
        for line in daemon.pachctl("wait", "commit", commit).splitlines()
        if line.startswith("Commit: ")
    )
    return json.loads(daemon.pachctl("inspect", "job", f"copy@{id_}", "--raw"))


@SIGNALS
def test_a_job_at_work_goes_on_where_it_was(
    daemon: Daemon, gate: Gate, put: Callable[..., None], number: signal.Signals
) -> None:
    daemon.pachctl("create", "repo", "in")
    put("a", "b", "c")
    spec = {
        "pipeline": {"name": "copy"},
        "transform": {"image": "busybox:1", "cmd": ["sh"], "stdin": gate.stdin},
        "input": {"pfs": {"repo": "in", "glob": "/*"}},
    }
    daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))
    gate.await_run()
    put("d")  # another job, that waits for the first

    daemon.stop(number)
    gate.await_death()
    daemon.start()
    gate.await_run()
    gate.open()

    first, second = _job(daemon, "copy@master^"), _job(daemon, "copy@master")
    assert (first["state"], first["restart"]) == ("JOB_SUCCESS", "1")
    assert (first["data_processed"], first["data_total"]) == ("3", "3")
    assert (second["state"], second["data_processed"]) == ("JOB_SUCCESS", "1")
    assert gate.runs.read_text().split() == ["a", "b", "b", "c", "d"]
    for commit, names in (("master^", "abc"), ("master", "abcd")):
        listed = daemon.pachctl("list", "file", f"copy@{commit}").split()[2:]
        assert listed[1::2] == [f"/{name}" for name in names]
        for name in names:
            assert daemon.pachctl("get", "file", f"copy@{commit}:{name}") == name


@SIGNALS
def test_half_a_file_is_no_file(daemon: Daemon, number: signal.Signals) -> None:
    daemon.pachctl("create", "repo", "in")
    daemon.pachctl("put", "file", "in@master:whole", stdin="whole")
    commit = daemon.pachctl("start", "commit", "in@master").strip()
    daemon.pachctl("put", "file", "in@master:acknowledged", stdin="yes")
    with Program(
        ["pachctl", "put", "file", "in@master:half"],
        env=daemon.env,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as client:
        assert client.stdin
        assert client.stderr
        client.stdin.write(bytes(8 << 20))  # more than pipe and buffers hold
        client.stdin.flush()
        daemon.stop(number)
        client.stdin.close()
        error = client.stderr.read().decode()
    assert client.returncode == 1
    assert error.count("\n") == 1, error

    daemon.start()
    assert daemon.pachctl("get", "file", f"in@{commit}:acknowledged") == "yes"
    daemon.pachctl("put", "file", "in@master:more", stdin="more")
    daemon.pachctl("finish", "commit", f"in@{commit}")
    listed = daemon.pachctl("list", "file", "in@master").split()[2:]
    assert listed[1::2] == ["/acknowledged", "/more", "/whole"]
