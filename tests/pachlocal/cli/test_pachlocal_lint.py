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
