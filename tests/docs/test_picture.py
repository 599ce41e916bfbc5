"""pipeline.png shows what the pipeline specs say."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DRAWING = runpy.run_path(str(ROOT / "docs" / "draw_pipeline.py"))
SPECS = sorted(ROOT.glob("*_train.json")) + sorted(ROOT.glob("*_infer.json"))


def test_the_picture_is_current():
    carried = DRAWING["drawn_from"]((ROOT / "pipeline.png").read_bytes())
    assert carried == DRAWING["graph"](), "draw it anew: make pipeline.png"


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_picture_shows_spec_image_repos_and_globs(path):
    spec = json.loads(path.read_text())
    inputs = spec["input"].get("cross", [spec["input"]])
    text = DRAWING["graph"]()
    assert path.name in text
    assert f"<b>{spec['transform']['image'].removeprefix('pachyderm/')}</b>" in text
    for part in inputs:
        edge = f'"repo {part["pfs"]["repo"]}" -> "pipeline {spec["pipeline"]["name"]}"'
        label = next(line for line in text.splitlines() if edge in line)
        assert f"glob <b>{part['pfs']['glob']}</b>" in label


def test_a_picture_without_its_source_is_told():
    picture = (ROOT / "pipeline.png").read_bytes()
    assert DRAWING["drawn_from"](picture.replace(b"iTXtSource", b"iTXtOthers")) == ""
