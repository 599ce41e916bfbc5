"""A project of one's own: what a program of its own finds, which may look at stage folders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pachlocal.cli.pachlocal.doctor.finding import Finding, Verdict

_OF_THE_WORKSHOP = "python_train.json"
_TIMEOUT_S = 60.0


def is_project(compose: Path | None) -> bool:
    """Whether a compose.yaml is that of pipelines of one's own, and not the workshop's."""
    return compose is not None and not (compose.absolute().parent / _OF_THE_WORKSHOP).exists()


def check_project(compose: Path) -> list[Finding]:
    """The images, commands and environments of the specifications beside a compose.yaml."""
    command = [sys.executable, "-m", "pachlocal.project_check", str(compose.absolute().parent)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        text = f"{compose} can't be looked at within {_TIMEOUT_S:.0f} s"
        return [Finding(Verdict.FAIL, "project", text)]
    if done.returncode:
        return [Finding(Verdict.FAIL, "project", " ".join(done.stderr.split()))]
    found = json.loads(done.stdout)
    return [Finding(Verdict(verdict), *texts) for verdict, *texts in found]
