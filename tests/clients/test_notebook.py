"""docs/walkthrough.ipynb shows what its cells show when they are run."""

import os
from pathlib import Path

import pytest
from walkthrough.machine import Daemon

from .rerun_notebook import NOTEBOOK, code_cells, promised, rerun

_WANTED = "PACHLOCAL_TEST_NOTEBOOK"
_PICTURES = {"dag", "matrix", "regions", "origin"}  # cells
_MOST = 400_000  # bytes, of a file that everybody clones


def test_the_notebook_is_kept_with_its_outputs() -> None:
    stored = NOTEBOOK.read_text()
    assert len(stored) < _MOST
    shown = promised(stored)
    assert [counted for counted, *_ in shown.values()] == list(range(1, len(shown) + 1))
    assert {name for name, (_, *outputs) in shown.items() if "a picture" in outputs} == _PICTURES
    outputs = [output for cell in code_cells(stored).values() for output in cell["outputs"]]
    assert not any(output.get("name") == "stderr" for output in outputs)
    (printed,) = code_cells(stored)["pipelines"]["outputs"]
    assert "".join(printed["text"]).split() == [
        *["Iris-versicolor"],
        *["Iris-virginica"] * 3,
        *["Iris-setosa"] * 2,
    ]


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get(_WANTED), reason=f"slow; {_WANTED}=1 runs it")
def test_the_notebook_shows_what_its_cells_show(daemon: Daemon, tmp_path: Path) -> None:
    assert promised(rerun(daemon, tmp_path)) == promised(NOTEBOOK.read_text()), "run: make notebook"
