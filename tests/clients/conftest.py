import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .environments import ROOT

_STOP_TIMEOUT_S = 60


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where a daemon of the test's own answers: HOST:PORT."""
    reader, writer = os.pipe()
    log = tmp_path / "daemon.log"
    with log.open("w") as output, os.fdopen(reader) as report:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pachlocal.daemon", "--root", tmp_path / "store"),
                *("--address", "127.0.0.1:0", "--compose", ROOT / "compose.yaml"),
                *("--report-fd", str(writer)),
            ],
            stdout=output,
            stderr=output,
            pass_fds=[writer],
        )
        os.close(writer)
        message = json.loads(report.read() or "{}")
    try:
        assert "address" in message, message or log.read_text()
        yield message["address"].removeprefix("grpc://")
    finally:
        process.terminate()
        process.wait(_STOP_TIMEOUT_S)
    assert process.returncode == 0, log.read_text()
