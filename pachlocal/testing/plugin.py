"""The pytest plugin: `pachlocal`, a server of the test's own.

It is loaded with every pytest of an environment that has pachlocal, so it imports nothing before it
is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pachlocal.testing.server import Server

_COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what a project may set."""
    parser.addini(
        "pachlocal_compose",
        "The compose.yaml that names the stages' folders, seen from pytest's root; by default the "
        "nearest one at or above the test's folder.",
    )
    parser.addini("pachlocal_timeout", "Seconds that pipelines may take to get done.", default="60")


@pytest.fixture
def pachlocal(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A Pachyderm on this machine, empty, that ends with the test.

    Its images are the folders of the project's compose.yaml, and specifications are looked for
    beside that.
    """
    from pachlocal.testing.server import Server

    compose = _compose_of(request)
    folder = compose.parent if compose else request.config.rootpath
    timeout_s = float(request.config.getini("pachlocal_timeout"))
    with Server(compose, folder=folder, timeout_s=timeout_s) as server:
        yield server


def _compose_of(request: pytest.FixtureRequest) -> Path | None:
    root = request.config.rootpath
    if named := request.config.getini("pachlocal_compose"):
        path = root / str(named)
        if not path.is_file():
            raise pytest.UsageError(f"pachlocal_compose: there is no {path}")
        return path
    for folder in (request.path.parent, *request.path.parent.parents):
        for name in _COMPOSE:
            if (folder / name).is_file():
                return folder / name
        if folder == root:
            break
    return None
