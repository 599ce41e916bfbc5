"""`pachlocal down` ends whatever hangs, and nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner
from google.protobuf.empty_pb2 import Empty
from walkthrough.machine import Daemon

from pachlocal.cli.pachlocal import cli
from pachlocal.cli.pachlocal import daemon as outside
from pachlocal.proto import version_pb2_grpc

# Runs at the start of every interpreter that has its folder on PYTHONPATH.
PRELUDE = """
import sys
if "pachlocal.daemon" in sys.orig_argv:
    import ctypes, time
    import grpc._server
    from pachlocal import daemon, shutdown
    from pachlocal.api import cluster, server
    from pachlocal.pps.run.scheduler import Scheduler
    from pachlocal.storage.database import Database

    def hang(*_):
        print("it hangs", file=sys.stderr, flush=True)
        time.sleep(1000)

    def hang_with_the_interpreter(*_):
        print("it hangs", file=sys.stderr, flush=True)
        ctypes.PyDLL(None).sleep(1000)  # never lets another thread run

    server._STOP_LIMIT_S = daemon._CALLS_LIMIT_S = daemon._WORKERS_LIMIT_S = 0.5
"""

HANGS = {
    "grpc": "grpc._server._Server.stop = hang",
    "grpc_and_all_threads": (
        "grpc._server._Server.stop = hang_with_the_interpreter; shutdown.LIMIT_S = 3.0"
    ),
    "a_call": "cluster.VersionApi.get_version = hang",
    "workers": "Scheduler.close = hang",
    "the_store": "Database.close = hang",
}


@pytest.fixture
def hanging(new_daemon: Callable[[str], Daemon], tmp_path: Path) -> Callable[[str], Daemon]:
    def start(line: str) -> Daemon:
        (tmp_path / "sitecustomize.py").write_text(f"{PRELUDE}    {line}\n")
        daemon = new_daemon("store")
        daemon.env["PYTHONPATH"] = str(tmp_path)
        daemon.start()
        del daemon.env["PYTHONPATH"]
        return daemon

    return start


@pytest.fixture
def waits() -> Iterator[Callable[[Daemon], None]]:
    """Makes a call that isn't answered."""
    channels, calls = [], []

    def call(daemon: Daemon) -> None:
        channel = grpc.insecure_channel(daemon.address)
        channels.append(channel)
        calls.append(version_pb2_grpc.APIStub(channel).GetVersion.future(Empty()))
        deadline = time.monotonic() + 30
        while "it hangs" not in daemon.log:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    yield call
    for channel in channels:
        channel.close()


@pytest.mark.slow
@pytest.mark.parametrize("what", HANGS)
def test_down_ends_whatever_hangs(
    hanging: Callable[[str], Daemon], waits: Callable[[Daemon], None], what: str
) -> None:
    daemon = hanging(HANGS[what])
    daemon.pachctl("create", "repo", "data")
    daemon.pachctl("put", "file", "data@master:/a", "-f", "-", stdin="acknowledged")
    if what == "a_call":
        waits(daemon)
    down = daemon.run("pachlocal", "down", "--root", str(daemon.root))
    assert (down.returncode, down.stdout) == (0, "pachlocal is down\n"), down.stderr
    assert not daemon.runs()
    assert "it hangs" in daemon.log
    assert ("most recent call first" in daemon.log) == (what == "grpc_and_all_threads")

    daemon.start()
    assert daemon.pachctl("get", "file", "data@master:/a") == "acknowledged"
    fsck = daemon.run("pachlocal", "fsck", "--root", str(daemon.root))
    assert fsck.stdout == "No errors found.\n"


@pytest.mark.slow
def test_a_store_is_closed_in_order_though_grpc_hangs(hanging: Callable[[str], Daemon]) -> None:
    daemon = hanging(HANGS["grpc"])
    daemon.pachctl("create", "repo", "data")
    daemon.run("pachlocal", "down", "--root", str(daemon.root))
    assert "the gRPC server did not end within 0.5s, and is left behind" in daemon.log
    assert not (daemon.root / "pach.db-wal").exists()  # SQLite has put it away


def test_a_daemon_that_is_frozen_is_killed(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "_STOP_TIMEOUT_S", 0.3)
    pid = daemon.note["pid"]
    os.kill(pid, signal.SIGSTOP)
    result = CliRunner().invoke(cli, ["down", "--root", str(daemon.root)])
    assert result.exit_code == 0
    assert "pachlocal is down\n" in result.output
    assert f"process {pid} does not stop, and is killed" in result.output
    assert not daemon.runs()
