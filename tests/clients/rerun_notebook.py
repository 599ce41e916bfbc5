"""`make notebook`: runs docs/walkthrough.ipynb on a new store, and keeps what it shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.clients.environments import python_of
from tests.walkthrough.machine import ROOT, Daemon

NOTEBOOK = ROOT / "docs" / "walkthrough.ipynb"
_FOLDER = Path(__file__).parent / "notebook"
_TIMEOUT_S = 300
_ID = re.compile(r"\b[0-9a-f]{32,64}\b")
_HASH = re.compile(r"\b[0-9a-f]{12}\b")  # of a model: it comes with the versions of libraries


def rerun(daemon: Daemon, folder: Path) -> str:
    """Returns the notebook with what its cells show now.

    Args:
        daemon: Runs, on an empty store.
        folder: What Jupyter, IPython and Matplotlib keep goes there.

    Raises:
        RuntimeError: A cell failed.
    """
    python = python_of("notebook", _FOLDER / "requirements.txt")
    output = folder / NOTEBOOK.name
    backend = "module://matplotlib_inline.backend_inline"
    result = subprocess.run(
        [python, _FOLDER / "execute.py", NOTEBOOK, output],
        env={**daemon.env, "HOME": str(folder), "MPLBACKEND": backend},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    if result.returncode != 0:
        raise RuntimeError(result.stderr)
    return output.read_text()


def code_cells(text: str) -> dict[str, dict[str, Any]]:
    """Returns the cells of a notebook that run, by their IDs."""
    cells = json.loads(text)["cells"]
    return {cell["id"]: cell for cell in cells if cell["cell_type"] == "code"}


def promised(text: str) -> dict[str, list[object]]:
    """Returns what each cell shows in any run: texts without IDs, and that there is a picture."""
    return {
        name: [cell["execution_count"], *map(_shown, cell["outputs"])]
        for name, cell in code_cells(text).items()
    }


def _shown(output: dict[str, Any]) -> object:
    if output["output_type"] == "stream":
        return output["name"], _normal(output["text"])
    data = output["data"]
    if "image/png" in data:
        return "a picture"
    return _normal(data["text/plain"])


def _normal(text: str | list[str]) -> str:
    return _HASH.sub("HASH", _ID.sub("ID", "".join(text)))


def main() -> None:
    """Writes the notebook, if what it shows has changed."""
    with tempfile.TemporaryDirectory(prefix="pachlocal-notebook-") as name:
        daemon = Daemon(Path(name) / "store")
        daemon.start()
        try:
            text = rerun(daemon, Path(name))
        except RuntimeError as error:
            sys.exit(f"{NOTEBOOK}: {error}")
        finally:
            daemon.end()
    changed = promised(text) != promised(NOTEBOOK.read_text())
    if changed:
        NOTEBOOK.write_text(text)
    print(f"{NOTEBOOK.relative_to(ROOT)}: {'rewritten' if changed else 'current'}")


if __name__ == "__main__":
    main()
