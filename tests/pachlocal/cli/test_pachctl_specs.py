import json
import re
from pathlib import Path
from typing import Any

import pytest

from pachlocal.cli.pachctl.pps.specs import parse_specs, read_specs
from pachlocal.errors import CliError

ROOT = Path(__file__).parents[3]

SPEC = {
    "pipeline": {"name": "model"},
    "transform": {"image": "iris:1", "cmd": ["sh"]},
    "input": {"pfs": {"repo": "data", "glob": "/*"}},
}


def names(text: str, name: str = "a.json") -> list[str]:
    return [document.request.pipeline.name for document in parse_specs(text, name)]


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("*_train.json")) + sorted(ROOT.glob("*_infer.json"))
)
def test_the_workshop_s_specifications_are_fine(path: Path) -> None:
    (document,) = read_specs(str(path))

    assert document.request.transform.image.startswith("pachyderm/iris-")
    assert document.request.parallelism_spec.constant == 1


def test_one_file_may_hold_many() -> None:
    one = json.dumps(SPEC)

    assert names(one) == ["model"]
    assert names(one + "\n" + one) == ["model", "model"]
    assert names(f"[{one}, {one}]{one}") == ["model"] * 3


def test_yaml_is_as_good_as_json() -> None:
    text = """
pipeline: {name: model}
input:
  cron: {name: tick, spec: "@daily", start: 2020-01-01T00:00:00Z}
---
pipeline:
  name: other
"""
    tick = parse_specs(text, "a.yaml")[0].request.input.cron
    assert names(text, "a.yaml") == ["model", "other"]
    assert tick.start.seconds == 1_577_836_800


def test_both_ways_of_writing_names_pass() -> None:
    text = json.dumps(
        {
            "pipeline": {"name": "m"},
            "parallelismSpec": {"constant": "2"},
            "datum_tries": "3",
            "jobTimeout": "300s",
            "transform": {"accept_return_code": [1, "2"], "env": {"A": "b"}},
            "autoscaling": None,
        }
    )
    (document,) = parse_specs(text, "a.json")

    assert document.request.parallelism_spec.constant == 2
    assert document.request.job_timeout.seconds == 300
    assert list(document.request.transform.accept_return_code) == [1, 2]


def test_what_editors_add_is_dropped() -> None:
    (document,) = parse_specs(json.dumps({"$schema": "http://x", **SPEC}), "a.json")

    assert document.spec == SPEC


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{\n  "pipeline": {"name" "m"}\n}', "a.json:2:23: Expecting ':' delimiter"),
        ('{"pipeline": {"name": "m"}', "a.json:1:27: Expecting ',' delimiter"),
        ("", "a.json: there is no specification in it"),
        ("[1]", "a.json: expected an object, not 1"),
        (
            "5.1,3.5,1.4,0.2,Iris-setosa\n4.9,3.0,1.4,0.2,Iris-setosa\n",
            "a.json: expected an object, not a text that begins with "
            '"5.1,3.5,1.4,0.2,Iris-setosa 4.9,3.0,1.4,"',
        ),
        ('{"a": 1, "a": 2}', 'a.json: "a" stands twice in one object'),
    ],
)
def test_a_syntax_error_is_told_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(CliError, match=f"^{re.escape(problem)}"):
        parse_specs(text, "a.json")


@pytest.mark.parametrize(
    "text",
    [
        '{"pipeline": {"name": "a"},}\n---\n{"pipeline": {"name": "b"}}',
        '[{"pipeline": {"name": "a"}},\n {"pipeline": {"name": "b"}},]',
        '{\t"pipeline": {"name": "a"\t}\t\n}\n---\n{\n\t"pipeline": {"name": "b"}}',
        '{"pipeline": {"name": "a"}, # why\n}\n---\n[{"pipeline": {"name": "b"}}]',
        '{"pipeline": {"name": "a"},\n"description": "one\n  two"}\n---\n{pipeline: {name: b}}',
    ],
)
def test_json_is_read_as_yaml_where_only_that_takes_it(text: str) -> None:
    documents = parse_specs(text, "a.json")

    assert [document.spec["pipeline"]["name"] for document in documents] == ["a", "b"]
    assert documents[0].spec.get("description", "one two") == "one two"


def test_a_syntax_error_in_yaml_is_told_with_its_place() -> None:
    with pytest.raises(CliError, match=r"^a\.yaml:3:1: "):
        parse_specs("pipeline:\n  name: [m\n", "a.yaml")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"transform": {"cmdd": ["sh"]}}, "transform.cmdd: no such field; did you mean cmd?"),
        ({"transfrom": {}}, "transfrom: no such field; did you mean transform?"),
        ({"zzz": 1}, "zzz: no such field"),
        ({"transform": {"cmd": "sh"}}, "transform.cmd: expected an array, not text"),
        ({"transform": {"cmd": ["sh", 1]}}, "transform.cmd[1]: expected text, not a number"),
        ({"transform": {"env": {"A": 1}}}, "transform.env.A: expected text, not a number"),
        ({"transform": {"env": []}}, "transform.env: expected an object, not an array"),
        ({"transform": []}, "transform: expected an object, not an array"),
        ({"autoscaling": "yes"}, "autoscaling: expected true or false, not text"),
        ({"datum_tries": 1.5}, "datum_tries: expected a whole number, not a number"),
        ({"datum_tries": "many"}, 'datum_tries: expected a whole number, not text "many"'),
        ({"datum_tries": True}, "datum_tries: expected a whole number, not true or false"),
        ({"job_timeout": {"s": 1}}, "job_timeout: expected text, not an object"),
        ({"input": {"cross": [{"pfs": {"rpeo": "x"}}]}}, "input.cross[0].pfs.rpeo: no such field"),
        ({"input": {"atom": {"rpeo": "x"}}}, "input.pfs.rpeo: no such field; did you mean repo?"),
        ({"pipeline": {}}, "pipeline.name: the pipeline needs a name"),
    ],
)
def test_a_mistake_is_told_with_its_path(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(CliError, match=f"^{re.escape('a.json: ' + problem)}") as refusal:
        parse_specs(json.dumps({**SPEC, **change}), "a.json")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("change", [{"job_timeout": "soon"}, {"tolerations": [{"operator": "X"}]}])
def test_what_only_the_parser_knows_is_one_line_too(change: dict[str, Any]) -> None:
    with pytest.raises(CliError, match=r"^a\.json: ") as refusal:
        parse_specs(json.dumps({**SPEC, **change}), "a.json")
    assert "\n" not in str(refusal.value)


def test_among_many_the_wrong_one_is_named() -> None:
    with pytest.raises(CliError, match=r"^a.json, specification 2: pipeline.name"):
        parse_specs(json.dumps([SPEC, {}]), "a.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"nowhere\.json: no such file"):
        read_specs(str(tmp_path / "nowhere.json"))
