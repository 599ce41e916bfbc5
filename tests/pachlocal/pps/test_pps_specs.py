from __future__ import annotations

from typing import Any

import pytest
from pps_world import make_spec, pfs_input

from pachlocal.errors import InvalidArgumentError, PachError
from pachlocal.pps.spec.inputs import pfs_inputs
from pachlocal.pps.spec.spec import effective, parse

DATA = pfs_input("data")


def with_input(input_: dict[str, Any]) -> dict[str, Any]:
    return make_spec("p", input_)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"transform": {"image": "i", "cmd": ["c"]}, "input": DATA}, "pipeline.name is missing"),
        (make_spec("a.b", DATA), "only alphanumeric characters, underscores, and dashes"),
        (make_spec("a" * 52, DATA), "is 1 characters longer than the 51 max"),
        (make_spec("p", DATA, output_branch="a.b"), "only alphanumeric"),
        (make_spec("p", DATA, datum_tries="-1"), "datum_tries must not be negative"),
        (make_spec("p", DATA, reprocess_spec="often"), "reprocess_spec must be"),
        (with_input({}), "no input set"),
        (with_input({"cross": []}), "no input set"),
        (with_input({"cross": [{}]}), "input.cross[0]: no input set"),
        (with_input({**DATA, "cross": [DATA]}), "multiple input types set (pfs, cross)"),
        (with_input({"pfs": {"glob": "/*"}}), "input must specify a name and a repo"),
        (with_input({"pfs": {"name": "a", "glob": "/*"}}), "input must specify a repo"),
        (with_input({"pfs": {"repo": "data"}}), "input must specify a glob"),
        (with_input(pfs_input("data", "/[a")), "invalid glob"),
        (with_input(pfs_input("data", branch="a.b")), "only alphanumeric"),
        (
            with_input(pfs_input("data", commit="abc")),
            "input cannot come from a commit; use a branch with head pointing to the commit",
        ),
        (with_input(pfs_input("out")), "input cannot be named out"),
        (with_input(pfs_input("data", name="out")), "input cannot be named out"),
        (with_input(pfs_input("data", name=".env")), "input cannot be named .env"),
        (with_input(pfs_input("data", name="..")), "input cannot be named .."),
        (with_input(pfs_input("data", name="../x")), "input cannot be named ../x"),
        (with_input(pfs_input("data", name="a\nb")), "input cannot be named"),
        (with_input({"cross": [DATA, DATA]}), 'name "data" was used more than once'),
        (with_input({"join": [DATA, {"cross": [DATA]}]}), 'name "data" was used more than once'),
        (
            with_input({"cross": [{"union": [DATA, pfs_input("b")]}, pfs_input("c", name="b")]}),
            'name "b" was used more than once',
        ),
    ],
)
def test_a_spec_that_cannot_be_right_is_refused_by_its_field(
    spec: dict[str, Any], text: str
) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        effective(spec)
    assert text in str(caught.value)


@pytest.mark.parametrize("field", ["spout", "egress", "s3_out", "tf_job"])
def test_what_needs_a_cluster_is_refused_with_a_way_out(field: str) -> None:
    with pytest.raises(PachError, match=field):
        effective(make_spec("p", DATA, **{field: {"x": 1}}))


@pytest.mark.parametrize(
    "input_",
    [
        {"union": [DATA, pfs_input("data", "/x")]},
        {"cross": [DATA, pfs_input("data", name="again")]},
        pfs_input("out", name="from-out"),
        pfs_input("data", name="with.dots"),
    ],
)
def test_these_inputs_are_allowed(input_: dict[str, Any]) -> None:
    effective(with_input(input_))


def test_defaults_are_filled_in_and_the_users_spec_is_left_alone() -> None:
    user = {
        "pipeline": {"name": "p"},
        "transform": {"image": "i", "cmd": ["c"]},
        "input": {"pfs": {"repo": "data", "glob": "*"}},
        "update": True,
        "reprocess": True,
    }
    spec = effective(user)
    assert user["input"] == {"pfs": {"repo": "data", "glob": "*"}}
    assert "update" not in spec
    assert "reprocess" not in spec
    assert spec["input"]["pfs"] == {
        "repo": "data",
        "glob": "/*",
        "project": "default",
        "name": "data",
        "branch": "master",
        "repo_type": "user",
    }
    values = parse(spec)
    assert str(values.output) == "default/p@master"
    assert (values.workers, values.datum_tries, values.every_job) == (1, 3, False)
    assert (values.datum_timeout_s, values.job_timeout_s) == (None, None)
    assert effective(spec) == spec


@pytest.mark.parametrize("written", ["0s", "-3s", "0.000s"])
def test_a_time_limit_of_nothing(written: str) -> None:
    """A datum has none then; a job has no time at all, as upstream's workers have it."""
    spec = make_spec("p", DATA, datum_timeout=written, job_timeout=written)
    values = parse(effective(spec))
    assert (values.datum_timeout_s, values.job_timeout_s) == (None, 0)


def test_an_input_is_of_the_pipelines_project_unless_it_says_otherwise() -> None:
    spec = make_spec("p", {"cross": [DATA, pfs_input("more", project="other")]})
    spec["pipeline"]["project"] = {"name": "lab"}
    values = parse(effective(spec))
    assert [str(leaf.branch) for leaf in pfs_inputs(values.input)] == [
        "lab/data@master",
        "other/more@master",
    ]


@pytest.mark.parametrize(("constant", "workers"), [("1", 1), ("4", 4), (4, 4), ("0", 1), ("-2", 1)])
def test_the_number_of_workers_may_be_a_string(constant: object, workers: int) -> None:
    spec = make_spec("p", DATA, parallelism_spec={"constant": constant})
    assert parse(effective(spec)).workers == workers


@pytest.mark.parametrize(("text", "seconds"), [("300s", 300), ("0.5s", 0.5), (None, None)])
def test_timeouts_are_seconds(text: str | None, seconds: float | None) -> None:
    values = parse(effective(make_spec("p", DATA, job_timeout=text, datum_timeout=text)))
    assert (values.job_timeout_s, values.datum_timeout_s) == (seconds, seconds)
