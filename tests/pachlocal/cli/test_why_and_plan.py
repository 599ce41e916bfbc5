"""Why, plan and replay, as a user of a daemon types them."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import grpc
import pytest
from pachctl_fake import FakeServer
from walkthrough.machine import Daemon

from pachlocal.proto import local_pb2, pps_pb2

ID = 12 * "0" + "4" + 19 * "0"
PICKY = {
    "pipeline": {"name": "picky"},
    "transform": {
        "image": "none",
        "cmd": ["sh"],
        "stdin": [
            "echo looking at $data, $GREETING",
            "grep -q bad $data && exit 3",
            "cp $data /pfs/out/",
        ],
        "env": {"GREETING": "hello", "API_TOKEN": "do-not-tell", "DB": "pg://me:do-not-tell@db"},
    },
    "input": {"pfs": {"repo": "data", "glob": "/*"}},
    "datum_tries": 1,
}


@pytest.fixture
def picky(daemon: Daemon, tmp_path: Path) -> Daemon:
    """A daemon with a pipeline that copies what isn't bad."""
    (tmp_path / "picky.json").write_text(json.dumps(PICKY))
    daemon.pachctl("create", "repo", "data")
    put(daemon, "a", "good\n")
    daemon.pachctl("create", "pipeline", "-f", str(tmp_path / "picky.json"))
    daemon.pachctl("wait", "commit", "picky@master")
    return daemon


def put(daemon: Daemon, path: str, content: str, *, plan: bool = False) -> str:
    words = ["plan"] if plan else []
    return daemon.pachctl(*words, "put", "file", f"data@master:{path}", "-f", "-", stdin=content)


def head(daemon: Daemon, repo: str = "data") -> str:
    raw = daemon.pachctl("inspect", "commit", f"{repo}@master", "--raw")
    return str(json.loads(raw)["commit"]["id"])


def failed_datum(daemon: Daemon, job: str) -> str:
    table = daemon.pachctl("list", "datum", f"picky@{job}", "--state", "failed")
    return table.splitlines()[1].split()[0]


def test_why_of_datums(picky: Daemon) -> None:
    first = head(picky, "picky")
    put(picky, "b", "good\n")
    picky.pachctl("wait", "commit", "picky@master")
    job = head(picky)
    lines = picky.pachctl("list", "datum", f"picky@{job}", "--why").splitlines()
    assert lines[0].split()[-1] == "WHY"
    assert lines[1].rstrip().endswith(f"unchanged since job {first}")
    assert lines[2].rstrip().endswith("new input")
    datum = lines[2].split()[0]
    assert "\nReason\tnew input\n" in picky.pachctl("inspect", "datum", f"picky@{job}", datum)


def test_why_of_a_file_is_a_tree(picky: Daemon) -> None:
    job, data = head(picky, "picky"), head(picky)
    tree = picky.pachctl("why", "picky@master:/a", "--full-timestamps")
    hidden = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", tree)
    hidden = re.sub(r"datum [0-9a-f]{64}", "datum DATUM", hidden)
    content = tree.splitlines()[0].split()[-1]
    assert hidden == (
        f"picky@{job}:/a  5B  {content}\n"
        "└─ datum DATUM\n"
        f"   │ ran in job picky@{job} (success, TIME)\n"
        "   │   because: new input\n"
        f"   │ by version 1 of the pipeline (picky.spec@{job})\n"
        "   │ image none\n"
        "   │ command sh\n"
        "   │   < echo looking at $data, $GREETING\n"
        "   │   < grep -q bad $data && exit 3\n"
        "   │   < cp $data /pfs/out/\n"
        f"   └─ data@{data}:/a  5B  {content}\n"
        f"      └─ last changed by commit data@{data} (USER, TIME)\n"
    )
    (origin,) = json.loads(picky.pachctl("why", "picky@master:/a", "--raw"))["datums"]
    assert origin["inputs"][0]["changed"]["commit"]["id"] == data


def test_plans_tell_and_change_nothing(picky: Daemon, tmp_path: Path) -> None:
    job = head(picky, "picky")
    commits = picky.pachctl("list", "commit", "--raw")
    assert put(picky, "b", "good\n", plan=True) == (
        "picky (version 1): 1 datum runs, 1 is skipped\n"
        "  1 runs: new input\n"
        f"  1 is skipped: unchanged since job {job}\n"
        "(a plan: nothing has been changed)\n"
    )
    assert picky.pachctl("plan", "delete", "file", "data@master:/a") == (
        "picky (version 1): 0 datums run, 1 vanishes\n"
        "  1 vanishes: its inputs are gone\n"
        "(a plan: nothing has been changed)\n"
    )
    spec = str(tmp_path / "picky.json")
    assert picky.pachctl("plan", "-f", spec, "--reprocess") == (
        "picky (version 2): 1 datum runs\n"
        f"  1 runs: reprocessing was asked for (version 2); processed before in job {job}\n"
        "(a plan: nothing has been changed)\n"
    )
    raw = json.loads(picky.pachctl("plan", "-f", spec, "--raw"))
    assert raw["jobs"][0]["skip"] == "1"
    assert picky.pachctl("list", "commit", "--raw") == commits
    assert picky.pachctl("list", "file", "data@master").split()[2:] == ["5B", "/a"]


def test_a_failed_datum_is_taken_along_and_run_again(picky: Daemon, tmp_path: Path) -> None:
    put(picky, "b", "bad\n")
    picky.run("pachctl", "wait", "job", f"picky@{head(picky)}")
    job = head(picky)
    datum = failed_datum(picky, job)
    capsule = tmp_path / "capsule.tar.gz"
    said = picky.pachctl("debug", "datum", f"picky@{job}", datum, "-o", str(capsule))
    assert said == (
        f"{capsule}: 1 input, 4B; run it with: pachlocal replay {capsule}\n"
        "left out, as a secret: API_TOKEN\n"
        "left out, as a secret: DB\n"
    )
    with tarfile.open(capsule) as archive:
        assert archive.getnames() == ["manifest.json", "pfs/data/b"]
        text = archive.extractfile("manifest.json").read().decode()  # type: ignore[union-attr]
    assert "do-not-tell" not in text
    manifest = json.loads(text)
    assert (manifest["state"], manifest["reason"]) == ("FAILED", "new input")
    assert manifest["env"]["data"] == "/pfs/data/b"
    lines = [line["message"] for line in manifest["logs"] if line["user"]]
    assert lines == ["looking at /pfs/data/b, hello"]

    picky.pachctl("delete", "all", stdin="y\n")  # no server is needed
    done = picky.run("pachlocal", "replay", str(capsule))
    assert (done.returncode, done.stdout) == (3, "looking at /pfs/data/b, hello\n")
    assert "\nexit code 3\n" in done.stderr
    assert "API_TOKEN was left out as a secret: set it if the command needs it\n" in done.stderr


def test_a_good_datum_is_run_again_too_and_kept(picky: Daemon, tmp_path: Path) -> None:
    job = head(picky, "picky")
    datum = picky.pachctl("list", "datum", f"picky@{job}").splitlines()[1].split()[0]
    capsule = tmp_path / "capsule.tar.gz"
    picky.pachctl("debug", "datum", f"picky@{job}", datum, "-o", str(capsule))
    picky.env["TMPDIR"] = str(tmp_path)
    done = picky.run("pachlocal", "replay", str(capsule), "--keep")
    assert (done.returncode, done.stdout) == (0, "looking at /pfs/data/a, hello\n")
    assert "/pfs/out/a (5 bytes)\n" in done.stderr
    previous = Path(done.stderr.splitlines()[-1].removeprefix("kept: "))
    assert (previous / "out" / "a").read_text() == "good\n"
    assert [path.name for path in tmp_path.glob("pachlocal-*")] == [previous.parent.name]


@pytest.mark.parametrize("rewritten", [False, True])
def test_a_shell_opens_in_its_place(picky: Daemon, tmp_path: Path, rewritten: bool) -> None:
    job = head(picky, "picky")
    datum = picky.pachctl("list", "datum", f"picky@{job}").splitlines()[1].split()[0]
    capsule = tmp_path / "capsule.tar.gz"
    picky.pachctl("debug", "datum", f"picky@{job}", datum, "-o", str(capsule))
    picky.env["SHELL"] = "/bin/sh"
    options = ["--shell", *(["--rewrite-paths"] if rewritten else [])]
    program = ("python3", "-m", "pachlocal.replay", str(capsule), *options)
    look = "echo $GREETING; ls $(dirname $data)/..; cat $data"
    script = f"./run sh -c '{look}'; ./run; echo $GREETING; exit 7\n"
    done = picky.run(*program, stdin=script)
    seen = "hello\ndata\nout\ngood\nlooking at " + ("" if rewritten else "/pfs/data/a, hello\n\n")
    assert done.returncode == 7
    assert done.stdout.startswith(seen)


def test_a_cluster_does_not_tell(fake: FakeServer, pachctl: Any) -> None:
    outcome = pachctl("why", "a@master:/b")
    assert outcome.code == 1
    assert outcome.err == f"pachctl: {fake.address} is not a pachlocal, and can't tell that\n"
    assert pachctl("list", "datum", f"m@{ID}", "--why").code == 1
    fake.answers["InspectDatum"] = pps_pb2.DatumInfo(datum=pps_pb2.Datum(id="d"))
    outcome = pachctl("inspect", "datum", f"m@{ID}", "d")
    assert outcome.code == 0
    assert "Reason" not in outcome.out


def test_an_older_pachlocal_does_not_tell(fake: FakeServer, pachctl: Any) -> None:
    fake.offers_local = True
    fake.answers["InspectDatum"] = pps_pb2.DatumInfo(datum=pps_pb2.Datum(id="d"))
    fake.answers["ListDatumReasons"] = (grpc.StatusCode.UNIMPLEMENTED, "")
    outcome = pachctl("inspect", "datum", f"m@{ID}", "d")
    assert outcome.code == 0
    assert "Reason" not in outcome.out


def test_plans_in_words(fake: FakeServer, pachctl: Any, tmp_path: Path) -> None:
    fake.offers_local = True
    pipeline = pps_pb2.Pipeline(name="b")
    pipeline.project.name = "default"
    other = pps_pb2.Pipeline(name="a")
    other.project.name = "other"
    job = local_pb2.PlannedJob
    fake.answers["PlanPipelines"] = local_pb2.PlanResponse(
        jobs=[
            job(pipeline=other, version=1, run=1, depend=2, depends_on=[pipeline]),
            job(pipeline=pipeline, version=2, run=2, depends_on=[other]),
            job(pipeline=pipeline, version=3, depends_on=[other]),
            job(pipeline=pipeline, version=4),
            job(pipeline=pipeline, version=5, notes=["it is stopped"]),
        ]
    )
    (tmp_path / "b.json").write_text('{"pipeline": {"name": "b"}}')
    lines = pachctl("plan", "-f", str(tmp_path / "b.json")).out.splitlines()
    assert lines == [
        "other/a (version 1): at least 1 datum runs, 2 more if the output of b changes",
        "b (version 2): at least 2 datums run, others perhaps if the output of other/a changes",
        "b (version 3): unknown number of datums, it depends on the output of other/a",
        "b (version 4): no datums",
        "b (version 5): no job",
        "  note: it is stopped",
        "(a plan: nothing has been changed)",
    ]
    (planned,) = fake.last("PlanPipelines").pipelines
    assert planned.update
    assert json.loads(planned.spec_json)["pipeline"] == {
        "name": "b",
        "project": {"name": "default"},
    }
    assert pachctl("plan").code == 2
