"""The cores of a machine, of which the daemon's small calls share one."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from walkthrough.machine import Daemon

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds threads to cores")

SPEC = {
    "pipeline": {"name": "cores"},
    "transform": {"cmd": ["sh", "-c", "grep Cpus_allowed_list /proc/self/status >/pfs/out/$datum"]},
    "input": {"pfs": {"repo": "data", "glob": "/*", "name": "datum"}},
}


def allowed(daemon: Daemon, file: str) -> str:
    daemon.pachctl("wait", "commit", "cores@master")
    return daemon.pachctl("get", "file", f"cores@master:/{file}")


def test_programs_have_all_cores_also_when_a_call_begins_their_job(daemon: Daemon) -> None:
    if len(os.sched_getaffinity(0)) == 1:
        pytest.skip("the machine has one core")
    status = Path("/proc/self/status").read_text()
    (mine,) = (line for line in status.splitlines(True) if line.startswith("Cpus_allowed_list"))
    spec = json.dumps(SPEC).replace("$datum", "$(basename $datum)")
    daemon.pachctl("create", "repo", "data")
    daemon.pachctl("put", "file", "data@master:/first", stdin="1")
    daemon.pachctl("create", "pipeline", "-f", "-", stdin=spec)
    assert allowed(daemon, "first") == mine
    daemon.pachctl("put", "file", "data@master:/second", stdin="2")
    assert allowed(daemon, "second") == mine
