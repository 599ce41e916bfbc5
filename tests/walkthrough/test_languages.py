"""One language for another, while the pipelines are there; and many workers at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stages.workshop import STAGES

from .machine import Daemon
from .steps import expect_report, expect_results, head, report
from .walk import Walk

pytestmark = pytest.mark.slow

MISSING = {stage.language: stage.missing for stage in STAGES}
OTHERS = [
    pytest.param(
        language,
        marks=pytest.mark.skipif(MISSING[language] is not None, reason=str(MISSING[language])),
    )
    for language in ("rstats", "julia")
]


@pytest.fixture
def walk(daemon: Daemon, tmp_path: Path) -> Walk:
    """A walk whose two pipelines, in Python, have given their results."""
    walk = Walk(daemon, tmp_path)
    walk.type("pachctl create repo training")
    walk.type("pachctl create repo attributes")
    walk.type("pachctl put file training@master -f data/iris.csv")
    walk.type("pachctl put file attributes@master -f data/test/1.csv -f data/test/2.csv")
    walk.type("pachctl create pipeline -f python_train.json")
    walk.type("pachctl create pipeline -f python_infer.json")
    wait(walk)
    expect_results(walk)
    return walk


def wait(walk: Walk) -> dict[str, str]:
    """Waits until inference has ended; returns its newest job."""
    walk.quiet("wait commit inference@master")
    (job,) = walk.raw(f"inspect job inference@{head(walk, 'inference')}")
    return dict(job)


def swap(walk: Walk, language: str) -> None:
    """Changes the model first, which inference can't read then, and inference after it."""
    walk.type(f"pachctl update pipeline -f {language}_train.json --reprocess")
    mismatch = wait(walk)
    assert mismatch["state"] == "JOB_FAILURE"
    assert "\n" not in mismatch["reason"]
    assert "/pfs/model" in mismatch["reason"]  # what was looked for, in the words of the stage
    walk.type(f"pachctl update pipeline -f {language}_infer.json --reprocess")
    assert wait(walk)["state"] == "JOB_SUCCESS"
    expect_results(walk)


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_is_changed_for_another_and_back(walk: Walk, language: str) -> None:
    swap(walk, language)
    report(walk)  # of a model in that language, and of one in Python before it
    swap(walk, "python")
    walk.quiet("wait commit report@master")
    expect_report(walk)


def test_ten_workers_share_two_hundred_files_and_go_with_their_pipeline(
    daemon: Daemon, tmp_path: Path
) -> None:
    walk = Walk(daemon, tmp_path)
    folder = tmp_path / "attributes"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number:03d}.csv").write_text("5.1,3.5,1.4,0.2\n")
    walk.type("pachctl create repo attributes")
    walk.type(f"pachctl put file attributes@master:/ -r -f {folder}")
    # All ten are at work at once, or none gets on: each waits until it sees the other nine.
    meet = tmp_path / "meet"
    meet.mkdir()
    script = (
        f"touch {meet}/$PPS_POD_NAME; "
        f"until [ $(ls {meet} | wc -l) -ge 10 ]; do sleep 0.05; done; "
        "wc -l < $attributes > /pfs/out/$(basename $attributes)"
    )
    spec = {
        "pipeline": {"name": "count"},
        "transform": {"image": "machine", "cmd": ["sh"], "stdin": [script]},
        "parallelism_spec": {"constant": "10"},
        "input": {"pfs": {"repo": "attributes", "glob": "/*"}},
        "datum_timeout": "60s",
    }
    (tmp_path / "count.json").write_text(json.dumps(spec))
    walk.type(f"pachctl create pipeline -f {tmp_path}/count.json")
    walk.quiet("wait commit count@master")
    (job,) = walk.raw(f"inspect job count@{head(walk, 'count')}")
    assert (job["state"], int(job["data_processed"])) == ("JOB_SUCCESS", 200)
    assert len(list(meet.iterdir())) == 10
    assert len(walk.raw("list file count@master")) == 200
    (info,) = walk.raw("inspect pipeline count")
    assert info["details"]["workers_available"] == "10"
    assert len(list((daemon.root / "scratch").glob("default-count-*"))) == 10

    walk.type("pachctl delete pipeline count")
    status = walk.type(f"pachlocal status --root {daemon.root}")
    assert "count" not in status
    daemon.stop()
    assert list((daemon.root / "scratch").glob("default-count-*")) == []
