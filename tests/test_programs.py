from __future__ import annotations

import signal

import pytest
from programs import Program


def test_a_program_is_killed_if_its_test_fails() -> None:
    with pytest.raises(ZeroDivisionError), Program(["sleep", "infinity"]) as program:
        _ = 1 / 0
    assert program.returncode == -signal.SIGKILL


def test_a_program_is_waited_for_otherwise() -> None:
    with Program(["true"]) as program:
        pass
    assert program.returncode == 0
