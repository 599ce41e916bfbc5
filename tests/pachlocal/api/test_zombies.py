"""fsck finds files in a pipeline's output that none of its datums wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from walkthrough.machine import Daemon

SPEC = {
    "pipeline": {"name": "p"},
    "transform": {"image": "none", "cmd": ["sh", "-c", "cp /pfs/in/* /pfs/out"]},
    "input": {"pfs": {"repo": "in", "glob": "/*"}},
}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path / "store")
    daemon.start()
    daemon.pachctl("create", "repo", "in")
    for name in ("a", "b"):
        daemon.pachctl("put", "file", f"in@master:{name}", stdin=f"{name}\n")
    daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(SPEC))
    daemon.pachctl("wait", "commit", "p@master")
    yield daemon
    daemon.end()


def found(daemon: Daemon, *arguments: str) -> list[str]:
    result = daemon.run("pachctl", "fsck", *arguments)
    assert result.returncode == (1 if "Error" in result.stdout else 0), result.stderr
    return result.stdout.splitlines()


def test_files_that_no_datum_wrote_are_found(daemon: Daemon) -> None:
    assert found(daemon, "--zombie-all") == ["No errors found."]
    # A deleted input takes its output along, and what was skipped stays.
    daemon.pachctl("put", "file", "in@master:c", stdin="c\n")
    daemon.pachctl("delete", "file", "in@master:a")
    daemon.pachctl("wait", "commit", "p@master")
    assert found(daemon, "--zombie-all") == ["No errors found."]

    daemon.pachctl("stop", "pipeline", "p")
    daemon.pachctl("put", "file", "p@master:/by/hand", stdin="x\n")
    line = "Error: stale datum default had file /by/hand"
    assert found(daemon, "--zombie-all") == [line]
    assert found(daemon, "--zombie", "p@master") == [line]
    assert found(daemon, "--zombie", "p@master^") == ["No errors found."]
    assert found(daemon) == ["No errors found."]


def test_only_a_pipeline_has_zombies(daemon: Daemon) -> None:
    result = daemon.run("pachctl", "fsck", "--zombie", "in@master")
    assert (result.returncode, result.stdout) == (1, "")
    assert "repo default/in.meta not found" in result.stderr
