"""The resources that a spec limits or asks for, in the notation of Kubernetes.

See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pachlocal.errors import InvalidArgumentError
from pachlocal.runtime.contract import Resources

_QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?([numkMGTPE]|[KMGTPE]i)?")
_SCALES = {
    "": Decimal(1),
    **{unit: Decimal(10) ** (3 * (step - 3)) for step, unit in enumerate("num")},
    **{unit: Decimal(1000) ** step for step, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** step for step, unit in enumerate("KMGTPE", 1)},
}


def resources(spec: Mapping[str, Any], field: str) -> Resources:
    """Return what a field of a spec says of cores and memory; zero is as good as nothing.

    Raises:
        InvalidArgumentError: It isn't an amount.
    """
    value = spec.get(field) or {}
    cpu = float(value.get("cpu") or 0)
    if not 0 <= cpu < float("inf"):
        raise InvalidArgumentError(f"{field}.cpu: {cpu:g} is not a number of cores")
    memory = _bytes(value.get("memory") or "0", f"{field}.memory")
    return Resources(cpu or None, memory or None)


def _bytes(text: str, where: str) -> int:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or (match[2] and match[3]):
        raise InvalidArgumentError(f"{where}: {text!r} is not an amount such as 512Mi or 1.5G")
    number = Decimal(match[1]) * Decimal(f"1{match[2] or ''}")
    return int(number * _SCALES[match[3] or ""])
