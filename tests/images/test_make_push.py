"""`make push`, with programs in the place of Docker that say what they are called with."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from walkthrough.machine import ROOT

SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def names(stages: tuple[str, ...]) -> list[str]:
    images = [SERVICES[stage]["image"] for stage in stages]
    return sorted(image.replace("${IMAGE_PREFIX:-pachyderm}", "reg.example/me") for image in images)


@pytest.mark.parametrize("stages", [(), ("iris-infer-r",), ("iris-infer-r", "iris-report")])
def test_it_says_which_images_it_pushes(tmp_path: Path, stages: tuple[str, ...]) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho linux/amd64\n")
    compose = tmp_path / "compose"
    config = f"sed 's|${{IMAGE_PREFIX:-pachyderm}}|'$IMAGE_PREFIX'|' {ROOT}/compose.yaml"
    compose.write_text(f'#!/bin/sh\ncase $1 in config) {config} ;; *) echo "compose: $*" ;; esac\n')
    docker.chmod(0o755)
    compose.chmod(0o755)
    variables = ("REGISTRY=reg.example/me", f"STAGES={' '.join(stages)}", "COMPOSE=compose")
    done = subprocess.run(
        ["make", "--no-print-directory", "push", *variables],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.partition("Pushing to reg.example/me, for linux/amd64:\n")[2].splitlines()
    listed = sorted(line.strip() for line in said if line.startswith("  "))
    assert listed == names(stages or tuple(SERVICES))
    assert said[-1] == " ".join(("compose: push", *stages))
