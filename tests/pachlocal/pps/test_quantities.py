from __future__ import annotations

from typing import Any

import pytest

from pachlocal.errors import InvalidArgumentError
from pachlocal.pps.spec.resources import resources
from pachlocal.runtime.contract import Resources


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, Resources()),
        ({}, Resources()),
        ({"cpu": 0, "memory": ""}, Resources()),
        ({"cpu": 0.5}, Resources(cpu=0.5)),
        ({"gpu": {"type": "nvidia.com/gpu", "number": "2"}}, Resources(gpus=2)),
        ({"gpu": {"type": "nvidia.com/gpu", "number": "-1"}}, None),
        ({"memory": "64Mi"}, Resources(memory=64 << 20)),
        ({"memory": "1.5G"}, Resources(memory=1_500_000_000)),
        ({"memory": "1e3k"}, None),
        ({"memory": "128974848"}, Resources(memory=128_974_848)),
        ({"memory": "12E2"}, Resources(memory=1200)),
        ({"memory": "2E"}, Resources(memory=2 * 10**18)),
        ({"memory": "128974848000m"}, Resources(memory=128_974_848)),
    ],
)
def test_amounts(value: dict[str, Any] | None, expected: Resources | None) -> None:
    if expected is None:
        with pytest.raises(InvalidArgumentError):
            resources({"resource_limits": value}, "resource_limits")
    else:
        assert resources({"resource_limits": value}, "resource_limits") == expected


@pytest.mark.parametrize("memory", ["lots", "64MiB", "-1Mi", "1 2"])
def test_what_is_no_amount_is_named(memory: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"resource_limits\.memory: .* such as 512Mi"):
        resources({"resource_limits": {"memory": memory}}, "resource_limits")


@pytest.mark.parametrize("cpu", [-1, float("inf"), float("nan")])
def test_cores_are_a_number(cpu: float) -> None:
    with pytest.raises(InvalidArgumentError, match=r"resource_requests\.cpu"):
        resources({"resource_requests": {"cpu": cpu}}, "resource_requests")
