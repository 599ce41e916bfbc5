"""For all tests: a daemon of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from walkthrough.machine import Daemon


@pytest.fixture
def new_daemon(tmp_path: Path) -> Iterator[Callable[[str], Daemon]]:
    """Makes daemons that aren't started yet; in the end none runs, and their logs are shown."""
    made = []

    def new(name: str = "store") -> Daemon:
        made.append(Daemon(tmp_path / name))
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
