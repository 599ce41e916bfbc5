"""The workshop's stages write the same bytes in a warm interpreter as in a fresh one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pachlocal.runtime.contract import Invocation, Outcome, Worker, WorkerSpec
from pachlocal.runtime.environments.shelf import default_place
from pachlocal.runtime.process import ProcessRuntime

from .processes import taking

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all starts are cold"),
]

WORKSHOP = Path(__file__).parents[3]
VARYING = frozenset(("PACH_JOB_ID",))
NOTES = ["", "", "in a warm interpreter", "in a warm interpreter"]
Files = dict[str, bytes]


@pytest.fixture(
    params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["true-paths", "rewritten"]
)
def open_stage(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], Worker]:
    def open_(name: str) -> Worker:
        scratch = tmp_path / f"scratch-{Path(name).name}"
        stages = {"stage": WORKSHOP / name}
        runtime = ProcessRuntime(
            scratch, stages, environments=default_place(), rewrite_paths=request.param
        )
        request.addfinalizer(runtime.close)
        assert runtime.prepare("stage", lambda: False)
        return runtime.open_worker(WorkerSpec("w", "stage"))

    return open_


def outputs(worker: Worker, cmd: tuple[str, ...], inputs: dict[str, Files]) -> list[Files]:
    """Run a command fresh, then three times as one whose interpreter is kept; all must do well."""
    found, notes = [], []
    for number, varying in enumerate((None, VARYING, VARYING, VARYING)):
        for folder in ("out", *inputs):
            shutil.rmtree(worker.pfs / folder, ignore_errors=True)
            (worker.pfs / folder).mkdir()
        for folder, files in inputs.items():
            for name, content in files.items():
                (worker.pfs / folder / name).write_bytes(content)
        lines: list[str] = []
        given = Invocation(cmd, env={"PACH_JOB_ID": str(number)}, varying=varying)
        outcome = worker.run(given, taking(lines))
        assert (outcome, lines) == (Outcome(0), [])
        notes.append(outcome.note)
        out = worker.pfs / "out"
        found.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
    worker.close()
    assert notes == NOTES
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["svm", "lda"])
def test_training_and_inference(open_stage: Callable[[str], Worker], kind: str) -> None:
    train = ("python3", "/code/pytrain.py", "/pfs/training", "/pfs/out")
    model = trained(open_stage(f"python/iris-train-python-{kind}"), train)
    assert sorted(model) == ["metrics.json", "model.pkl", "model.txt"]
    infer = ("python3", "/code/pyinfer.py", "/pfs/model", "/pfs/attributes", "/pfs/out")
    inferred(open_stage("python/iris-infer-python"), infer, model)


@pytest.mark.parametrize("kind", ["svm", pytest.param("lda", marks=pytest.mark.slow)])
@pytest.mark.skipif(
    not shutil.which("Rscript") and not os.environ.get("CI"), reason="R is not installed"
)
def test_training_and_inference_in_r(open_stage: Callable[[str], Worker], kind: str) -> None:
    train = ("Rscript", "/code/train.R", "/pfs/training", "/pfs/out")
    model = trained(open_stage(f"rstats/iris-train-r-{kind}"), train)
    assert sorted(model) == ["metrics.json", "model.rda", "model.txt"]
    infer = ("Rscript", "/code/infer.R", "/pfs/model", "/pfs/attributes", "/pfs/out")
    inferred(open_stage("rstats/iris-infer-r"), infer, model)


def trained(worker: Worker, cmd: tuple[str, ...]) -> Files:
    iris = {"iris.csv": (WORKSHOP / "data/iris.csv").read_bytes()}
    cold, *others = outputs(worker, cmd, {"training": iris})
    assert others == [cold] * 3
    return cold


def inferred(worker: Worker, cmd: tuple[str, ...], model: Files) -> None:
    rows = {path.name: path.read_bytes() for path in (WORKSHOP / "data/test").iterdir()}
    cold, *others = outputs(worker, cmd, {"model": model, "attributes": rows})
    assert {name: len(text) for name, text in cold.items()} == {"1.csv": 15, "2.csv": 85}
    assert others == [cold] * 3
