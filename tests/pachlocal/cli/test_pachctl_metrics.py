"""pachctl metrics, as a user of a daemon types it."""

from __future__ import annotations

from walkthrough.machine import Daemon


def test_metrics_are_listed_by_commit(daemon: Daemon) -> None:
    daemon.pachctl("create", "repo", "model")
    for text in (
        '{"accuracy": 0.9, "rows": 150, "note": "x", "good": true}',
        "no JSON",
        '{"accuracy": 0.973, "loss": 1e-05}',
        "[1]",
    ):
        daemon.pachctl("put", "file", "model@master:/metrics.json", "-f", "-", stdin=text)
    lines = daemon.pachctl("metrics", "model", "--full-timestamps").splitlines()
    assert lines[0].split() == ["COMMIT", "STARTED", "accuracy", "loss", "rows"]
    assert [line.split()[2:] for line in lines[1:]] == [
        ["0.973", "1e-05", "-"],
        ["0.9", "-", "150"],
    ]
    assert len(daemon.pachctl("metrics", "model", "-n", "2").splitlines()) == 2

    result = daemon.run("pachctl", "metrics")  # no pipeline has any
    assert result.returncode == 1
    assert "no commit of a pipeline has /metrics.json" in result.stderr
    assert "not found" in daemon.run("pachctl", "metrics", "none").stderr
