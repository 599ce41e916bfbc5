"""JupyterLab's extension for Pachyderm, as it is published: its own tests, and in a browser."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from walkthrough.machine import Daemon

from .environments import python_of

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.slow

_LOCK = Path(__file__).parent / "jupyterlab" / "requirements.txt"
_TIMEOUT_S = 300
_LOGIN = "test_auth_config"  # against a cluster with authentication
_ROWS = "5.1,3.5,1.4,0.2,Iris-setosa\n"
_CODE = """\
import pathlib
for file in pathlib.Path("/pfs/training").iterdir():
    pathlib.Path("/pfs/out", file.name).write_text(file.read_text().upper())
"""
_SPEC = "pfs:\n  repo: training\n  branch: master\n  glob: /*\n"


@pytest.fixture
def python() -> Path:
    return python_of("jupyterlab", _LOCK)


@pytest.fixture
def environment(daemon: Daemon, python: Path, tmp_path: Path) -> dict[str, str]:
    """What Jupyter sees: a context that leads to the daemon, and folders of its own."""
    context = {"pachd_address": f"grpc://{daemon.address}"}
    config = {"user_id": "", "v2": {"active_context": "it", "contexts": {"it": context}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "home").mkdir()
    kept = {name: value for name, value in os.environ.items() if name != "PACHD_ADDRESS"}
    return {
        **kept,
        "PATH": f"{python.parent}{os.pathsep}{kept['PATH']}",
        # Not above the notebooks: the extension would look for them in a folder called "~".
        "HOME": str(tmp_path / "home"),
        "PACH_CONFIG": str(tmp_path / "config.json"),
        "PFS_MOUNT_DIR": str(tmp_path / "pfs"),
    }


def test_its_own_suite_passes(python: Path, environment: dict[str, str]) -> None:
    asked = "import jupyterlab_pachyderm; print(*jupyterlab_pachyderm.__path__)"
    package = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True)
    folder = Path(package.stdout.strip())
    result = subprocess.run(
        [
            *(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"),
            *("-c", os.devnull),  # not the configuration of this repository
            *(f"{folder.name}/tests", "-k", f"not {_LOGIN}"),
        ],
        cwd=folder.parent,  # the tests find their notebooks from there
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    print(result.stdout)
    assert result.returncode == 0, result.stderr


@pytest.fixture
def start_lab(
    python: Path, environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[[Path], str]]:
    """Starts JupyterLab in a folder; returns its address."""
    running: list[subprocess.Popen[str]] = []

    def start(folder: Path) -> str:
        with socket.create_server(("127.0.0.1", 0)) as free:  # asked for any, it doesn't say which
            port = free.getsockname()[1]
        command = [
            *(python, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *(f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}"),
        ]
        lab = subprocess.Popen(
            command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        running.append(lab)
        assert lab.stderr is not None
        said = (re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", line) for line in lab.stderr)
        link = next(match[0] for match in said if match)
        _wait_for_port(port)  # it says the link a moment before it listens
        return link

    yield start
    for lab in running:
        lab.terminate()
        lab.communicate()


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "JupyterLab doesn't listen"
            time.sleep(0.05)
        else:
            return


def test_a_notebook_explores_tests_and_publishes(
    daemon: Daemon, start_lab: Callable[[Path], str], browser: Any, tmp_path: Path
) -> None:
    daemon.pachctl("create", "repo", "training")
    for name in ("one.txt", "two.txt"):
        daemon.pachctl("put", "file", f"training@master:/{name}", "-f", "-", stdin=_ROWS)
    work = tmp_path / "work"
    work.mkdir()
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "source": _CODE}
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "cells": [cell | {"execution_count": None}],
    }
    (work / "shout.ipynb").write_text(json.dumps(notebook))
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    page.goto(start_lab(work).replace("/lab?", "/lab/tree/shout.ipynb?"))
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.locator("[data-id='pachyderm-mount']").click()
    panel = page.locator("#pachyderm-mount")

    page.get_by_test_id("ProjectRepo-DropdownCombobox-input").click()
    page.get_by_test_id("ProjectRepo-DropdownCombobox-li-default/training").click()
    playwright.expect(panel).to_contain_text("default/training@master")
    panel.locator(".jp-DirListing-item:visible").filter(has_text="training").dblclick()
    panel.locator(".jp-DirListing-item:visible").filter(has_text="two.txt").dblclick()
    playwright.expect(page.locator("#jp-main-dock-panel")).to_contain_text("Iris-setosa")

    panel.get_by_text("Test", exact=True).click()
    page.get_by_test_id("Datum__inputSpecInput").fill(_SPEC)
    page.get_by_test_id("Datum__loadDatums").click()
    playwright.expect(page.get_by_test_id("Datum__cycler")).to_contain_text("(1/2)")
    page.get_by_test_id("Datum__cyclerRight").click()
    playwright.expect(page.get_by_test_id("Datum__cycler")).to_contain_text("(2/2)")

    page.locator("#jp-main-dock-panel .lm-TabBar-tab").filter(has_text="shout.ipynb").click()
    panel.get_by_text("Publish", exact=True).click()
    page.get_by_test_id("Pipeline__inputPipelineName").fill("shout")
    page.get_by_test_id("Pipeline__inputImageName").fill("python:3")
    page.get_by_test_id("Pipeline__inputSpecInput").fill(_SPEC)
    page.get_by_test_id("Pipeline__create_pipeline").click()
    playwright.expect(page.get_by_test_id("Pipeline__responseMessage")).to_contain_text("sent")
    daemon.pachctl("wait", "commit", "shout@master")
    assert daemon.pachctl("get", "file", "shout@master:two.txt") == _ROWS.upper()
    page.close()
