"""The pipeline specs, compose.yaml and the images' pins agree with what runs them."""

import re

import pytest
from google.protobuf import json_format

from pachlocal.proto import pps_pb2
from pachlocal.runtime.stages import load_stages

from .workshop import ROOT, STAGES

SPECS = [
    *sorted(ROOT.glob("*_train.json")),
    *sorted(ROOT.glob("*_infer.json")),
    ROOT / "report.json",
]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_spec_is_a_pipeline_and_its_stage_has_the_script(path):
    spec = json_format.Parse(path.read_text(), pps_pb2.CreatePipelineRequest())
    name, repos = {
        "train": ("model", ["training"]),
        "infer": ("inference", ["attributes", "model"]),
        "report": ("report", ["model", "training", "attributes", "inference"]),
    }[path.stem.rpartition("_")[2]]
    inputs = spec.input.cross or [spec.input]
    assert spec.pipeline.name == name
    assert [part.pfs.repo for part in inputs] == repos
    assert spec.parallelism_spec.constant == 1

    folder = load_stages(ROOT / "compose.yaml", environ={})[spec.transform.image]
    (script,) = (word for word in spec.transform.cmd if word.startswith("/code/"))
    assert (folder / script.removeprefix("/code/")).is_file()


@pytest.mark.parametrize("language", ["python", "rstats", "julia"])
def test_an_exercise_has_one_slip_in_the_workshop_s_spec(language):
    right = (ROOT / f"{language}_train.json").read_text().splitlines()
    for name in ("image", "glob"):
        path = ROOT / "docs" / "exercises" / f"{language}_{name}.json"
        pairs = zip(right, path.read_text().splitlines(), strict=True)
        ((line, _),) = [pair for pair in pairs if pair[0] != pair[1]]
        assert f'"{name}": ' in line


@pytest.mark.parametrize("stage", STAGES, ids=str)
def test_image_admits_all_that_it_copies(stage):
    """.dockerignore leaves everything out but what it names."""
    admitted = (stage.folder / ".dockerignore").read_text().splitlines()
    assert admitted[0] == "*"
    copied = re.findall(
        r"^COPY (?!--from)(.+) \./$", (stage.folder / "Dockerfile").read_text(), re.M
    )
    patterns = {line[1:] for line in admitted[1:]}
    sources = [source for line in copied for source in line.split()]
    assert sources
    for source in sources:
        files = {path.name for path in stage.folder.glob(source)}
        allowed = {path.name for pattern in patterns for path in stage.folder.glob(pattern)}
        assert files <= allowed


def test_stages_pin_the_same_versions():
    pin = re.compile(r"^([\w-]+)==([\w.]+)(?: ;.*)? \\$", re.M)
    first, second = (
        set(pin.findall((ROOT / "python" / stage / "requirements.txt").read_text()))
        for stage in ("iris-infer-python", "iris-report")
    )
    assert "scikit-learn" in dict(first)
    assert "matplotlib" in dict(second)
    shared = {one for one in second if one[0] in dict(first)}
    assert "pandas" in dict(shared)
    assert shared <= first
