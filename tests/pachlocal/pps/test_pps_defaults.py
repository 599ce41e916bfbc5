"""What a spec that leaves something out comes to."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pachlocal.pps.spec import effective

SPEC: dict[str, Any] = {
    "pipeline": {"name": "p"},
    "transform": {"cmd": ["true"]},
    "input": {"pfs": {"repo": "a", "glob": "/*"}},
}


@pytest.mark.parametrize("transform", [{}, {"image": ""}])
def test_a_command_without_an_image_runs_in_the_real_servers_default(
    transform: dict[str, str],
) -> None:
    spec = copy.deepcopy(SPEC)
    spec["transform"].update(transform)
    assert effective(spec)["transform"]["image"] == "ubuntu:20.04"


def test_an_image_that_is_given_stays() -> None:
    spec = copy.deepcopy(SPEC)
    spec["transform"]["image"] = "alpine"
    assert effective(spec)["transform"]["image"] == "alpine"


def test_completing_a_spec_leaves_the_users_own_as_it_was() -> None:
    spec = copy.deepcopy(SPEC)
    effective(spec)
    assert spec == SPEC
