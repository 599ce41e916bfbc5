"""pachctl with a daemon that runs: what a server of one's own can't show."""

import json
from pathlib import Path

import pytest
from walkthrough.machine import Daemon


def test_many_files_go_and_come_back(daemon: Daemon, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    for number in range(2500):
        path = folder / f"{number % 3}" / f"{number:04}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}" * (number % 5))
    (folder / "large").write_bytes(bytes(range(256)) * 10_000)
    daemon.pachctl("create", "repo", "data")
    daemon.pachctl("put", "file", "data@master:/", "-r", "-f", str(folder))

    listed = daemon.pachctl("list", "file", "data@master:/1").splitlines()
    assert listed[0] == "SIZE   \tNAME"
    assert [line.split("\t")[1] for line in listed[1:]] == [
        f"/1/{number:04}" for number in range(1, 2500, 3)
    ]
    daemon.pachctl("get", "file", "data@master:/", "-r", "-o", str(tmp_path / "back"))
    sent, back = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (folder, tmp_path / "back")
    )
    assert sent == back
    assert len(daemon.pachctl("list", "commit", "data").splitlines()) == 2


def test_a_transaction_happens_as_one(daemon: Daemon, tmp_path: Path) -> None:
    daemon.env["PACHCTL_STATE"] = str(tmp_path / "pachctl.json")
    id_ = daemon.pachctl("start", "transaction").split('"')[1]
    for repo in ("a", "b"):
        daemon.pachctl("create", "repo", repo)
        daemon.pachctl("create", "branch", f"{repo}@master")
    assert daemon.pachctl("list", "repo", "--raw") == ""
    shown = daemon.pachctl("inspect", "transaction")
    assert id_ in shown
    assert "create branch default/b@master" in shown
    daemon.pachctl("finish", "transaction")

    for repo in ("a", "b"):
        assert id_ in daemon.pachctl("list", "commit", repo)
    daemon.pachctl("create", "repo", "c")  # no longer a part of it
    assert '"c"' in daemon.pachctl("list", "repo", "--raw")


def test_the_workshop_s_first_steps_as_1_4_wrote_them(daemon: Daemon, tmp_path: Path) -> None:
    iris = tmp_path / "iris.csv"
    iris.write_bytes(b"x" * 4551)
    daemon.pachctl("create-repo", "training")
    daemon.pachctl("put-file", "training", "master", "iris.csv", "-c", "-f", str(iris))
    listed = daemon.pachctl("list-file", "training", "master").splitlines()
    assert listed[1].rstrip() == "iris.csv            file                4.444 KiB"
    refused = daemon.run("pachctl", "put-file", "training", "master", "x", "-f", str(iris))
    assert "no open commit" in refused.stderr

    opened = daemon.pachctl("start-commit", "training", "master").strip()
    daemon.pachctl("delete-file", "training", opened, "iris.csv")
    daemon.pachctl("put-file", "training", "master", "iris.csv", "-f", str(iris))
    daemon.pachctl("put-file", "training", "master", "iris.csv", "-f", str(iris))
    daemon.pachctl("finish-commit", "training", "master")
    shown = daemon.pachctl("inspect-commit", "training", "master")
    assert f"Commit: training/{opened}\n" in shown
    assert "Size: 8.889 KiB\n" in shown  # what is put twice is there twice
    assert len(daemon.pachctl("list-commit", "training").splitlines()) == 3
    daemon.pachctl("delete-all", stdin="y\n")
    assert len(daemon.pachctl("list-repo").splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("put", "file", "data@master:/a/b", "-f"),
        ("copy", "file", "data@other:/b", "data@master:/a/b"),
        ("put-file", "data", "master", "/a/b", "-c", "-f"),
    ],
    ids=" ".join,
)
def test_a_commit_that_fails_in_its_finishing_fails_the_command(
    daemon: Daemon, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "b").write_text("b")
    daemon.pachctl("create", "repo", "data")
    for place in ("data@master:/a", "data@other:/b"):
        daemon.pachctl("put", "file", place, "-f", str(tmp_path / "b"))

    file = [str(tmp_path / "b")] if words[-1] == "-f" else []
    failed = daemon.run("pachctl", *words, *file)
    id_ = json.loads(daemon.pachctl("inspect", "commit", "data@master", "--raw"))["commit"]["id"]
    reason = "file / directory path collision (/a/b)"
    said = f"pachctl: commit data@{id_} isn't valid, so no pipeline reads it: {reason}\n"
    assert (failed.returncode, failed.stderr) == (1, said)


@pytest.mark.parametrize("words", [("finish", "commit", "data@master"), None])
def test_and_so_does_one_that_is_finished_by_itself(
    daemon: Daemon, tmp_path: Path, words: tuple[str, ...] | None
) -> None:
    (tmp_path / "b").write_text("b")
    daemon.pachctl("create", "repo", "data")
    daemon.pachctl("start", "commit", "data@master")
    for place in ("data@master:/a", "data@master:/a/b"):  # nothing to say: it may be mended yet
        daemon.pachctl("put", "file", place, "-f", str(tmp_path / "b"))

    failed = daemon.run("pachctl", *(words or ("finish-commit", "data", "master")))
    assert failed.returncode == 1
    assert failed.stderr.endswith("no pipeline reads it: file / directory path collision (/a/b)\n")


def test_a_new_branch_with_a_near_name_is_told(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    put = ("-f", str(tmp_path / "a"))
    daemon.pachctl("create", "repo", "data")

    def said(*words: str) -> str:
        done = daemon.run("pachctl", *words)
        assert done.returncode == 0
        return done.stderr

    assert said("put", "file", "data@master", *put) == ""  # the first one
    hint = "branch {} of data is new; did you mean master?\n"
    assert said("put", "file", "data@mastr", *put) == hint.format("mastr")
    assert said("put", "file", "data@mastr", *put) == ""
    assert said("copy", "file", "data@master:/a", "data@maste:/a") == hint.replace(
        "master", "master or mastr"
    ).format("maste")
    assert said("put", "file", "data@experiment", *put) == ""
    assert said("start", "commit", "data@experimental") == (
        "branch experimental of data is new; did you mean experiment?\n"
    )
    assert said("start-commit", "data", "experimen") == (
        "branch experimen of data is new; did you mean experiment or experimental?\n"
    )
