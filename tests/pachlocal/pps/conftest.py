"""A store with pipelines at work for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pps_world import World

from pachlocal.storage.database import Connection, Database


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave durability to the tests of storage."""
    connect = Database._connect

    def connect_without_sync(database: Database) -> Connection:
        connection = connect(database)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    monkeypatch.setattr(Database, "_connect", connect_without_sync)
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()
