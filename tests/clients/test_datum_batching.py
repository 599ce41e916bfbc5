"""The published clients as user code: by them a pipeline with datum batching asks for datums."""

import json
from pathlib import Path

import pytest
from walkthrough.machine import Daemon

from .environments import python_of

_FOLDER = Path(__file__).parent


@pytest.mark.parametrize("client", ["python-pachyderm", "pachyderm-sdk"])
def test_a_published_client_asks_for_datums(client: str, daemon: Daemon, tmp_path: Path) -> None:
    if "true /pfs" not in daemon.note["runtime"]:
        pytest.skip("the clients read /pfs/.env, which must be at its true place")
    python = python_of(client, _FOLDER / client / "requirements.txt")
    starts = tmp_path / "starts"
    spec = {
        "pipeline": {"name": "copy"},
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
        "transform": {
            "image": "none",
            "cmd": [str(python), str(_FOLDER / client / "batching.py"), str(starts)],
            "err_cmd": ["true"],
            "datum_batching": True,
        },
        "datum_tries": "2",
    }
    daemon.pachctl("create", "repo", "data")
    for name in ("1", "2", "bad", "z"):
        daemon.pachctl("put", "file", f"data@master:/{name}", "-f", "-", stdin=name)
    daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))
    daemon.pachctl("wait", "commit", "copy@master")
    log = daemon.pachctl("logs", "-p", "copy", "--worker")
    (job,) = json.loads(f"[{daemon.pachctl('list', 'job', '-p', 'copy', '--raw')}]")
    assert (job["state"], job["data_processed"], job["data_recovered"]) == (
        "JOB_SUCCESS",
        "3",
        "1",
    ), log
    listed = daemon.pachctl("glob", "file", "copy@master:/*").splitlines()
    assert [line.split()[-1] for line in listed[1:]] == ["/1", "/2", "/z"]
    assert starts.read_text() == "started\n" * 3  # at first, and after each of two failures
    assert log.count("datum failed: ValueError('bad file')") == 2
