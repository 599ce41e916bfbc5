"""A file system of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pachlocal.pfs.filesystem import FileSystem


@pytest.fixture
def files(tmp_path: Path) -> Iterator[FileSystem]:
    files = FileSystem(tmp_path)
    yield files
    files.close()
