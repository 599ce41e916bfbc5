"""Pipeline specifications of Pachyderm 1.x, put into the form of 2.x.

The field names are those of the 1.x documentation, in snake_case or camelCase:
https://docs.pachyderm.com/1.13.x/reference/pipeline_spec/.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

Spec = dict[str, Any]

_RENAMED = {
    "resource_spec": "resource_requests",
    "standby": "autoscaling",
    "chunk_spec": "datum_set_spec",
}
_DROPPED = {
    "incremental": "outputs are always computed from all datums, and unchanged ones are skipped",
    "scale_down_threshold": "autoscaling decides",
    "enable_stats": "stats are always kept",
    "max_queue_size": "it is gone",
    "cache_size": "it is gone",
}
_FROM = ("from", "from_commit")
_COMBINED = ("cross", "union", "join", "group")  # those of 1.x


def modernise(spec: Mapping[str, Any]) -> tuple[Spec, list[str]]:
    """Return a specification in the form of 2.x, and what was changed, in words.

    What is not of 1.x stays as it is, mistakes too.
    """
    modern: Spec = deepcopy(dict(spec))
    notes: list[str] = []
    for name in list(modern):
        plain = _snake(name)
        if plain in _RENAMED:
            modern[_RENAMED[plain]] = modern.pop(name)
            notes.append(f"{name} is {_RENAMED[plain]} in 2.x")
        elif plain in _DROPPED:
            del modern[name]
            notes.append(f"{name} has no counterpart in 2.x: {_DROPPED[plain]}")
        elif plain == "parallelism_spec":
            _modernise_parallelism(modern[name], name, notes)
    if isinstance(modern.get("inputs"), list) and "input" not in modern:
        arms = [_from_inputs(item) for item in modern.pop("inputs")]
        modern["input"] = arms[0] if len(arms) == 1 else {"cross": arms}
        notes.append("inputs is input in 2.x, with a pfs for each, and cross around several")
        _drop_from(modern["input"], "inputs", notes)
    if "input" in modern:
        _modernise_input(modern["input"], "input", notes)
    return modern, notes


def _modernise_parallelism(value: Any, where: str, notes: list[str]) -> None:
    if not isinstance(value, dict):
        return
    if "coefficient" in value:
        workers = max(1, int(_number(value.pop("coefficient"))))
        value.setdefault("constant", workers)
        notes.append(f"{where}.coefficient is gone in 2.x: on one machine it is constant {workers}")
    if "strategy" in value:
        del value["strategy"]
        notes.append(f"{where}.strategy is gone in 2.x: constant says it all")


def _from_inputs(item: Any) -> Any:
    """Return one of 1.x's `inputs` as an input."""
    if not isinstance(item, dict):
        return item
    pfs = dict(item)
    repo = pfs.get("repo")
    if isinstance(repo, dict):
        pfs["repo"] = repo.get("name", "")
    return {"pfs": pfs}


def _modernise_input(input_: Any, where: str, notes: list[str]) -> None:
    if not isinstance(input_, dict):
        return
    if "atom" in input_ and "pfs" not in input_:
        input_["pfs"] = input_.pop("atom")
        notes.append(f"{where}.atom is pfs in 2.x")
        _drop_from(input_, where, notes)
    for kind in _COMBINED:
        arms = input_.get(kind)
        if isinstance(arms, list):
            for number, arm in enumerate(arms):
                _modernise_input(arm, f"{where}.{kind}[{number}]", notes)


def _drop_from(input_: Any, where: str, notes: list[str]) -> None:
    """Take out where an input began: 2.x always takes a branch's head."""
    for pfs in _leaves(input_):
        for name in [name for name in pfs if _snake(name) in _FROM]:
            del pfs[name]
            notes.append(f"{where}: {name} has no counterpart in 2.x")


def _leaves(input_: Any) -> list[Spec]:
    if not isinstance(input_, dict):
        return []
    arms = [arm for arm in input_.get("cross", ()) if isinstance(arm, dict)]
    return [found["pfs"] for found in (input_, *arms) if isinstance(found.get("pfs"), dict)]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 1.0
    return number if math.isfinite(number) else 1.0
