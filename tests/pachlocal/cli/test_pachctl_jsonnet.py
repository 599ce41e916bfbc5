"""Specifications made by jsonnet templates, with a daemon that renders them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from walkthrough.machine import Daemon

from pachlocal.lint import main as lint

pytest.importorskip("_jsonnet", reason="needs the extra jsonnet")

TEMPLATE = """
// A pipeline for each suffix.
local one(name, src) = {
  pipeline: { name: name },
  transform: { image: "none:1", cmd: ["true"] },
  input: { pfs: { repo: src, glob: "/*" } },
};
function(suffix, src="in") [one("a-" + suffix, src), one("b-" + suffix, src)]
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("jsonnet") / "store")
    daemon.start()
    try:
        daemon.pachctl("create", "repo", "in")
        daemon.pachctl("create", "repo", "other")
        yield daemon
    finally:
        daemon.end()


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "pipelines.jsonnet"
    path.write_text(TEMPLATE)
    return path


def test_a_template_makes_and_changes_pipelines(shared: Daemon, template: Path) -> None:
    words = ("pipeline", "--jsonnet", str(template), "--arg", "suffix=x")

    def source(name: str) -> str:
        info = json.loads(shared.pachctl("inspect", "pipeline", name, "--raw"))
        return str(info["details"]["input"]["pfs"]["repo"])

    shared.pachctl("create", *words)
    assert (source("a-x"), source("b-x")) == ("in", "in")
    shared.pachctl("update", *words, "--arg", "src=other")
    assert (source("a-x"), source("b-x")) == ("other", "other")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TEMPLATE, "template err: RUNTIME ERROR: function parameter suffix not bound in call"),
        ("{", "template err: STATIC ERROR: main:1:2"),
        ("\0", "template err: jsonnet can't read NUL characters"),
        ("1", "not a json object or list: 1"),
        ('import "/etc/passwd"', "can only import what http:// or https:// names"),
        pytest.param(
            "local f(x) = f(x + 1) tailstrict; f(1)",
            "it takes longer than 10 s",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_template_that_is_wrong_is_told(
    shared: Daemon, tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "wrong.jsonnet"
    path.write_text(text)
    run = shared.run("pachctl", "create", "pipeline", "--jsonnet", str(path))
    assert run.returncode == 1
    assert problem in run.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--arg", "a=b"),
        ("--jsonnet", "x.jsonnet", "--file", "y.json"),
        ("--jsonnet", "{template}", "--arg", "a"),
    ],
)
def test_options_that_do_not_go_together(
    shared: Daemon, template: Path, words: tuple[str, ...]
) -> None:
    given = [word.format(template=template) for word in words]
    assert shared.run("pachctl", "create", "pipeline", *given).returncode == 2


def test_a_template_is_known_where_a_specification_is_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "renamed.json"
    path.write_text(TEMPLATE)
    assert lint([str(path)]) == 1
    assert "it is a jsonnet template: pachctl create pipeline --jsonnet" in capsys.readouterr().out
