"""The steps of the workshop in Python, each with all that it promises checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from .machine import ROOT
from .walk import Walk, expect, expect_in

LOADING = "the code loads scikit-learn, which takes some seconds"
ONE = "Iris-virginica\n"
TWO = "Iris-versicolor\n" + 3 * "Iris-virginica\n" + 2 * "Iris-setosa\n"


class Step(NamedTuple):
    number: int
    title: str
    do: Callable[[Walk], None]

    def __str__(self) -> str:
        return f"{self.number:02d}-{self.do.__name__}"


STEPS: list[Step] = []


def step(title: str) -> Callable[[Callable[[Walk], None]], Callable[[Walk], None]]:
    def add(do: Callable[[Walk], None]) -> Callable[[Walk], None]:
        STEPS.append(Step(len(STEPS) + 1, title, do))
        return do

    return add


@step("Make sure that it is running")
def version(walk: Walk) -> None:
    if walk.daemon.up_arguments:  # else it is another's, which runs already
        walk.type(f"pachlocal {' '.join(walk.daemon.up_arguments)}")
        walk.daemon.started()
    walk.say(f"$ export PACHD_ADDRESS={walk.daemon.env['PACHD_ADDRESS']}")
    expect_in("`pachctl version`", walk.type("pachctl version"), "pachctl", "pachd")


@step("Create the input repositories")
def repos(walk: Walk) -> None:
    walk.type("pachctl create repo training")
    walk.type("pachctl create repo attributes")
    walk.type("pachctl list repo")
    names = sorted(info["repo"]["name"] for info in walk.raw("list repo"))
    expect("the list of repos", names, ["attributes", "training"])


@step("Commit the training data")
def training(walk: Walk) -> None:
    walk.type("pachctl put file training@master -f data/iris.csv")
    walk.type("pachctl list repo")
    table = walk.type("pachctl list file training@master")
    expect_in("`list file`", table, "4.444KiB", "/iris.csv")
    expect("repo training", files(walk, "training@master"), {"/iris.csv": 4551})
    expect(
        "training@master:/iris.csv",
        walk.quiet("get file training@master:/iris.csv"),
        (ROOT / "data" / "iris.csv").read_bytes(),
    )


@step("Create the training pipeline")
def train(walk: Walk) -> None:
    walk.type("pachctl create pipeline -f python_train.json")
    walk.type("pachctl list pipeline")
    walk.type("pachctl wait commit model@master", until=f"the job of pipeline model: {LOADING}")
    walk.type("pachctl list job --expand")
    walk.type("pachctl list file model@master")
    text = walk.type("pachctl get file model@master:model.txt")
    expect_in("model.txt", text, "support vector machine", "Rows: 150")
    expect_job(walk, "model", processed=1)
    walk.svm = head(walk, "model")
    walk.svm_files = model_files(walk, "master")


@step("Commit the attributes of unknown flowers")
def attributes(walk: Walk) -> None:
    walk.type("pachctl put file attributes@master -f data/test/1.csv -f data/test/2.csv")
    table = walk.type("pachctl list file attributes@master")
    expect_in("`list file`", table, "16B", "/1.csv", "96B", "/2.csv")
    expect("repo attributes", files(walk, "attributes@master"), {"/1.csv": 16, "/2.csv": 96})


@step("Create the inference pipeline")
def infer(walk: Walk) -> None:
    walk.type("pachctl create pipeline -f python_infer.json")
    walk.type("pachctl list pipeline")
    wait_for_inference(walk, f"the job of pipeline inference: {LOADING}")
    walk.type("pachctl list job --expand")
    expect_job(walk, "inference", processed=2)


@step("Examine the results")
def results(walk: Walk) -> None:
    table = walk.type("pachctl list file inference@master")
    expect_in("`list file`", table, "15B", "/1.csv", "85B", "/2.csv")
    expect("1.csv", walk.type("pachctl get file inference@master:1.csv"), ONE)
    expect("2.csv", walk.type("pachctl get file inference@master:2.csv"), TWO)
    expect_in("`list repo`", walk.type("pachctl list repo"), "100B")
    expect_results(walk)
    (info,) = walk.raw("inspect repo inference")
    expect("the size of repo inference", int(info["details"]["size_bytes"]), 100)


@step("Parallelize the inference")
def parallelize(walk: Walk) -> None:
    edit(walk, "python_infer.json", 's/"constant": "1"/"constant": "10"/')
    walk.type("pachctl update pipeline -f python_infer.json")
    wait_for_inference(walk, "a job that finds its two datums done")
    if walk.daemon.up_arguments:
        status = walk.type(f"pachlocal status --root {walk.daemon.root}")
        expect_in("`pachlocal status`", status, "default/inference: 10 of 10 workers")
        (info,) = walk.raw("inspect pipeline inference")
        expect("the workers of inference", info["details"]["workers_available"], "10")
    expect_job(walk, "inference", skipped=2)
    expect_results(walk)


@step("Update the model training")
def update(walk: Walk) -> None:
    edit(walk, "python_train.json", "s/python-svm/python-lda/")
    walk.type("pachctl update pipeline -f python_train.json --reprocess")
    wait_for_inference(walk, f"the jobs of pipelines model and inference: {LOADING}")
    walk.type(f"pachctl list job {head(walk, 'inference')}")
    text = walk.type("pachctl get file model@master:model.txt")
    expect_in("model.txt", text, "discriminant analysis", "Rows: 150")
    expect_job(walk, "model", processed=1)
    expect_job(walk, "inference", processed=2)
    expect("the commit of inference", head(walk, "inference"), head(walk, "model"))
    expect_results(walk)


@step("Update the training data")
def retrain(walk: Walk) -> None:
    before = {repo: head(walk, repo) for repo in ("training", "inference")}
    walk.type(f"sed '149,150d' data/iris.csv > {walk.folder}/iris.csv")
    walk.type(f"diff data/iris.csv {walk.folder}/iris.csv", code=1)
    commit = walk.type("pachctl start commit training@master").strip()
    walk.type("pachctl delete file training@master:iris.csv")
    walk.type(f"pachctl put file training@master:iris.csv -f {walk.folder}/iris.csv")
    expect("the old data", files(walk, f"training@{before['training']}"), {"/iris.csv": 4551})
    expect_results(walk, before["inference"])
    (job,) = walk.raw(f"inspect job model@{commit}")
    expect("the start of the job whose input is open", job.get("started"), None)
    walk.type("pachctl finish commit training@master")
    wait_for_inference(walk, f"the jobs of pipelines model and inference: {LOADING}")
    walk.type(f"pachctl list job {commit}")
    text = walk.type("pachctl get file model@master:model.txt")
    expect_in("model.txt", text, "discriminant analysis", "Rows: 148")
    for repo in ("training", "model", "inference"):
        expect(f"the commit of {repo}", head(walk, repo), commit)
    expect_job(walk, "model", processed=1)
    expect_job(walk, "inference", processed=2)
    expect_results(walk)


@step("Examine provenance")
def provenance(walk: Walk) -> None:
    walk.type("pachctl inspect commit inference@master")
    walk.type("pachctl inspect commit model@master")
    made_from = {repo: head(walk, repo) for repo in ("attributes", "model", "training")}
    expect(
        "the provenance of inference@master",
        origins(walk, "inference@master"),
        {"attributes": made_from["attributes"], "model": made_from["model"]},
    )
    expect(
        "the provenance of model@master",
        origins(walk, f"model@{made_from['model']}"),
        {"training": made_from["training"]},
    )
    walk.type("pachctl list commit model@master")
    old = walk.folder / "svm.pkl"
    walk.type(f"pachctl get file model@{walk.svm}:model.pkl -o {old}")
    expect("svm.pkl as step 4 made it", old.read_bytes() == walk.svm_files["model.pkl"], True)
    walk.type(f"pachctl get file model@{walk.svm}:model.txt")
    expect("the old model's files", model_files(walk, walk.svm), walk.svm_files)
    newest = model_files(walk, "master")
    expect("the new model is another", newest["model.pkl"] != walk.svm_files["model.pkl"], True)


@step("Swap the language")
def swap(walk: Walk) -> None:
    if not walk.other:
        walk.say("(left out: it needs a second language, R with MASS and e1071)")
        return
    before = head(walk, "inference")
    walk.type("pachctl start transaction")
    for kind in ("train", "infer"):
        walk.type(f"pachctl update pipeline -f {walk.other}_{kind}.json --reprocess")
    walk.type("pachctl finish transaction")
    wait_for_inference(walk, "the jobs of pipelines model and inference, in R")
    commit = head(walk, "inference")
    walk.type(f"pachctl list job {commit}")
    expect("the commit of model", head(walk, "model"), commit)
    made_before = [info["commit"]["id"] for info in walk.raw("list commit inference@master")][1]
    expect("the commit of inference before the swap", made_before, before)
    expect_job(walk, "model", processed=1)
    expect_job(walk, "inference", processed=2)
    expect_results(walk)

    walk.type("pachctl update pipeline -f python_train.json --reprocess")
    wait_for_inference(walk, f"a job that can't read the model of another language: {LOADING}")
    walk.type("pachctl list job --pipeline inference")
    (job,) = walk.raw(f"inspect job inference@{head(walk, 'inference')}")
    expect("the job of R's inference, with Python's model", job["state"], "JOB_FAILURE")
    expect_in("its reason", job["reason"], "/pfs/model")
    expect("its files", files(walk, "inference@master"), {})
    walk.type("pachctl update pipeline -f python_infer.json --reprocess")
    wait_for_inference(walk, "the job that can")
    expect_job(walk, "inference", processed=2)
    expect_results(walk)


@step("Draw a report")
def report(walk: Walk) -> None:
    walk.type("pachctl put file attributes@master -f data/grid.csv")
    walk.type("pachctl create pipeline -f report.json")
    walk.type("pachctl wait commit report@master", until="the job of pipeline report")
    walk.type("pachctl list file report@master")
    expect_report(walk)


def expect_report(walk: Walk) -> None:
    """Checks that the report is of the newest model, and of all before it."""
    expect_job(walk, "report", processed=1)
    expect("repo report", sorted(files(walk, "report@master")), ["/report.html", "/report.png"])
    page = walk.quiet("get file report@master:report.html").decode()
    commits = [info["commit"]["id"] for info in walk.raw("list commit model@master")][::-1]
    found = re.findall(r'<tr><td class="number">\d+</td><td>([^<]*)</td>.*<td>(\w{12})</td>', page)
    expect("the models in report.html", [id_ for _, id_ in found], [id_[:12] for id_ in commits])
    titles = [
        walk.quiet(f"get file model@{id_}:model.txt").decode().partition("\n")[0] for id_ in commits
    ]
    expect("their titles", [f"Model: {title}" for title, _ in found], titles)


def edit(walk: Walk, name: str, script: str) -> None:
    """Edits a spec as a user would, and shows what changed."""
    walk.type(f"sed -i.bak '{script}' {name}")
    walk.type(f"diff {name}.bak {name}", code=1)


def wait_for_inference(walk: Walk, until: str) -> None:
    walk.type("pachctl wait commit inference@master", until=until)


def head(walk: Walk, repo: str) -> str:
    (info,) = walk.raw(f"inspect commit {repo}@master")
    return str(info["commit"]["id"])


def files(walk: Walk, where: str) -> dict[str, int]:
    infos = walk.raw(f"list file {where}")
    return {info["file"]["path"]: int(info["size_bytes"]) for info in infos}


def model_files(walk: Walk, commit: str) -> dict[str, bytes]:
    names = ("model.pkl", "model.txt")
    return {name: walk.quiet(f"get file model@{commit}:{name}") for name in names}


def origins(walk: Walk, where: str) -> dict[str, str]:
    """Returns the commits of user repos that a commit was made from."""
    (info,) = walk.raw(f"inspect commit {where}")
    named: list[dict[str, Any]] = info["direct_provenance"]
    return {c["repo"]["name"]: c["id"] for c in named if c["repo"]["type"] == "user"}


def expect_job(walk: Walk, pipeline: str, *, processed: int = 0, skipped: int = 0) -> None:
    (job,) = walk.raw(f"inspect job {pipeline}@{head(walk, pipeline)}")
    expect(f"the job of {pipeline}", job["state"], "JOB_SUCCESS")
    expect(f"datums processed by {pipeline}", int(job.get("data_processed", 0)), processed)
    expect(f"datums skipped by {pipeline}", int(job.get("data_skipped", 0)), skipped)


def expect_results(walk: Walk, commit: str = "master") -> None:
    """Checks the answers, which are the same for every model."""
    found = files(walk, f"inference@{commit}")
    found.pop("/grid.csv", None)  # of the step that draws a report
    expect("repo inference", found, {"/1.csv": 15, "/2.csv": 85})
    expect("1.csv", walk.quiet(f"get file inference@{commit}:1.csv").decode(), ONE)
    expect("2.csv", walk.quiet(f"get file inference@{commit}:2.csv").decode(), TWO)
