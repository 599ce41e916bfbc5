"""The workshop's Python stages write the same bytes in a warm interpreter as in a fresh one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pachlocal.runtime.contract import Invocation, Outcome, Worker, WorkerSpec
from pachlocal.runtime.process import ProcessRuntime

pytest.importorskip("sklearn", reason="needs the extra stages")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all starts are cold")

WORKSHOP = Path(__file__).parents[3]
VARYING = frozenset(("PACH_JOB_ID",))
NOTES = ["", "", "in a warm interpreter", "in a warm interpreter"]
Files = dict[str, bytes]


@pytest.fixture(params=[False, True], ids=["true-paths", "rewritten"])
def open_stage(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], Worker]:
    def open_(name: str) -> Worker:
        scratch = tmp_path / f"scratch-{name}"
        stages = {"stage": WORKSHOP / "python" / name}
        runtime = ProcessRuntime(scratch, stages, rewrite_paths=request.param)
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
        outcome = worker.run(given, lines.append)
        assert (outcome, lines) == (Outcome(0), [])
        notes.append(outcome.note)
        out = worker.pfs / "out"
        found.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
    worker.close()
    assert notes == NOTES
    return found


@pytest.mark.parametrize("kind", ["svm", "lda"])
def test_training_and_inference(open_stage: Callable[[str], Worker], kind: str) -> None:
    iris = {"iris.csv": (WORKSHOP / "data/iris.csv").read_bytes()}
    train = ("python3", "/code/pytrain.py", "/pfs/training", "/pfs/out")
    cold, *others = outputs(open_stage(f"iris-train-python-{kind}"), train, {"training": iris})
    assert sorted(cold) == ["model.pkl", "model.txt"]
    assert others == [cold] * 3

    rows = {path.name: path.read_bytes() for path in (WORKSHOP / "data/test").iterdir()}
    infer = ("python3", "/code/pyinfer.py", "/pfs/model", "/pfs/attributes", "/pfs/out")
    inputs = {"model": cold, "attributes": rows}
    cold, *others = outputs(open_stage("iris-infer-python"), infer, inputs)
    assert {name: len(text) for name, text in cold.items()} == {"1.csv": 15, "2.csv": 85}
    assert others == [cold] * 3
