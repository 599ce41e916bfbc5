"""The published clients of Pachyderm go through the workshop, each in an environment of its own."""

import os
import subprocess
from pathlib import Path

import pytest
from walkthrough.machine import Daemon

from .environments import python_of

_FOLDER = Path(__file__).parent
_TIMEOUT_S = 300


@pytest.mark.slow
@pytest.mark.parametrize("client", ["python-pachyderm", "pachyderm-sdk"])
def test_a_published_client_goes_through_the_workshop(client: str, daemon: Daemon) -> None:
    python = python_of(client, _FOLDER / client / "requirements.txt")
    result = subprocess.run(
        [
            python,
            "-W",
            "error::ResourceWarning",
            _FOLDER / client / "workshop.py",
            *daemon.address.split(":"),
        ],
        env={**os.environ, "PYTHONPATH": str(_FOLDER), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    assert result.returncode == 0, f"{result.stdout}{result.stderr}"
