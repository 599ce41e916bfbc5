"""docs/walkthrough.ipynb is kept without outputs, and runs."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from walkthrough.machine import ROOT, Daemon

from .environments import python_of

pytestmark = pytest.mark.slow

NOTEBOOK = ROOT / "docs" / "walkthrough.ipynb"
_FOLDER = Path(__file__).parent / "notebook"
_TIMEOUT_S = 300
_WANTED = "PACHLOCAL_TEST_NOTEBOOK"
_PICTURES = {"dag", "matrix", "regions", "origin"}  # cells


def code_cells(path: Path) -> dict[str, dict[str, Any]]:
    cells = json.loads(path.read_text())["cells"]
    return {cell["id"]: cell for cell in cells if cell["cell_type"] == "code"}


def test_the_notebook_is_kept_without_outputs() -> None:
    for name, cell in code_cells(NOTEBOOK).items():
        assert (cell["outputs"], cell["execution_count"]) == ([], None), name


@pytest.mark.skipif(not os.environ.get(_WANTED), reason=f"slow; {_WANTED}=1 runs it")
def test_the_notebook_runs(daemon: Daemon, tmp_path: Path) -> None:
    python = python_of("notebook", _FOLDER / "requirements.txt")
    output = tmp_path / "walkthrough.ipynb"
    result = subprocess.run(
        [python, _FOLDER / "execute.py", NOTEBOOK, output],
        # All that Jupyter, IPython and Matplotlib keep goes there.
        env={
            **daemon.env,
            "HOME": str(tmp_path),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        },
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    assert result.returncode == 0, result.stderr
    cells = code_cells(output)
    shown = {
        name
        for name, cell in cells.items()
        if any("image/png" in it.get("data", {}) for it in cell["outputs"])
    }
    assert shown == _PICTURES
    assert not any(it.get("name") == "stderr" for cell in cells.values() for it in cell["outputs"])
    (printed,) = cells["pipelines"]["outputs"]
    assert "".join(printed["text"]).split() == [
        *["Iris-versicolor"],
        *["Iris-virginica"] * 3,
        *["Iris-setosa"] * 2,
    ]
