import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from walkthrough.machine import ROOT, Daemon, workshop_copy

from pachlocal.workshop.steps import STEPS, typed
from tests.docs.rerun.page import blocks

# Stages that do at once what the workshop's do after seconds.
TRAIN = "import shutil; shutil.copytree('/pfs/training', '/pfs/out', dirs_exist_ok=True)"
INFER = """
from pathlib import Path
species = {"5.9": "virginica", "6": "virginica", "7": "virginica", "5.8": "virginica",
           "5.7": "versicolor"}
for path in Path("/pfs/attributes").iterdir():
    told = [next((species[s] for s in species if line.startswith(s)), "setosa")
            for line in path.read_text().split()]
    Path("/pfs/out", path.name).write_text("".join(f"Iris-{name}\\n" for name in told))
"""
STAGES = {
    "iris-train:python-svm": ("pytrain.py", TRAIN),
    "iris-train:python-lda": ("pytrain.py", TRAIN),
    "iris-infer:python": ("pyinfer.py", INFER),
    "iris-train:rstats-svm": ("train.R", TRAIN),
    "iris-infer:rstats": ("infer.R", INFER),
    "iris-report:python": ("report.py", TRAIN),
}


@pytest.fixture
def daemon(new_daemon: Callable[[str], Daemon], tmp_path: Path) -> Daemon:
    place = workshop_copy(tmp_path / "iris")
    for kind in ("train", "infer"):  # R's part is played by Python
        spec = place / f"rstats_{kind}.json"
        spec.write_text(spec.read_text().replace('"Rscript"', '"python3"'))
    lines = ["services:"]
    for number, (image, (name, code)) in enumerate(STAGES.items()):
        folder = tmp_path / f"stage{number}"
        folder.mkdir()
        (folder / name).write_text(code)
        lines += [f"  s{number}:", f"    image: pachyderm/{image}", f"    build: ./{folder.name}"]
    compose = tmp_path / "compose.yaml"
    compose.write_text("\n".join(lines))
    daemon = new_daemon("store")
    daemon.place = place
    result = daemon.run("pachlocal", *daemon.up_arguments, "--compose", str(compose))
    assert result.returncode == 0, result.stderr
    daemon.started()
    return daemon


def workshop(daemon: Daemon, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return daemon.run("pachlocal", "workshop", *words, stdin=stdin)


def act(daemon: Daemon, number: int) -> None:
    for line in STEPS[number - 1].acts:
        result = daemon.run("sh", "-ec", typed(line, "python"))
        assert result.returncode == 0, result.stderr


def come_to(daemon: Daemon, number: int) -> None:
    result = workshop(daemon, "reset", str(number), "--yes")
    assert result.returncode == 0, result.stderr


def verified(daemon: Daemon, number: int) -> str:
    """Returns how far a step is."""
    line = workshop(daemon, "verify", str(number)).stdout
    return re.findall(rf"^ *{number}  (\w+)", line, re.MULTILINE)[0]


@pytest.mark.slow
def test_each_step_is_open_until_it_is_done(daemon: Daemon):
    for step in STEPS[1:]:
        before = workshop(daemon, "verify", str(step.number))
        if step.acts:
            assert before.returncode == 1
            assert f"→ {typed(step.acts[0], 'python')}\n" in before.stdout
            act(daemon, step.number)
        after = workshop(daemon, "verify", str(step.number))
        assert after.returncode == 0, after.stdout
    assert workshop(daemon, "verify").returncode == 0


@pytest.mark.slow
def test_reset_comes_to_the_start_of_a_step(daemon: Daemon):
    come_to(daemon, 11)
    assert verified(daemon, 10) == "done"
    assert workshop(daemon, "verify").returncode == 0  # those after it are optional
    assert workshop(daemon, "verify", "12").returncode == 1
    workers = '"constant": "10"'
    assert workers in (daemon.place / "python_infer.json").read_text()
    assert "python-lda" in (daemon.place / "python_train.json").read_text()
    result = workshop(daemon, "reset", "9", "--yes")
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("Next is step 9, 'Update the model training'.\n")
    assert workshop(daemon, "verify", "8").returncode == 0
    assert verified(daemon, 9) == "open"
    assert workers in (daemon.place / "python_infer.json").read_text()
    assert workshop(daemon, "reset", "--yes").returncode == 0
    assert daemon.pachctl("list", "repo", "--raw") == ""
    for name in ("python_infer.json", "python_train.json"):
        assert (daemon.place / name).read_text() == (ROOT / name).read_text()


def test_reset_says_what_it_would_do_and_asks(daemon: Daemon):
    come_to(daemon, 4)
    before = daemon.pachctl("list", "commit", "training@master", "--raw")
    result = workshop(daemon, "reset", "3", stdin="n\n")
    assert result.returncode == 1
    assert "  pachctl delete repo training\n  pachctl create repo training\n" in result.stdout
    assert daemon.pachctl("list", "commit", "training@master", "--raw") == before


def test_reset_stops_where_a_command_fails(daemon: Daemon):
    come_to(daemon, 4)
    daemon.pachctl("create", "repo", "other")
    daemon.pachctl("create", "branch", "other@master", "-p", "training@master")
    result = workshop(daemon, "reset", "2", "--yes")
    assert result.returncode == 1
    assert "direct provenance of [default/other@master]" in result.stderr
    assert result.stderr.endswith("pachlocal: the store is as the last command has left it\n")


@pytest.mark.slow
def test_half_a_swap_is_noticed(daemon: Daemon):
    come_to(daemon, 11)
    daemon.pachctl("update", "pipeline", "-f", "rstats_train.json", "--reprocess")
    result = workshop(daemon, "verify", "12")
    assert result.returncode == 1
    assert (
        "pipeline model is in rstats, and inference, which reads it, in python\n" in result.stdout
    )
    cure = "update pipeline -f rstats_infer.json --reprocess"
    assert f"→ pachctl {cure}\n" in result.stdout
    daemon.pachctl(*cure.split())
    daemon.pachctl("wait", "commit", "inference@master")
    assert workshop(daemon, "verify", "12").returncode == 0


@pytest.mark.slow
def test_a_model_that_was_not_trained_anew_is_noticed(daemon: Daemon, tmp_path: Path):
    come_to(daemon, 9)
    edit, update, _ = (typed(line, "python") for line in STEPS[8].acts)
    forgetful = f"{edit}; {update.removesuffix(' --reprocess')}"
    assert daemon.run("sh", "-ec", forgetful).returncode == 0
    daemon.pachctl("wait", "commit", "inference@master")
    result = workshop(daemon, "verify", "9")
    assert result.returncode == 1
    assert "the job skipped its datum: --reprocess was left out\n" in result.stdout
    act(daemon, 9)
    assert workshop(daemon, "verify", "9").returncode == 0


def test_the_language_is_that_of_the_training_pipeline(daemon: Daemon):
    come_to(daemon, 3)
    daemon.pachctl("create", "pipeline", "-f", "rstats_train.json")
    result = workshop(daemon, "reset", "7", stdin="n\n")
    assert "  pachctl create pipeline -f rstats_infer.json\n" in result.stdout
    result = workshop(daemon, "reset", "7", "--language", "julia", stdin="n\n")
    assert "  pachctl create pipeline -f julia_infer.json\n" in result.stdout


@pytest.mark.slow
def test_a_commit_that_is_left_open_is_noticed(daemon: Daemon):
    come_to(daemon, 10)
    daemon.pachctl("start", "commit", "training@master")
    result = workshop(daemon, "verify", "10")
    assert result.returncode == 1
    assert "the commit in training is not finished\n" in result.stdout
    assert "→ pachctl finish commit training@master\n" in result.stdout


@pytest.mark.slow
def test_the_room_shows_who_is_at_which_step(daemon: Daemon):
    assert workshop(daemon, "room").stdout == "PROJECT STEP PROGRESS LAST COMMIT FOUND\n"
    for name in ("anna", "boris", "cleo", "idle", "late", "other"):
        daemon.pachctl("create", "project", name)
    daemon.pachctl("create", "repo", "something", "--project", "other")
    for name, last in (("anna", 2), ("boris", 3), ("cleo", 4)):
        context = {"pachd_address": daemon.env["PACHD_ADDRESS"], "project": name}
        contexts = {"active_context": "room", "contexts": {"room": context}}
        Path(daemon.env["PACH_CONFIG"]).write_text(json.dumps({"v2": contexts}))
        for number in range(2, last + 1):
            act(daemon, number)
    daemon.pachctl("create", "repo", "training", "--project", "idle")
    result = workshop(daemon, "room")
    assert (result.returncode, result.stderr) == (0, "")
    found = {row.split()[0]: row for row in result.stdout.splitlines()[1:]}
    assert list(found) == ["anna", "boris", "cleo", "idle", "late"]
    for name, step in (
        ("anna", "3 Commit the training data"),
        ("boris", "4 Create the training pipeline"),
        ("cleo", "5 Commit attributes"),
        ("idle", "2 Create the input repositories"),
        ("late", "2 Create the input repositories"),
    ):
        assert re.match(rf"{name} +{step} +open +", found[name]), found[name]
    assert " ago " in found["cleo"]
    assert found["idle"].endswith("there is no repo attributes")


def test_a_job_that_fails_leads_to_its_logs(daemon: Daemon, tmp_path: Path):
    (tmp_path / "stage0" / "pytrain.py").write_text("raise SystemExit('no')")
    come_to(daemon, 5)
    result = workshop(daemon, "verify", "5")
    assert result.returncode == 1
    assert re.search(r"^ 4  failed   .*: job [0-9a-f]{32}: ", result.stdout, re.MULTILINE)
    command = re.findall("→ pachctl (logs .*)", result.stdout)[0]
    assert "no\n" in daemon.pachctl(*command.split())


def test_without_a_server_it_says_how_to_start_one(daemon: Daemon):
    assert daemon.run("pachlocal", "down", "--root", str(daemon.root)).returncode == 0
    for words in (("verify",), ("reset", "--yes")):
        result = workshop(daemon, *words)
        assert result.returncode == 1
        assert "pachlocal up" in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_the_steps_are_those_of_the_readme():
    text = (ROOT / "README.md").read_text()
    parts = re.split(r"^### (\d+)\. (.*)$", text, flags=re.MULTILINE)[1:]
    assert [(int(n), title) for n, title in zip(parts[::3], parts[1::3], strict=True)] == [
        (step.number, step.title) for step in STEPS
    ]
    for step, part in zip(STEPS, parts[2::3], strict=True):
        assert f"\n*{'Optional; ' if step.optional else ''}{step.time}.*\n" in part
        commands = "".join(block.commands for block in blocks(part))
        commands = commands.replace(" > /dev/null\n", "\n").replace("\\\n  ", "")
        for line in (*step.acts, *step.looks):
            assert line in commands, step
