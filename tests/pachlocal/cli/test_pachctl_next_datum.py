"""A script that asks for its datums, as a pipeline with datum batching runs it."""

from __future__ import annotations

import json

from walkthrough.machine import Daemon

LOOP = """
pachctl next datum
while true; do
  for file in /pfs/data/*; do
    case "$file" in
      *bad) error="no such thing" ;;
      *) error=""; tr a-z A-Z < "$file" > "/pfs/out/$(basename "$file")" ;;
    esac
  done
  echo "done with $file"
  pachctl next datum --error "$error"
done
"""


def make(daemon: Daemon, **files: str) -> dict[str, str]:
    """Runs the script on files, and returns its job."""
    daemon.pachctl("create", "repo", "data")
    daemon.pachctl("start", "commit", "data@master")
    for name, content in files.items():
        daemon.pachctl("put", "file", f"data@master:/{name}", stdin=content)
    daemon.pachctl("finish", "commit", "data@master")
    spec = {
        "pipeline": {"name": "loud"},
        "transform": {
            "image": "machine",
            "cmd": ["sh"],
            "stdin": LOOP.splitlines(),
            "datum_batching": True,
        },
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
        "datum_tries": "1",
    }
    daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))
    daemon.pachctl("wait", "commit", "loud@master")
    job, _ = json.JSONDecoder().raw_decode(daemon.pachctl("list", "job", "-p", "loud", "--raw"))
    return dict(job)


def test_a_script_works_on_one_datum_after_the_other(daemon: Daemon) -> None:
    job = make(daemon, one="first", two="second", three="third")
    assert (job["state"], job["data_processed"]) == ("JOB_SUCCESS", "3")
    assert daemon.pachctl("get", "file", "loud@master:/two") == "SECOND"
    assert len(daemon.pachctl("list", "file", "loud@master").splitlines()) == 4


def test_and_says_when_one_went_wrong(daemon: Daemon) -> None:
    job = make(daemon, bad="x", good="y")
    assert job["state"] == "JOB_FAILURE"
    assert "no such thing" in job["reason"]
    assert (job["data_processed"], job["data_failed"]) == ("1", "1")


def test_outside_a_pipeline_it_says_what_it_is_for(daemon: Daemon) -> None:
    result = daemon.run("pachctl", "next", "datum")
    assert result.returncode == 1
    assert result.stderr == (
        "pachctl: PPS_WORKER_GRPC_PORT is not set: this is for programs that a pipeline runs\n"
    )
