"""One contract for the stages of every language; it knows folders and command lines only."""

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from .cases import ATTRIBUTES, SIX_ROWS, TRAINING, Case
from .workshop import INFERRERS, MODEL_FILES, ROOT, STAGES, TRAINERS, Stage

IRIS = (ROOT / "data" / "iris.csv").read_bytes()
SPECIES = ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
EXPECTED = {
    "1.csv": b"Iris-virginica\n",
    "2.csv": b"Iris-versicolor\n" + b"Iris-virginica\n" * 3 + b"Iris-setosa\n" * 2,
}

# The languages' stages share their code, and test_copies.py holds them to it: one trainer of
# each language is enough to show what they do with bad input. The others wait for the slow run, as
# do most kinds of bad input: each is a start of an interpreter.
FIRST_TRAINERS = list({stage.language: stage for stage in reversed(TRAINERS)}.values())
QUICK_CASES = ("missing folder", "not text", "header line")


def each(stages: Iterable[Stage]) -> pytest.MarkDecorator:
    """Runs a test for each stage; skips those whose language is not installed here.

    In CI (where CI is set) they fail, except for Julia, which only an old Debian has.
    """
    params = []
    for stage in stages:
        skipped = stage.missing and (stage.language == "julia" or not os.environ.get("CI"))
        marks = [pytest.mark.skip(stage.missing)] if skipped else []
        if stage in TRAINERS and stage not in FIRST_TRAINERS:
            marks.append(pytest.mark.slow)
        params.append(pytest.param(stage, id=str(stage), marks=marks))
    return pytest.mark.parametrize("stage", params)


def each_case(cases: Iterable[Case]) -> pytest.MarkDecorator:
    params = []
    for case in cases:
        marks = [] if case.name in QUICK_CASES else [pytest.mark.slow]
        params.append(pytest.param(case, id=case.name, marks=marks))
    return pytest.mark.parametrize("case", params)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    folder.mkdir(exist_ok=True)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def assert_refused(stage: Stage, message: str | None = None, **folders: Path) -> str:
    """Checks that the stage fails in one line, leaving nothing behind; returns the line."""
    result = stage.run(**folders)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(rf"{re.escape(stage.script)}: [^\n]+\n", result.stderr)
    if message:
        assert result.stderr == f"{stage.script}: {message}\n"
    assert read(folders["out"]) == {}
    return result.stderr


@each(TRAINERS)
def test_model_txt_tells_what_was_fitted_and_how_well(stage, trained):
    files = read(trained(stage))
    assert sorted(files) == sorted([stage.model_file, "metrics.json", "model.txt"])
    lines = files["model.txt"].decode().splitlines()
    facts = dict(line.split(": ", 1) for line in lines if ": " in line)

    assert facts["Model"]
    assert facts["Files"] == "iris.csv"
    assert facts["Rows"] == "150 (Iris-setosa 50, Iris-versicolor 50, Iris-virginica 50)"
    assert facts["Folds"] == "10, dealt by species in file order"
    assert facts["Seed"]
    language = {"python": "Python", "rstats": "R", "julia": "Julia"}[stage.language]
    assert re.match(rf"{language} \d+\.\d+\.\d+, \w+", facts["Versions"])

    start = next(i for i, line in enumerate(lines) if line.startswith("Confusion matrix"))
    header, *rows = (line.split() for line in lines[start + 1 : start + 5])
    assert header == list(SPECIES)
    assert [row[0] for row in rows] == list(SPECIES)
    matrix = [[int(count) for count in row[1:]] for row in rows]
    assert [sum(row) for row in matrix] == [50, 50, 50]
    right = sum(matrix[i][i] for i in range(3))
    assert facts["Cross-validated accuracy"] == f"{right / 150:.4f} ({right} of 150)"
    assert right >= 140

    metrics = json.loads(files["metrics.json"])
    assert list(metrics)[:2] == ["accuracy", "rows"]
    assert metrics.pop("rows") == 150
    assert metrics.pop("accuracy") == round(right / 150, 4)
    for at, name in enumerate(SPECIES):
        predicted = [metrics.pop(f"{name} predicted as {other}") for other in SPECIES]
        assert predicted == matrix[at]
        assert metrics.pop(f"recall of {name}") == round(predicted[at] / 50, 4)
        column = sum(row[at] for row in matrix)
        assert metrics.pop(f"precision of {name}") == round(predicted[at] / column, 4)
    assert metrics == {}


@each(TRAINERS)
def test_same_rows_give_the_same_bytes(stage, trained, tmp_path):
    """… in however many files of whatever name, with a mark and line ends as Windows has them."""
    first, rest = IRIS[:1000].rpartition(b"\n")[0], IRIS[: IRIS.rindex(b"\n\n")]
    rest = rest[len(first) + 1 :].replace(b"\n", b"\r\n")
    training = write(
        tmp_path / "training", {"B": first, "a/z.txt": b"\xef\xbb\xbf" + rest + b"\r\n\r\n"}
    )
    result = stage.run(training=training, out=tmp_path / "out")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")

    again, before = read(tmp_path / "out"), read(trained(stage))
    assert again[stage.model_file] == before[stage.model_file]
    assert again["metrics.json"] == before["metrics.json"]
    assert again["model.txt"] == before["model.txt"].replace(b"iris.csv", b"B, a/z.txt")


@each(TRAINERS)
def test_few_rows_make_few_folds(stage, tmp_path):
    training = write(tmp_path / "training", {"a.csv": SIX_ROWS})
    result = stage.run(training=training, out=tmp_path / "out")
    assert (result.returncode, result.stdout) == (0, "")
    summary = read(tmp_path / "out")["model.txt"].decode()
    assert "Folds: 3, dealt" in summary
    assert "of 6)\n" in summary


@each(TRAINERS)
def test_species_are_told(stage, trained, tmp_path):
    inferrer = next(other for other in INFERRERS if other.language == stage.language)
    attributes = tmp_path / "attributes"
    shutil.copytree(ROOT / "data" / "test", attributes)
    windows = (attributes / "2.csv").read_bytes().rstrip().replace(b"\n", b"\r\n")
    write(attributes, {"more/2 (windows)": windows})

    result = inferrer.run(model=trained(stage), attributes=attributes, out=tmp_path / "out")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert read(tmp_path / "out") == EXPECTED | {"more/2 (windows)": EXPECTED["2.csv"]}


@each(INFERRERS)
def test_hidden_files_and_empty_folders_are_skipped(stage, trained, tmp_path):
    """As desktops leave them. A datum of such a file alone has nothing to answer: no fault."""
    trainer = next(other for other in TRAINERS if other.language == stage.language)
    hidden = {".DS_Store": b"\0\0\0\1Bud1", "more/.1.csv": b"x", ".cache/1.csv": b"x"}
    model = trained(trainer)
    for name, files in (("some", {"1.csv": b"5.9,3.0,5.1,1.8\n"}), ("none", {})):
        attributes = write(tmp_path / name, files | hidden)
        (attributes / "empty").mkdir()
        result = stage.run(model=model, attributes=attributes, out=tmp_path / f"{name} out")
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert read(tmp_path / f"{name} out") == {key: EXPECTED[key] for key in files}


@each_case(TRAINING)
@each(FIRST_TRAINERS)
def test_trainer_refuses(stage, case, tmp_path):
    training = tmp_path / "training"
    if case.files is not None:
        write(training, case.files)
    assert_refused(
        stage, case.says.format(folder=training), training=training, out=tmp_path / "out"
    )


@each_case(ATTRIBUTES)
@each(INFERRERS)
def test_inferrer_refuses_attributes(stage, case, tmp_path):
    attributes = tmp_path / "attributes"
    if case.files is not None:
        write(attributes, case.files)
    model = write(tmp_path / "model", {stage.model_file: b""})
    assert_refused(
        stage,
        case.says.format(folder=attributes),
        model=model,
        attributes=attributes,
        out=tmp_path / "out",
    )


@each(INFERRERS)
@pytest.mark.parametrize("others", [[], sorted(MODEL_FILES.values())], ids=["none", "foreign"])
def test_inferrer_needs_a_model_of_its_language(stage, others, tmp_path):
    others = [name for name in others if name != stage.model_file]
    model = write(tmp_path / "model", dict.fromkeys([*others, "model.txt"], b"x"))
    hint = f"; {others[0]} is of another language" if others else ""
    assert_refused(
        stage,
        f"{model}/{stage.model_file}: no such model{hint}",
        model=model,
        attributes=ROOT / "data" / "test",
        out=tmp_path / "out",
    )


@each(INFERRERS)
@pytest.mark.parametrize("content", [b"", b"not a model\n"], ids=["empty", "text"])
def test_inferrer_refuses_a_damaged_model(stage, content, tmp_path):
    model = write(tmp_path / "model", {stage.model_file: content})
    line = assert_refused(
        stage, model=model, attributes=ROOT / "data" / "test", out=tmp_path / "out"
    )
    assert f"{model}/{stage.model_file}: can't be read as a model: " in line


@each(INFERRERS)
def test_inferrer_writes_all_files_or_none(stage, trained, tmp_path):
    trainer = next(other for other in TRAINERS if other.language == stage.language)
    blocked = tmp_path / "out" / "2.csv" / "in the way"
    blocked.mkdir(parents=True)
    assert_refused(
        stage, model=trained(trainer), attributes=ROOT / "data" / "test", out=tmp_path / "out"
    )


@each(FIRST_TRAINERS)
def test_trainer_writes_all_files_or_none(stage, tmp_path):
    blocked = tmp_path / "out" / "model.txt" / "in the way"
    blocked.mkdir(parents=True)
    training = write(tmp_path / "training", {"a.csv": SIX_ROWS})
    assert_refused(stage, training=training, out=tmp_path / "out")


@each(STAGES)
def test_help_and_usage(stage):
    asked = stage.run_with("--help")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert stage.script in asked.stdout
    folders = [word.removeprefix("/pfs/") for word in stage.command if word.startswith("/pfs/")]
    assert all(folder in asked.stdout for folder in folders)

    wrong = stage.run_with("only one argument")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "usage" in wrong.stderr.lower()
