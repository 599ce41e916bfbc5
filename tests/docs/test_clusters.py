import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from pachlocal.cli.pachctl.client import config

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "clusters.md").read_text()


def block(language: str) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[0]


def test_pachctl_understands_the_context(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "config.json").write_text(block("json"))
    monkeypatch.setenv("PACH_CONFIG", str(tmp_path / "config.json"))
    for name in ("PACHD_ADDRESS", "PACH_CONTEXT", "PACH_IN_WORKER"):
        monkeypatch.delenv(name, raising=False)
    assert config.load().address == "grpc://localhost:8080"


def test_the_values_are_yaml():
    assert yaml.safe_load(block("yaml"))["pachd"]["storage"]["backend"] == "AMAZON"


@pytest.mark.parametrize("spec", sorted(ROOT.glob("*_*.json")), ids=lambda path: path.name)
def test_every_spec_can_be_led_to_another_registry(spec: Path):
    (script,) = re.findall(r"sed ('s\|\"pachyderm.*?') python_train.json", PAGE)
    printed = subprocess.run(
        ["sh", "-c", f"sed {script} {spec.name}"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    image = json.loads(printed)["transform"]["image"]
    pushed = (ROOT / "compose.yaml").read_text()
    pushed = pushed.replace("${IMAGE_PREFIX:-pachyderm}", "registry.example.com/me")
    assert f"image: {image}\n" in pushed
