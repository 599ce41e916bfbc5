"""What goes wrong is said in one line that names what and where; nothing changes."""

from __future__ import annotations

import copy
import json
import os
import re
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from programs import Program

from .leftovers import processes_of
from .machine import ROOT, Daemon

GOOD: dict[str, Any] = {
    "pipeline": {"name": "new"},
    "transform": {"image": "busybox:1", "cmd": ["true"]},
    "input": {"pfs": {"repo": "training", "glob": "/"}},
}
IRIS = "data/iris.csv"
GONE = object()


def spec(**changes: object) -> str:
    """Returns GOOD with changes; `a__b=value` is the field b in a, GONE takes it out."""
    changed = copy.deepcopy(GOOD)
    for name, value in changes.items():
        *parents, last = name.split("__")
        place = changed
        for parent in parents:
            place = place[parent]
        if value is GONE:
            del place[last]
        else:
            place[last] = value
    return json.dumps(changed)


SPECS: dict[str, tuple[str, tuple[str, ...]]] = {
    "syntax": ('{"pipeline": {"name": "new"},, }', ("spec.json:1:30",)),
    "nothing": ("", ("spec.json",)),
    "unknown field": (spec(tranform={}), ("spec.json", "tranform", "transform?")),
    "text for array": (spec(transform__cmd="true"), ("spec.json", "transform.cmd", "array")),
    "text for number": (
        spec(parallelism_spec={"constant": "many"}),
        ("spec.json", "parallelism_spec.constant", "number", "many"),
    ),
    "no name": (spec(pipeline=GONE), ("spec.json", "pipeline.name")),
    "no input": (spec(input={}), ("no input set",)),
    "no glob": (spec(input__pfs__glob=GONE), ("input.pfs", "glob")),
    "bad glob": (spec(input__pfs__glob="/["), ("invalid glob '/['", "']' is missing")),
    "no such repo": (spec(input__pfs__repo="gone"), ("repo default/gone not found",)),
    "itself": (spec(input__pfs__repo="new"), ("default/new", "its own")),
    "cycle": (
        spec(pipeline__name="first", input__pfs__repo="second"),
        ("default/first@master", "its own provenance", "cycle"),
    ),
    "name of a repo": (spec(pipeline__name="training"), ("default/training", "already exists")),
    "name with a space": (spec(pipeline__name="a b"), ("name (a b) invalid",)),
}

COMMANDS: dict[str, tuple[str, ...]] = {
    "create repo training": ("repo default/training already exists",),
    "create repo a!b": ("name (a!b) invalid",),
    "create pipeline -f gone.json": ("gone.json: no such file",),
    "put file gone@master -f data/iris.csv": ("repo default/gone not found",),
    "put file training@master -f gone.csv": ("gone.csv: no such file",),
    "put file training@{commit} -f data/iris.csv": ("training@{commit} has already finished",),
    "put file training@master:../iris.csv -f data/iris.csv": ("path (../iris.csv) invalid",),
    "put file first@master -f data/iris.csv": ("output branch", "default/first@master"),
    "finish commit training@master": ("training@{commit} has already finished",),
    "start commit first@master": ("output branch", "default/first@master"),
    "list file gone@master": ("not found", "default/gone"),
    "get file training@gone:iris.csv": ('branch "gone" not found in repo default/training',),
    "get file training@master:gone": ("file gone not found", "training", "{commit}"),
    "inspect pipeline gone": ('pipeline "default/gone" not found',),
    "inspect job first@{commit}": ("default/first@{commit} not found",),
    "delete repo gone": ("repo default/gone not found",),
    "delete repo training": ("default/first@master",),
    "delete pipeline first": (
        'branch "default/first@master" cannot be deleted',
        "default/second@master",
    ),
}


class Bench:
    """A server with data and two pipelines, on which everything is refused."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        daemon.start()
        daemon.pachctl("create", "repo", "training")
        daemon.pachctl("put", "file", "training@master", "-f", IRIS)
        for name, source in (("first", "training"), ("second", "first")):
            text = spec(pipeline__name=name, input__pfs__repo=source)
            daemon.pachctl("create", "pipeline", "-f", "-", stdin=text)
        daemon.pachctl("wait", "commit", "second@master")
        info = json.loads(daemon.pachctl("inspect", "commit", "training@master", "--raw"))
        self.commit = info["commit"]["id"]

    def all(self) -> str:
        """Returns all that is stored, but for log lines, from a copy: the daemon shares nothing."""
        with tempfile.TemporaryDirectory() as folder:
            for file in self.daemon.root.glob("pach.db*"):
                shutil.copy(file, folder)
            with closing(sqlite3.connect(Path(folder, "pach.db"))) as db:
                return "\n".join(line for line in db.iterdump() if 'INSERT INTO "logs' not in line)

    def refuse(self, *command: str) -> str:
        """Runs pachctl, which must fail, say why in one line, and change nothing."""
        before = self.all()
        line = refused(self.daemon.run("pachctl", *command), "pachctl")
        assert self.all() == before
        return line


def refused(result: subprocess.CompletedProcess[str], program: str) -> str:
    assert result.returncode == 1, result
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{program}: ")
    return line


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    daemon = Daemon(tmp_path_factory.mktemp("bench") / "store")
    try:
        yield Bench(daemon)
    finally:
        daemon.end()
        print(daemon.log)


@pytest.mark.parametrize("case", SPECS)
def test_a_wrong_spec_is_refused(bench: Bench, tmp_path: Path, case: str) -> None:
    text, parts = SPECS[case]
    path = tmp_path / "spec.json"
    path.write_text(text)
    verb = "update" if case == "cycle" else "create"
    line = bench.refuse(verb, "pipeline", "-f", str(path))
    for part in parts:
        assert part in line


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_command_is_refused(bench: Bench, command: str) -> None:
    line = bench.refuse(*command.format(commit=bench.commit).split())
    for part in COMMANDS[command]:
        assert part.format(commit=bench.commit) in line


@pytest.mark.slow
def test_a_wrong_csv_fails_the_job_and_its_logs_say_why(daemon: Daemon) -> None:
    daemon.pachctl("create", "repo", "training")
    daemon.pachctl("put", "file", "training@master:iris.csv", stdin="5.1,3.5,1.4,Iris-setosa\n")
    daemon.pachctl("create", "pipeline", "-f", "python_train.json")
    assert "Error: datum" in daemon.pachctl("wait", "commit", "model@master")
    (row,) = daemon.pachctl("list", "job", "-p", "model").splitlines()[1:]
    assert re.search(r"failure: datum \w{12}: exit code 1: pytrain.py: ", row)
    assert "running / failure" in daemon.pachctl("list", "pipeline")
    (line,) = set(daemon.pachctl("logs", "-p", "model").splitlines())
    assert line.startswith("pytrain.py: /pfs/training/iris.csv:1: ")
    assert daemon.pachctl("list", "file", "model@master").split() == ["SIZE", "NAME"]

    daemon.pachctl("put", "file", "training@master", "-f", IRIS)
    assert "Error" not in daemon.pachctl("wait", "commit", "model@master")
    assert "Rows: 150" in daemon.pachctl("get", "file", "model@master:model.txt")


@pytest.fixture
def up(new_daemon: Callable[[str], Daemon]) -> Callable[..., str]:
    """Tries to start a daemon, which must be refused; returns the line that says why."""
    idle = new_daemon("idle")

    def try_(*arguments: str, root: Path = idle.root) -> str:
        return refused(idle.run("pachlocal", "up", "--root", str(root), *arguments), "pachlocal")

    return try_


def test_a_second_daemon_on_a_store_is_refused(
    bench: Bench, up: Callable[..., str], tmp_path: Path
) -> None:
    daemon = bench.daemon
    pid = daemon.note["pid"]
    line = up(root=daemon.root)
    assert f"already running at grpc://{daemon.address} on {daemon.root} (process {pid})" in line
    assert line.endswith(f"; clients find it with: export PACHD_ADDRESS=grpc://{daemon.address}")
    assert "know" not in line
    compose = tmp_path / "compose.yaml"
    compose.write_text("services: {}\n")
    elsewhere = Daemon(daemon.root, place=tmp_path)
    line = refused(elsewhere.run("pachlocal", "up", "--root", str(daemon.root)), "pachlocal")
    at = f"--root {daemon.root}"
    again = f"`pachlocal down {at}`, then `pachlocal up {at} --address 127.0.0.1:0`"
    assert line.endswith(f"; it doesn't know {compose}: {again}")
    arguments = ("--root", str(daemon.root), "--address", "127.0.0.1:0")
    direct = daemon.run(sys.executable, "-m", "pachlocal.daemon", *arguments)
    assert f"another pachlocal daemon works on {daemon.root}" in refused(direct, "pachlocal")
    assert daemon.note["pid"] == pid


def test_a_port_that_is_taken_is_named(up: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert f"can't listen on {address}: another program" in up("--address", address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", ":30650", "unix:/tmp/socket", ""]
)
def test_an_address_needs_host_and_port(up: Callable[..., str], address: str) -> None:
    line = up("--address", address)
    assert f"{address!r} isn't an address: it must be HOST:PORT" in line


def test_a_root_that_cannot_be_made_is_named(up: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    root = tmp_path / "file" / "store"
    assert f"{root} can't hold a store: Not a directory" in up(root=root)


@pytest.mark.parametrize("verb", ["status", "down", "reset"])
def test_without_a_daemon_its_commands_say_so(
    new_daemon: Callable[[str], Daemon], verb: str
) -> None:
    daemon = new_daemon("idle")
    line = refused(daemon.run("pachlocal", verb, "--root", str(daemon.root)), "pachlocal")
    assert str(daemon.root) in line
    assert not daemon.root.exists()


def test_without_a_server_pachctl_says_how_to_start_one(
    new_daemon: Callable[[str], Daemon],
) -> None:
    daemon = new_daemon("idle")
    daemon.env["PACHD_ADDRESS"] = "grpc://127.0.0.1:1"
    line = refused(daemon.run("pachctl", "list", "repo"), "pachctl")
    assert "grpc://127.0.0.1:1" in line
    assert "pachlocal up" in line
    assert "PACHD_ADDRESS" in line


def test_a_killed_daemons_note_misleads_nobody(daemon: Daemon) -> None:
    daemon.stop(signal.SIGKILL)
    note = daemon.root / "daemon.json"
    assert note.exists()
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        arguments = ("--root", str(daemon.root), "--address", address)
        assert daemon.run("pachlocal", "up", *arguments).returncode == 1
    assert not note.exists()


def test_an_interrupted_start_leaves_no_daemon(
    new_daemon: Callable[[str], Daemon], tmp_path: Path
) -> None:
    daemon = new_daemon("store")
    compose = tmp_path / "compose.yaml"
    os.mkfifo(compose)  # the daemon waits for its content
    script = f"exec 3> {compose}; echo opened; read line"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with Program(["sh", "-c", script], **pipes) as writer:
        starting = subprocess.Popen(
            ["pachlocal", *daemon.up_arguments, "--compose", str(compose)],
            cwd=ROOT,
            env=daemon.env,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert select.select([writer.stdout], [], [], 60)[0], daemon.log
            starting.send_signal(signal.SIGINT)
            assert starting.wait(60) == 130
            assert not processes_of(daemon.root)
        finally:
            writer.kill()
            starting.kill()
            starting.wait()
