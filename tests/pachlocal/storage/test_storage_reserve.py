from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pachlocal.storage.reserve import Reserve


def test_a_write_waits_for_the_reserve_that_another_one_is_making(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = Reserve(tmp_path)
    refused: list[OSError] = []

    def write() -> None:
        try:
            reserve.check()
        except OSError as error:
            refused.append(error)

    other = threading.Thread(target=write)

    def allocate(_: Reserve) -> bool:
        other.start()
        other.join(timeout=0.2)  # it waits for us, or has been refused
        return True

    monkeypatch.setattr(Reserve, "_allocate", allocate)
    write()
    other.join()
    assert refused == []
