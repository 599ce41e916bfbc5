"""One open database, and the objects of a store, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pachlocal.storage.database import Database
from pachlocal.storage.objects import ObjectStore


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "pach.db")
    yield database
    database.close()


@pytest.fixture
def objects(database: Database, tmp_path: Path) -> Iterator[ObjectStore]:
    objects = ObjectStore(database, tmp_path / "chunks")
    yield objects
    objects.close()
