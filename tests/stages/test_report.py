"""The stage that draws what a model knows, from the files that stages of every language write."""

import json
import os
import re
from pathlib import Path

import pytest

from .workshop import ROOT, STAGES

(REPORT,) = (stage for stage in STAGES if stage.kind == "report")
SPECIES = ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
METRICS = {"accuracy": 0.98, "rows": 150} | {
    f"{true} predicted as {predicted}": 49 if true == predicted else 0
    for true in SPECIES
    for predicted in SPECIES
}


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """What the stages before it have written."""
    found = {}
    for name in ("model", "training", "attributes", "inference", "out"):
        found[name] = tmp_path / name
        found[name].mkdir()
    (found["model"] / "metrics.json").write_text(json.dumps(METRICS))
    (found["model"] / "model.txt").write_text("Model: a <model> of no language\nRows: 150\n")
    (found["training"] / "iris.csv").write_bytes((ROOT / "data" / "iris.csv").read_bytes())
    (found["attributes"] / "1.csv").write_bytes((ROOT / "data" / "test" / "1.csv").read_bytes())
    (found["inference"] / "1.csv").write_text("Iris-virginica\n")
    grid = (ROOT / "data" / "grid.csv").read_text()
    (found["attributes"] / "grid.csv").write_text(grid)
    (found["inference"] / "grid.csv").write_text(grid.count("\n") * "Iris-setosa\n")
    return found


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("model/metrics.json", None, "{}/metrics.json: no such file; a trainer writes it"),
        ("model/metrics.json", '{"accuracy": 1}', "{}: metrics.json was not written by a trainer"),
        ("training/iris.csv", "x", "{}/iris.csv:1: is not a row of numbers"),
        ("inference/1.csv", None, "{}/1.csv: no such file, for the flowers of the same name"),
        ("inference/1.csv", "", "{}/1.csv: 0 lines for 1 flowers"),
        ("inference/1.csv", "rose\n", "{}/1.csv:1: no species of iris: 'rose'"),
    ],
)
def test_what_it_can_t_read_is_named(
    folders: dict[str, Path], tmp_path: Path, file: str, content: str | None, says: str
):
    path = tmp_path / file
    path.unlink() if content is None else path.write_text(content)
    result = REPORT.run(**folders)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"report.py: {says.format(path.parent)}")
    assert result.stderr.count("\n") == 1
    assert list(folders["out"].iterdir()) == []


SERVER = """#!/bin/sh
echo "$*" >>{calls}
commit() {{ echo '{{"commit": {{"id": "'$1'"}}'$2'}}'; }}
case "$1 $2 $3" in
  "list commit model@now") commit now; commit before; commit bad ', "error": "x"'; commit other ;;
  "get file model@before:/"*) cat "{model}/${{3##*/}}" ;;
  "list file model@other") echo '{{"file": {{"path": "/model.pkl"}}}}' ;;
  *) echo "pachctl: $3 not found" >&2; exit 1 ;;
esac
"""


def test_a_model_before_takes_one_call_for_each_of_its_files(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls, program = tmp_path / "calls", tmp_path / "bin" / "pachctl"
    program.parent.mkdir()
    program.write_text(SERVER.format(calls=calls, model=folders["model"]))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("model_COMMIT", "now")
    result = REPORT.run(**folders)
    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(calls.read_text().splitlines()) == [
        "get file model@before:/metrics.json",
        "get file model@before:/model.txt",
        "get file model@other:/metrics.json",
        "list commit model@now --raw",
        "list file model@other --raw",
    ]
    assert (folders["out"] / "report.html").read_text().count("a &lt;model&gt;") >= 2


@pytest.mark.slow
def test_the_same_files_give_the_same_page_and_picture(folders: dict[str, Path]):
    written = []
    for _ in range(2):
        result = REPORT.run(**folders)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        names = sorted(path.name for path in folders["out"].iterdir())
        assert names == ["report.html", "report.png"]
        written.append([(folders["out"] / name).read_bytes() for name in names])
    assert written[0] == written[1]
    page, picture = written[0]
    assert picture.startswith(b"\x89PNG\r\n")
    text = page.decode()
    assert "<h1>a &lt;model&gt; of no language</h1>" in text
    assert 'src="data:image/png;base64,' in text
    assert not re.findall(r"https?://|<script", text)
    rows = re.findall(r"<tr>(.*?)</tr>", text)
    assert [re.sub("<[^>]+>", " ", row).split() for row in rows if "1.csv" in row] == [
        ["1.csv", "1", "5.9", "3.0", "5.1", "1.8", "Iris-virginica"]
    ]  # and no row of the grid
    assert "grid.csv" not in text
