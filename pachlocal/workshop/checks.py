"""Whether a step is done, seen from what the server holds."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from pachlocal.proto import pps_pb2
from pachlocal.workshop.state import WorkshopState, language_of

_ORIGINAL_SIZE = 4551  # of data/iris.csv, in bytes
_ANSWERS = {
    "/1.csv": ("virginica",),
    "/2.csv": ("versicolor", *3 * ("virginica",), *2 * ("setosa",)),
}
_SECOND_METHODS = ("-lda", "-forest")  # how the image tags of step 9 end
_BAD_STATES = (pps_pb2.PIPELINE_FAILURE, pps_pb2.PIPELINE_CRASHING)
_ENDED_BADLY = (pps_pb2.JOB_FAILURE, pps_pb2.JOB_KILLED, pps_pb2.JOB_UNRUNNABLE)


class StepProgress(Enum):
    """How far a step is."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    OPEN = "open"


class CheckResult(NamedTuple):
    """The answer of one check.

    Attributes:
        progress: How far the step is.
        text: What was found.
        cure: Commands that help; if empty, those of the step.
    """

    progress: StepProgress
    text: str
    cure: tuple[str, ...] = ()


def running(state: WorkshopState) -> CheckResult:
    """Step 1."""
    return CheckResult(StepProgress.DONE, f"Pachyderm {state.version()} at {state.address}")


def repositories(state: WorkshopState) -> CheckResult:
    """Step 2."""
    missing = [name for name in ("training", "attributes") if not state.has_repo(name)]
    if missing:
        text = f"there is no repo {' and no repo '.join(missing)}"
        return CheckResult(
            StepProgress.OPEN, text, tuple(f"pachctl create repo {it}" for it in missing)
        )
    return CheckResult(StepProgress.DONE, "training, attributes")


def training_data(state: WorkshopState) -> CheckResult:
    """Step 3."""
    size = state.files("training").get("/iris.csv")
    if size is None:
        return CheckResult(StepProgress.OPEN, "training@master has no /iris.csv")
    return CheckResult(StepProgress.DONE, f"/iris.csv, {size} bytes")


def model(state: WorkshopState) -> CheckResult:
    """Step 4."""
    return _job(state, "model")


def attributes(state: WorkshopState) -> CheckResult:
    """Step 5."""
    missing = sorted(_ANSWERS.keys() - state.files("attributes").keys())
    if missing:
        return CheckResult(
            StepProgress.OPEN, f"attributes@master has no {' and no '.join(missing)}"
        )
    return CheckResult(StepProgress.DONE, "/1.csv, /2.csv")


def inference(state: WorkshopState) -> CheckResult:
    """Step 6."""
    return _job(state, "inference")


def results(state: WorkshopState) -> CheckResult:
    """Step 7."""
    found = _job(state, "inference")
    if found.progress is not StepProgress.DONE:
        return found
    for path, species in _ANSWERS.items():
        if path not in state.files("inference"):
            look = ("pachctl list file inference@master",)
            return CheckResult(StepProgress.FAILED, f"inference@master has no {path}", look)
        told = state.text("inference", path).split()
        if told != [f"Iris-{name}" for name in species]:
            look = (f"pachctl get file inference@master:{path}",)
            return CheckResult(StepProgress.FAILED, f"{path} should be {', '.join(species)}", look)
    return CheckResult(StepProgress.DONE, "as they should be")


def parallel(state: WorkshopState) -> CheckResult:
    """Step 8."""
    versions = state.versions("inference")
    workers = max((info.details.parallelism_spec.constant for info in versions), default=0)
    if workers <= 1:
        return CheckResult(StepProgress.OPEN, "pipeline inference has no more than one worker")
    return CheckResult(StepProgress.DONE, f"{workers} workers")


def second_method(state: WorkshopState) -> CheckResult:
    """Step 9."""
    images = [info.details.transform.image for info in state.versions("model")]
    image = next((image for image in images if image.endswith(_SECOND_METHODS)), None)
    if image is None:
        return CheckResult(StepProgress.OPEN, "pipeline model still trains as in step 4")
    found = _job(state, "model")
    job = state.job("model")
    if found.progress is StepProgress.DONE and job and job.data_skipped and not job.data_processed:
        return CheckResult(StepProgress.OPEN, "the job skipped its datum: --reprocess was left out")
    return found._replace(text=image) if found.progress is StepProgress.DONE else found


def second_data(state: WorkshopState) -> CheckResult:
    """Step 10."""
    if state.files("training").get("/iris.csv") in (None, _ORIGINAL_SIZE):
        return CheckResult(StepProgress.OPEN, "training@master has the data of step 3")
    return _job(state, "inference")


def provenance(state: WorkshopState) -> CheckResult:
    """Step 11."""
    head = state.head("inference")
    if head is None or second_data(state).progress is not StepProgress.DONE:
        return CheckResult(StepProgress.OPEN, "to be looked at after step 10")
    return CheckResult(StepProgress.DONE, f"inference@{head.commit.id} is there to be asked")


def second_language(state: WorkshopState) -> CheckResult:
    """Step 12."""
    found = _job(state, "inference")
    model, inference = state.language("model"), state.language("inference")
    if model != inference and state.pipeline("inference"):
        text = f"pipeline model is in {model}, and inference, which reads it, in {inference}"
        cure = (f"pachctl update pipeline -f {model}_infer.json --reprocess",)
        return CheckResult(StepProgress.FAILED, text, cure)
    used = {language_of(info) for info in state.versions("model")}
    if len(used) <= 1:
        return CheckResult(StepProgress.OPEN, "there has been one language")
    done = found.progress is StepProgress.DONE
    return found._replace(text=", ".join(sorted(used))) if done else found


def report(state: WorkshopState) -> CheckResult:
    """Step 13."""
    if state.pipeline("report") is not None and "/grid.csv" not in state.files("attributes"):
        cure = ("pachctl put file attributes@master -f data/grid.csv",)
        return CheckResult(StepProgress.OPEN, "attributes@master has no /grid.csv", cure)
    return _job(state, "report")


def _job(state: WorkshopState, name: str) -> CheckResult:
    """Whether a pipeline has made what is on its master."""
    info = state.pipeline(name)
    if info is None:
        return CheckResult(StepProgress.OPEN, f"there is no pipeline {name}")
    if info.state in _BAD_STATES:
        look = (f"pachctl inspect pipeline {name}",)
        return CheckResult(StepProgress.FAILED, f"pipeline {name}: {info.reason}", look)
    job = state.job(name)
    wait = (f"pachctl wait commit {name}@master",)
    if job is None:
        return CheckResult(StepProgress.RUNNING, f"pipeline {name} waits for its input", wait)
    if job.state == pps_pb2.JOB_SUCCESS:
        return CheckResult(StepProgress.DONE, f"job {job.job.id}")
    if job.state in _ENDED_BADLY:
        look = (f"pachctl logs --job {name}@{job.job.id}",)
        return CheckResult(StepProgress.FAILED, f"job {job.job.id}: {job.reason}", look)
    for repo in ("training", "attributes"):
        if (head := state.head(repo)) is not None and not head.HasField("finished"):
            finish = (f"pachctl finish commit {repo}@master",)
            return CheckResult(
                StepProgress.RUNNING, f"the commit in {repo} is not finished", finish
            )
    return CheckResult(StepProgress.RUNNING, f"job {job.job.id} is at work", wait)
