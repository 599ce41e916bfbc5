"""For all tests: a daemon of the test's own, and a browser."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from walkthrough.machine import ROOT, Daemon

_PROGRAMS = (Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser"))
_BUNDLE = ROOT / "pachlocal/web/bundle/index.html"


def pytest_collection_finish() -> None:
    """Spare the garbage collector thousands of tests and all modules: none of them goes away."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def new_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons that aren't started yet; in the end none runs, and their logs are shown."""
    made = []

    def new(name: str = "store", *options: str) -> Daemon:
        made.append(Daemon(tmp_path / name, *options))
        return made[-1]

    yield new
    for daemon in made:
        daemon.end()
        print(f"The log of {daemon.root}:\n{daemon.log}")


@pytest.fixture
def daemon(new_daemon: Callable[[str], Daemon]) -> Daemon:
    """A daemon that runs."""
    daemon = new_daemon("store")
    daemon.start()
    return daemon


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = next(filter(Path.exists, _PROGRAMS), None)
    if program is None:
        pytest.skip("Chromium is not installed")
    if not _BUNDLE.exists():
        pytest.skip("the page is not built: make setup")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=str(program), args=["--no-sandbox"])
        yield started
        started.close()
