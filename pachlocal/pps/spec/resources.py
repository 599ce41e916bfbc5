"""The resources that a spec limits or asks for, in the notation of Kubernetes.

See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pachlocal.errors import InvalidArgumentError, StricterError
from pachlocal.runtime.contract import Resources

LOG_LIMIT = "pachlocal.io/log-limit"
"""An annotation: a cluster takes it, and has no interest in it."""

LEAST_LOG = 2**20
"""Bytes of a job's log that can be asked for: what comes at once is kept or cut as one."""

_MAX_LENGTH = 40  # characters of an amount: a number of many digits takes long
_MAX_BYTES = 2**63 - 1  # larger amounts are capped, as Kubernetes does it
_MAX_CORES = 2**20
_QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?([numkMGTPE]|[KMGTPE]i)?")
_SCALES = {
    "": Decimal(1),
    **{unit: Decimal(10) ** (3 * (step - 3)) for step, unit in enumerate("num")},
    **{unit: Decimal(1000) ** step for step, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** step for step, unit in enumerate("KMGTPE", 1)},
}


def resources(spec: Mapping[str, Any], field: str) -> Resources:
    """Return what a field of a spec says of cores, memory and GPUs; zero is as good as nothing.

    Raises:
        InvalidArgumentError: It isn't an amount.
    """
    value = spec.get(field) or {}
    cpu = float(value.get("cpu") or 0)
    if not 0 <= cpu < float("inf"):
        raise InvalidArgumentError(f"{field}.cpu: {cpu:g} is not a number of cores")
    memory = _bytes(value.get("memory") or "0", f"{field}.memory")
    gpus = int((value.get("gpu") or {}).get("number") or 0)
    if gpus < 0:
        raise InvalidArgumentError(f"{field}.gpu.number: {gpus} is not a number of GPUs")
    return Resources(min(cpu, _MAX_CORES) or None, memory or None, gpus)


def log_limit(text: str | None) -> int | None:
    """Return what an annotation says of the bytes of a job's log that are kept.

    Raises:
        InvalidArgumentError: It isn't an amount, or too small to be useful.
    """
    if text is None:
        return None
    where = f"annotation {LOG_LIMIT}"
    try:
        size = _bytes(text, where)
    except InvalidArgumentError as error:
        raise StricterError(str(error)) from None
    if size < LEAST_LOG:
        raise StricterError(f"{where}: {text!r} is less than {LEAST_LOG // 2**20}Mi")
    return size


def _bytes(text: str, where: str) -> int:
    match = _QUANTITY.fullmatch(text.strip()) if len(text) <= _MAX_LENGTH else None
    if match is None or (match[2] and match[3]):
        shown = repr(text) if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]!r}…"
        raise InvalidArgumentError(f"{where}: {shown} is not an amount such as 512Mi or 1.5G")
    number = Decimal(match[1]) * Decimal(f"1{match[2] or ''}")
    return int(min(number * _SCALES[match[3] or ""], Decimal(_MAX_BYTES)))
