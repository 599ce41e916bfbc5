"""A file system of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pachlocal.pfs.filesystem import FileSystem
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
def files(tmp_path: Path) -> Iterator[FileSystem]:
    files = FileSystem(tmp_path)
    yield files
    files.close()
