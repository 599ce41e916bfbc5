"""The pipeline specs, compose.yaml and the images' pins agree with what runs them."""

import re

import pytest
from google.protobuf import json_format

from pachlocal.proto import pps_pb2
from pachlocal.runtime.stages import load_stages

from .workshop import ROOT, STAGES

SPECS = sorted(ROOT.glob("*_train.json")) + sorted(ROOT.glob("*_infer.json"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_spec_is_a_pipeline_and_its_stage_has_the_script(path):
    spec = json_format.Parse(path.read_text(), pps_pb2.CreatePipelineRequest())
    name, repos = {
        "train": ("model", ["training"]),
        "infer": ("inference", ["attributes", "model"]),
    }[path.stem.rpartition("_")[2]]
    inputs = spec.input.cross or [spec.input]
    assert spec.pipeline.name == name
    assert [part.pfs.repo for part in inputs] == repos
    assert spec.parallelism_spec.constant == 1

    folder = load_stages(ROOT / "compose.yaml", environ={})[spec.transform.image]
    script = spec.transform.cmd[1]
    assert script.startswith("/code/")
    assert (folder / script.removeprefix("/code/")).is_file()


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


def test_images_pin_what_the_tests_ran_with():
    pin = re.compile(r"^([\w-]+)==([\w.]+)(?: ;.*)? \\$", re.M)
    tested = pin.findall((ROOT / "requirements" / "dev.txt").read_text())
    images = pin.findall((ROOT / "python" / "iris-infer-python" / "requirements.txt").read_text())
    assert "scikit-learn" in dict(images)
    assert set(images) <= set(tested)
