from __future__ import annotations

import json
from typing import Any

import pytest

from pachlocal.cli.pachctl.pps.legacy_spec import modernise
from pachlocal.cli.pachctl.pps.specs import parse_specs

BASE = {"pipeline": {"name": "p"}, "transform": {"image": "iris:1", "cmd": ["sh"]}}


@pytest.mark.parametrize(
    ("old", "new", "notes"),
    [
        (
            {"parallelism_spec": {"strategy": "CONSTANT", "constant": "1"}},
            {"parallelism_spec": {"constant": "1"}},
            ["parallelism_spec.strategy is gone in 2.x: constant says it all"],
        ),
        (
            {"parallelismSpec": {"strategy": "COEFFICIENT", "coefficient": 0.5}},
            {"parallelismSpec": {"constant": 1}},
            [
                "parallelismSpec.coefficient is gone in 2.x: on one machine it is constant 1",
                "parallelismSpec.strategy is gone in 2.x: constant says it all",
            ],
        ),
        (
            {"input": {"atom": {"repo": "a", "glob": "/", "from_commit": "x"}}},
            {"input": {"pfs": {"repo": "a", "glob": "/"}}},
            ["input.atom is pfs in 2.x", "input: from_commit has no counterpart in 2.x"],
        ),
        (
            {"input": {"cross": [{"atom": {"repo": "a"}}, {"union": [{"atom": {"repo": "b"}}]}]}},
            {"input": {"cross": [{"pfs": {"repo": "a"}}, {"union": [{"pfs": {"repo": "b"}}]}]}},
            ["input.cross[0].atom is pfs in 2.x", "input.cross[1].union[0].atom is pfs in 2.x"],
        ),
        (
            {"inputs": [{"repo": {"name": "a"}, "glob": "/*", "from": "x"}]},
            {"input": {"pfs": {"repo": "a", "glob": "/*"}}},
            [
                "inputs is input in 2.x, with a pfs for each, and cross around several",
                "inputs: from has no counterpart in 2.x",
            ],
        ),
        (
            {"inputs": [{"repo": {"name": "a"}, "glob": "/"}, {"repo": {"name": "b"}}]},
            {"input": {"cross": [{"pfs": {"repo": "a", "glob": "/"}}, {"pfs": {"repo": "b"}}]}},
            ["inputs is input in 2.x, with a pfs for each, and cross around several"],
        ),
        (
            {"standby": True, "resourceSpec": {"cpu": 1}, "chunk_spec": {"number": 2}},
            {"autoscaling": True, "resource_requests": {"cpu": 1}, "datum_set_spec": {"number": 2}},
            [
                "standby is autoscaling in 2.x",
                "resourceSpec is resource_requests in 2.x",
                "chunk_spec is datum_set_spec in 2.x",
            ],
        ),
        (
            {"incremental": True, "scaleDownThreshold": "1h", "cache_size": "1G"},
            {},
            [
                "incremental has no counterpart in 2.x: outputs are always computed from all "
                "datums, and unchanged ones are skipped",
                "scaleDownThreshold has no counterpart in 2.x: autoscaling decides",
                "cache_size has no counterpart in 2.x: it is gone",
            ],
        ),
    ],
)
def test_forms_of_1x_become_forms_of_2x(
    old: dict[str, Any], new: dict[str, Any], notes: list[str]
) -> None:
    given = {**BASE, **old}
    before = json.dumps(given)
    assert modernise(given) == ({**BASE, **new}, notes)
    assert json.dumps(given) == before
    assert parse_specs(before, "a.json")[0].notes == tuple(notes)


@pytest.mark.parametrize(
    "spec",
    [
        {**BASE, "input": {"pfs": {"repo": "a", "glob": "/*"}}, "outputBranch": "b"},
        {"input": "text", "inputs": "text", "parallelism_spec": 3},
        {"input": {"cross": "text"}},
    ],
)
def test_what_is_not_of_1x_stays(spec: dict[str, Any]) -> None:
    assert modernise(spec) == (spec, [])
