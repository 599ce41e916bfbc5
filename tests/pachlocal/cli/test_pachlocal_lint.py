from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pachlocal import lint

ROOT = Path(__file__).parents[3]
GOOD = {
    "pipeline": {"name": "p"},
    "transform": {"image": "iris:1", "cmd": ["sh"]},
    "input": {"pfs": {"repo": "data", "glob": "/*"}},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.json"


def lines(capsys: pytest.CaptureFixture[str], path: Path, change: dict[str, Any]) -> list[str]:
    path.write_text(json.dumps({**GOOD, **change}))
    lint.main([str(path)])
    return [line.removeprefix(f"{path}: p: ") for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("*_train.json")) + sorted(ROOT.glob("*_infer.json"))
)
def test_the_workshops_specifications_are_fine(path: Path) -> None:
    assert lint.main([str(path)]) == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"tolerations": [{"key": "a", "operator": "EXISTS"}], "podSpec": "{}"},
            [
                "note: pod_spec has no effect on one machine: there are no pods",
                "note: tolerations has no effect on one machine: there is one machine",
                "ready: Pachyderm 2.12 takes it, and so does pachlocal",
            ],
        ),
        (
            {"input": {"cross": [{"pfs": {"repo": "a", "glob": "/", "lazy": True}}]}},
            [
                "note: input.cross[0].pfs.lazy has no effect on one machine: "
                "files are laid out as a whole",
                "ready: Pachyderm 2.12 takes it, and so does pachlocal",
            ],
        ),
        (
            {"egress": {"URL": "s3://bucket"}},
            [
                "error: Pachyderm 2.12 takes it, but pachlocal can't run it: egress needs a "
                "Pachyderm cluster; here: take the result out with `get file -r`"
            ],
        ),
        (
            {"input": {"cross": [{"pfs": {"repo": "a", "glob": "/", "s3": True}}]}},
            [
                "error: Pachyderm 2.12 takes it, but pachlocal can't run it: input.cross[0].pfs.s3 "
                "needs a Pachyderm cluster; here: read below /pfs"
            ],
        ),
        (
            {"datum_tries": -1},
            [
                "error: Pachyderm 2.12 takes it, but pachlocal can't run it: datum_tries must not "
                "be negative"
            ],
        ),
        (
            {"metadata": {"annotations": {"pachlocal.io/log-limit": "1"}}},
            [
                "error: Pachyderm 2.12 takes it, but pachlocal can't run it: annotation "
                "pachlocal.io/log-limit: '1' is less than 1Mi",
                "note: metadata has no effect on one machine: there are no pods to put it on "
                "(annotations of pachlocal.io count)",
            ],
        ),
        (
            {"tfJob": {"tfJob": "{}"}},
            [
                "error: it can't be right: tf_job is not supported yet, here or by Pachyderm 2.12",
            ],
        ),
        (
            {"s3_out": True, "spout": {}},
            ["error: it can't be right: s3_out is not supported in spouts or services"],
        ),
        (
            {"input": {"pfs": {"repo": "a", "glob": "/*", "s3": True}}},
            ["error: it can't be right: input.pfs: an input with s3 must have the glob /"],
        ),
        (
            {"input": {"union": [{"pfs": {"repo": "a", "glob": "/", "s3": True}}]}},
            [
                "error: it can't be right: input.union[0].pfs.s3: S3 inputs in union expressions "
                "are not supported"
            ],
        ),
        (
            {"egress": {"URL": "s3://b"}, "input": {"pfs": {"repo": "a"}}},
            ["error: it can't be right: input.pfs: input must specify a glob"],
        ),
        (
            {"resource_limits": {"memory": "200Mi"}, "transform": {"image": "i:1", "user": "ann"}},
            [
                "warning: transform.cmd is missing: the pipeline fails",
                "warning: resource_limits.memory is less than the 256Mi that a cluster's defaults "
                "request, which Kubernetes refuses: set resource_requests.memory as well",
                "warning: transform.user is a name: a cluster takes the number of a user alone",
                "note: resource_limits has no effect on one machine: they hold with --runtime "
                "docker only",
                "note: transform.user has no effect on one machine: it counts with "
                "--runtime docker only",
                "ready: Pachyderm 2.12 takes it, and so does pachlocal",
            ],
        ),
        (
            {"transform": {"image": "i:1", "cmd": ["sh"], "stdin": ["find /pfs/a; find /pfs/b/"]}},
            [
                "warning: `find /pfs/a` finds nothing on a cluster, where /pfs/a is a link: "
                "write `find /pfs/a/`",
                "ready: Pachyderm 2.12 takes it, and so does pachlocal",
            ],
        ),
        (
            {"transform": {"image": "i:1", "cmd": ["find", "/pfs/a", "-type", "f"]}},
            [
                "warning: `find /pfs/a` finds nothing on a cluster, where /pfs/a is a link: "
                "write `find /pfs/a/`",
                "ready: Pachyderm 2.12 takes it, and so does pachlocal",
            ],
        ),
        (
            {
                "transform": {
                    "image": "i:1",
                    "cmd": ["true"],
                    "secrets": [{"name": "db", "key": "word", "env_var": "WORD"}],
                },
                "input": {"pfs": {"repo": "a", "glob": "/", "trigger": {"branch": "staging"}}},
            },
            [
                "note: needs the secret db with key word, which has to be there",
                "note: needs the branch staging of repo a, which has to be there",
                "ready: Pachyderm 2.12 takes it, and so does pachlocal",
            ],
        ),
        (
            {"input": {"pfs": {"repo": "p", "glob": "/"}}},
            ["error: repo default/p cannot be in the provenance of its own branch"],
        ),
        (
            {"input": {"pfs": {"repo": "a"}}},
            ["error: it can't be right: input.pfs: input must specify a glob"],
        ),
        (
            {"parallelism_spec": {"strategy": "CONSTANT", "constant": 2}},
            [
                "error: Pachyderm 2.12 refuses a form of 1.x: parallelism_spec.strategy is gone in "
                "2.x: constant says it all (--modernize rewrites it)"
            ],
        ),
    ],
)
def test_what_it_says(
    capsys: pytest.CaptureFixture[str], path: Path, change: dict[str, Any], expected: list[str]
) -> None:
    assert lines(capsys, path, change) == expected


def test_it_fails_when_something_is_refused(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    path.write_text(json.dumps(GOOD))
    assert lint.main([str(path), str(path)]) == 0
    assert lint.main([str(path), "nowhere.json"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "error: nowhere.json: no such file"


def test_it_prints_the_modern_form(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    old = {**GOOD, "input": {"atom": GOOD["input"]["pfs"]}}
    path.write_text(json.dumps(old))
    assert lint.main(["--modernize", str(path)]) == 0
    assert json.loads(capsys.readouterr().out) == GOOD


def test_the_command() -> None:
    result = subprocess.run(
        [
            *(sys.executable, "-c", "from pachlocal.cli.pachlocal import main; main()"),
            *("lint", str(ROOT / "python_train.json")),
        ],
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "ready: Pachyderm 2.12 takes it" in result.stdout


HASH = "--hash=sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, None),
        ({"requirements.txt": f"six==1.17.0 {HASH}\n"}, None),
        ({"requirements.txt": "six == 1.17.0; python_version < '4'  # text\n./a.whl\n"}, None),
        ({"requirements.txt": "six\n-c pins.txt\n", "pins.txt": "six==1.17.0\n"}, None),
        (
            {"requirements.txt": "six\nnumpy>=2\nscipy==1.*\n"},
            "note: no version of six, numpy, scipy is pinned in requirements.txt: an environment "
            "that is made later may have another",
        ),
        (
            {"requirements.txt": "\nnumpy==\n"},
            "warning: image iris:1: requirements.txt, line 2: numpy== isn't a requirement: ",
        ),
        (
            {"requirements.txt": f"six==1.17.0 {HASH}\nnumpy==2.0\n"},
            "warning: image iris:1: requirements.txt: numpy==2.0 has no hash, and others have: pip "
            "wants all",
        ),
        (
            {"requirements.txt": "six==1.17.0 --hash=md5:00\n"},
            "warning: image iris:1: requirements.txt: md5:00 isn't a hash, as in sha256:1f4e…",
        ),
        (
            {"requirements.txt": "-r more.txt\n"},
            "warning: image iris:1: requirements.txt, line 1: more.txt isn't there",
        ),
        (
            {"pyproject.toml": '[project]\nname = "a"\ndependencies = ["numpy=="]\n'},
            "warning: image iris:1: pyproject.toml: numpy== isn't a requirement: ",
        ),
        (
            {"pyproject.toml": '[project]\nname = "a"\ndependencies = ["numpy"]\n'},
            "note: no version of numpy is pinned in pyproject.toml: ",
        ),
        (
            {"pyproject.toml": '[project]\nname = "a"\nrequires-python = ">=4"\n'},
            "warning: image iris:1: pyproject.toml asks for Python >=4, and pachlocal runs with ",
        ),
        ({"renv.lock": "{}"}, "warning: image iris:1: renv.lock was not written by renv: "),
        ({"Project.toml": "deps = "}, "warning: image iris:1: Project.toml: "),
        (
            {"Project.toml": '[deps]\nJLD2 = "0"\n'},
            "note: no version of JLD2 is pinned in Manifest.toml, which isn't there: ",
        ),
        ({"Project.toml": '[deps]\nJLD2 = "0"\n', "Manifest.toml": ""}, None),
        (
            {
                "requirements.txt": "six==1.17.0\n",
                "Dockerfile": "ARG BASE=docker.io/library/python:2.7-slim\n"
                "FROM $BASE AS build\nFROM build\nCOPY . /code\n",
            },
            "note: its image is based on Python 2.7, and its environment here on 3.",
        ),
    ],
)
def test_environments_that_can_not_be_made_are_told(
    capsys: pytest.CaptureFixture[str], path: Path, files: dict[str, str], said: str | None
) -> None:
    path.with_name("compose.yaml").write_text("services: {a: {image: 'iris:1', build: stage}}\n")
    stage = path.with_name("stage")
    stage.mkdir()
    (stage / "a.whl").touch()
    for name, text in files.items():
        (stage / name).write_text(text)
    *found, last = lines(capsys, path, {})
    assert last == "ready: Pachyderm 2.12 takes it, and so does pachlocal"
    if said is None:
        assert found == []
    else:
        (line,) = found
        assert line.startswith(said)


def test_a_folder_that_is_missing_is_told(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    path.with_name("compose.yaml").write_text("services: {a: {image: 'iris:1', build: stage}}\n")
    line, _ = lines(capsys, path, {})
    stage = path.with_name("stage")
    assert line == f"warning: image iris:1 is built from {stage}, which isn't a folder"


def test_annotations_that_mean_nothing_are_told(
    capsys: pytest.CaptureFixture[str], path: Path
) -> None:
    def said(name: str, value: str) -> str:
        return lines(capsys, path, {"metadata": {"annotations": {name: value}}})[0]

    assert said("pachlocal.io/wram", "false") == (
        "warning: the annotation pachlocal.io/wram means nothing; did you mean pachlocal.io/warm?"
    )
    assert said("pachlocal.io/warm", "no") == (
        "error: Pachyderm 2.12 takes it, but pachlocal can't run it: the annotation "
        'pachlocal.io/warm must be "true" or "false"'
    )
    assert said("example.org/wram", "x").startswith("note: metadata has no effect")
