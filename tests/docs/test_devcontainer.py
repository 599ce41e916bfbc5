"""The container for developers: what https://containers.dev/implementors/json_reference allows."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())

ALLOWED = {
    *("name", "image", "features", "onCreateCommand", "postCreateCommand", "remoteEnv"),
    *("forwardPorts", "portsAttributes", "hostRequirements", "customizations"),
}


def test_it_has_only_properties_of_the_reference():
    assert FILE.keys() <= ALLOWED
    assert FILE["hostRequirements"].keys() <= {"cpus", "memory", "storage", "gpu"}
    for port, about in FILE["portsAttributes"].items():
        assert int(port) in FILE["forwardPorts"]
        assert about["onAutoForward"] in {"notify", "openBrowser", "silent", "ignore"}


def test_it_forwards_the_ports_that_the_readme_shows():
    shown = set(re.findall(r"127\.0\.0\.1:(\d+)", (ROOT / "README.md").read_text()))
    assert {str(port) for port in FILE["forwardPorts"]} == shown


def test_it_calls_targets_that_make_has():
    targets = re.findall(r"^(\S+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    program, target = FILE["postCreateCommand"].split()
    assert program == "make"
    assert target in targets
