"""Whether a step is done, seen from what the server holds."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from pachlocal.cli.workshop.state import State
from pachlocal.proto import pps_pb2

_ORIGINAL_SIZE = 4551  # of data/iris.csv, in bytes
_ANSWERS = {
    "/1.csv": ("virginica",),
    "/2.csv": ("versicolor", *3 * ("virginica",), *2 * ("setosa",)),
}
_SECOND_METHODS = ("-lda", "-forest")  # how the image tags of step 9 end
_BAD_STATES = (pps_pb2.PIPELINE_FAILURE, pps_pb2.PIPELINE_CRASHING)
_ENDED_BADLY = (pps_pb2.JOB_FAILURE, pps_pb2.JOB_KILLED, pps_pb2.JOB_UNRUNNABLE)


class Progress(Enum):
    """How far a step is."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    OPEN = "open"


class Result(NamedTuple):
    """The answer of one check.

    Attributes:
        progress: How far the step is.
        text: What was found.
        cure: Commands that help; if empty, those of the step.
    """

    progress: Progress
    text: str
    cure: tuple[str, ...] = ()


def running(state: State) -> Result:
    """Step 1."""
    return Result(Progress.DONE, f"Pachyderm {state.version()} at {state.address}")


def repositories(state: State) -> Result:
    """Step 2."""
    missing = [name for name in ("training", "attributes") if not state.has_repo(name)]
    if missing:
        text = f"there is no repo {' and no repo '.join(missing)}"
        return Result(Progress.OPEN, text, tuple(f"pachctl create repo {it}" for it in missing))
    return Result(Progress.DONE, "training, attributes")


def training_data(state: State) -> Result:
    """Step 3."""
    size = state.files("training").get("/iris.csv")
    if size is None:
        return Result(Progress.OPEN, "training@master has no /iris.csv")
    return Result(Progress.DONE, f"/iris.csv, {size} bytes")


def model(state: State) -> Result:
    """Step 4."""
    return _job(state, "model")


def attributes(state: State) -> Result:
    """Step 5."""
    missing = sorted(_ANSWERS.keys() - state.files("attributes").keys())
    if missing:
        return Result(Progress.OPEN, f"attributes@master has no {' and no '.join(missing)}")
    return Result(Progress.DONE, "/1.csv, /2.csv")


def inference(state: State) -> Result:
    """Step 6."""
    return _job(state, "inference")


def results(state: State) -> Result:
    """Step 7."""
    found = _job(state, "inference")
    if found.progress is not Progress.DONE:
        return found
    for path, species in _ANSWERS.items():
        if path not in state.files("inference"):
            look = ("pachctl list file inference@master",)
            return Result(Progress.FAILED, f"inference@master has no {path}", look)
        told = state.text("inference", path).split()
        if told != [f"Iris-{name}" for name in species]:
            look = (f"pachctl get file inference@master:{path}",)
            return Result(Progress.FAILED, f"{path} should be {', '.join(species)}", look)
    return Result(Progress.DONE, "as they should be")


def parallel(state: State) -> Result:
    """Step 8."""
    info = state.pipeline("inference")
    workers = info.details.parallelism_spec.constant if info else 0
    if info is None or workers <= 1:
        return Result(Progress.OPEN, "pipeline inference has no more than one worker")
    return Result(Progress.DONE, f"{workers} workers")


def second_method(state: State) -> Result:
    """Step 9."""
    info = state.pipeline("model")
    image = info.details.transform.image if info else ""
    if info is None or not image.endswith(_SECOND_METHODS):
        return Result(Progress.OPEN, "pipeline model still trains as in step 4")
    found = _job(state, "model")
    job = state.job("model")
    if found.progress is Progress.DONE and job and job.data_skipped and not job.data_processed:
        return Result(Progress.OPEN, "the job skipped its datum: --reprocess was left out")
    return found._replace(text=image) if found.progress is Progress.DONE else found


def second_data(state: State) -> Result:
    """Step 10."""
    if state.files("training").get("/iris.csv") in (None, _ORIGINAL_SIZE):
        return Result(Progress.OPEN, "training@master has the data of step 3")
    return _job(state, "inference")


def provenance(state: State) -> Result:
    """Step 11."""
    head = state.head("inference")
    if head is None or second_data(state).progress is not Progress.DONE:
        return Result(Progress.OPEN, "to be looked at after step 10")
    return Result(Progress.DONE, f"inference@{head.commit.id} is there to be asked")


def _job(state: State, name: str) -> Result:
    """Whether a pipeline has made what is on its master."""
    info = state.pipeline(name)
    if info is None:
        return Result(Progress.OPEN, f"there is no pipeline {name}")
    if info.state in _BAD_STATES:
        look = (f"pachctl inspect pipeline {name}",)
        return Result(Progress.FAILED, f"pipeline {name}: {info.reason}", look)
    job = state.job(name)
    wait = (f"pachctl wait commit {name}@master",)
    if job is None:
        return Result(Progress.RUNNING, f"pipeline {name} waits for its input", wait)
    if job.state == pps_pb2.JOB_SUCCESS:
        return Result(Progress.DONE, f"job {job.job.id}")
    if job.state in _ENDED_BADLY:
        look = (f"pachctl logs --job {name}@{job.job.id}",)
        return Result(Progress.FAILED, f"job {job.job.id}: {job.reason}", look)
    for repo in ("training", "attributes"):
        if (head := state.head(repo)) is not None and not head.HasField("finished"):
            finish = (f"pachctl finish commit {repo}@master",)
            return Result(Progress.RUNNING, f"the commit in {repo} is not finished", finish)
    return Result(Progress.RUNNING, f"job {job.job.id} is at work", wait)
