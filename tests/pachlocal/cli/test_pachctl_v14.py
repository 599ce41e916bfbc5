"""The command line of Pachyderm 1.4."""

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from pachctl_fake import FakeServer

from pachlocal.cli.pachctl.v14.table import PLACES
from pachlocal.proto import pfs_pb2, pps_pb2

ID = "0123456789ab4cdef0123456789abcde"
OTHER_ID = "1123456789ab4cdef0123456789abcde"
TIME = Timestamp(seconds=1)
LATER = Timestamp(seconds=2)


def repo(name: str, type_: str = "user") -> pfs_pb2.Repo:
    return pfs_pb2.Repo(name=name, type=type_, project=pfs_pb2.Project(name="default"))


def commit(name: str, id_: str = ID, type_: str = "user") -> pfs_pb2.Commit:
    return pfs_pb2.Commit(repo=repo(name, type_), id=id_)


def finished(name: str, id_: str = ID, **fields: Any) -> pfs_pb2.CommitInfo:
    details = pfs_pb2.CommitInfo.Details(size_bytes=4551)
    return pfs_pb2.CommitInfo(
        commit=commit(name, id_), started=TIME, finished=LATER, details=details, **fields
    )


@pytest.fixture
def open_commit(fake: FakeServer) -> FakeServer:
    fake.answers["InspectCommit"] = pfs_pb2.CommitInfo(commit=commit("training"), started=TIME)
    return fake


@pytest.mark.parametrize("name", PLACES)
def test_every_command_is_there_and_explains_itself(pachctl: Any, name: str) -> None:
    outcome = pachctl(name, "--help")
    assert outcome.code == 0
    assert f"pachctl {name} " in outcome.out


def test_list_repo(fake: FakeServer, pachctl: Any) -> None:
    details = pfs_pb2.RepoInfo.Details(size_bytes=4551)
    fake.answers["ListRepo"] = [pfs_pb2.RepoInfo(repo=repo("training"), details=details)]

    assert pachctl("list-repo").out == (
        "NAME                CREATED             SIZE                \n"
        "training            -                   4.444 KiB           \n"
    )


def test_only_repos_made_from_others(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["ListRepo"] = [pfs_pb2.RepoInfo(repo=repo(name)) for name in ("a", "b", "c")]

    def inspect(request: Any) -> Any:
        if request.branch.repo.name == "c":
            return grpc.StatusCode.NOT_FOUND, "no branch"
        origins = ["a"] if request.branch.repo.name == "b" else []
        provenance = [pfs_pb2.Branch(repo=repo(name), name="master") for name in origins]
        return pfs_pb2.BranchInfo(provenance=provenance)

    fake.answers["InspectBranch"] = inspect
    lines = pachctl("list-repo", "-p", "a").out.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "b"]


def test_a_commit_from_start_to_finish(open_commit: FakeServer, pachctl: Any) -> None:
    open_commit.answers["StartCommit"] = commit("training")
    info = pfs_pb2.FileInfo(file=pfs_pb2.File(path="/iris.csv"), file_type=pfs_pb2.FileType.FILE)
    open_commit.answers["InspectFile"] = info

    assert pachctl("start-commit", "training", "master").out == f"{ID}\n"
    assert pachctl("delete-file", "training", ID, "iris.csv") == (0, "", "")
    assert open_commit.last("ModifyFile")[0].set_commit.id == ID
    assert open_commit.last("ModifyFile")[1].delete_file.path == "iris.csv"
    assert pachctl("finish-commit", "training", "master") == (0, "", "")
    assert open_commit.last("FinishCommit").commit.branch.name == "master"
    assert "needs a branch" in pachctl("start-commit", "training").err


def test_changes_need_an_open_commit(fake: FakeServer, pachctl: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    missing = (grpc.StatusCode.NOT_FOUND, "no branch")
    for answer in (finished("training"), missing):
        fake.answers["InspectCommit"] = answer
        for words in (
            ["put-file", "training", "master", "-f", str(tmp_path / "a")],
            ["delete-file", "training", "master", "a"],
        ):
            outcome = pachctl(*words)
            assert outcome.code == 1
            assert "begin one with: pachctl start-commit training master" in outcome.err
    assert "ModifyFile" not in fake.called()


def test_put_file_appends(open_commit: FakeServer, pachctl: Any, tmp_path: Path) -> None:
    open_commit.files["/a"] = b"old"
    (tmp_path / "a").write_bytes(b"new")

    assert pachctl("put-file", "d", "master", "/a", "-f", str(tmp_path / "a")) == (0, "", "")
    assert open_commit.files == {"/a": b"oldnew"}


def test_put_file_in_a_commit_of_its_own(fake: FakeServer, pachctl: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    words = ["put-file", "d", "master", "/a", "-c", "-f", str(tmp_path / "a")]
    fake.answers["InspectCommit"] = finished("d")
    assert pachctl(*words) == (0, "", "")
    assert fake.files == {"/a": b"a"}
    fake.answers["InspectCommit"] = pfs_pb2.CommitInfo(started=TIME)
    assert "leave out -c" in pachctl(*words).err


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        (["-f", "iris.csv"], ["/iris.csv"]),
        (["-f", "test/1.csv"], ["/test/1.csv"]),
        (["/x", "-f", "iris.csv"], ["/x"]),
        (["x", "-f", "iris.csv", "-f", "test/1.csv"], ["/x/iris.csv", "/x/test/1.csv"]),
        (["-r", "-f", "test"], ["/test/1.csv", "/test/2.csv"]),
        (["-r", "-f", "."], ["/iris.csv", "/test/1.csv", "/test/2.csv"]),
        (["x", "-r", "-f", "test"], ["/x/1.csv", "/x/2.csv"]),
    ],
)
def test_where_sources_go(
    fake: FakeServer,
    pachctl: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    paths: list[str],
) -> None:
    fake.answers["InspectCommit"] = finished("d")
    for name in ("iris.csv", "test/1.csv", "test/2.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    monkeypatch.chdir(tmp_path)
    positions = [word for word in words[:1] if not word.startswith("-")]

    assert pachctl("put-file", "d", "master", *positions, "-c", *words[len(positions) :]).code == 0
    assert sorted(fake.files) == paths


def test_standard_input_and_split(open_commit: FakeServer, pachctl: Any) -> None:
    assert "has no name" in pachctl("put-file", "d", "master").err
    assert "split the file" in pachctl("put-file", "d", "master", "--split", "line").err


def test_list_file(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["ListFile"] = fake.answers["GlobFile"] = [
        pfs_pb2.FileInfo(
            file=pfs_pb2.File(path="/iris.csv"), file_type=pfs_pb2.FileType.FILE, size_bytes=4551
        ),
        pfs_pb2.FileInfo(file=pfs_pb2.File(path="/test/"), file_type=pfs_pb2.FileType.DIR),
    ]
    printed = (
        "NAME                TYPE                SIZE                \n"
        "iris.csv            file                4.444 KiB           \n"
        "test                dir                 0 B                 \n"
    )

    assert pachctl("list-file", "training", "master").out == printed
    assert fake.last("ListFile").file.commit.branch.name == "master"
    assert pachctl("glob-file", "training", ID, "*").out == printed
    assert fake.last("GlobFile").commit.id == ID


def test_commits(fake: FakeServer, pachctl: Any) -> None:
    old = finished("training", parent_commit=commit("training", OTHER_ID))
    fake.answers["ListCommit"] = [old, pfs_pb2.CommitInfo(commit=commit("training", OTHER_ID))]

    header, first, second = pachctl("list-commit", "training", "master").out.splitlines()
    assert header.split() == ["REPO", "ID", "PARENT", "STARTED", "DURATION", "SIZE"]
    assert first.split()[:3] == ["training", ID, OTHER_ID]
    assert first.rstrip().endswith("1 seconds           4.444 KiB")
    assert second.split() == ["training", OTHER_ID, "<none>", "-", "-", "0", "B"]


def test_inspect_commit_leads_to_the_data(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["InspectCommit"] = finished("inference", direct_provenance=[commit("model")])
    found = [commit("model"), commit("model", ID, "spec"), commit("training", OTHER_ID)]
    fake.answers["WalkCommitProvenance"] = [pfs_pb2.CommitInfo(commit=it) for it in found]

    lines = pachctl("inspect-commit", "inference", ID).out.splitlines()
    assert lines[0] == f"Commit: inference/{ID}"
    assert lines[-2:] == ["Size: 4.444 KiB", f"Provenance:  model/{ID}  training/{OTHER_ID}"]


def test_flush_commit_waits_for_what_was_made_from_it(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["InspectCommit"] = lambda request: finished(
        request.commit.repo.name, request.commit.id or ID
    )
    found = [commit("model", OTHER_ID), commit("model", OTHER_ID, "meta"), commit("inference")]
    fake.answers["WalkCommitSubvenance"] = [pfs_pb2.CommitInfo(commit=it) for it in found]

    lines = pachctl("flush-commit", "training/master").out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["model", OTHER_ID], ["inference", ID]]
    assert fake.last("InspectCommit").wait == pfs_pb2.CommitState.FINISHED
    lines = pachctl("flush-commit", f"training/{ID}", "-r", "inference").out.splitlines()
    assert [line.split()[0] for line in lines] == ["REPO", "inference"]
    fake.answers["WalkCommitSubvenance"] = (grpc.StatusCode.UNIMPLEMENTED, "unknown method")
    fake.answers["InspectCommitSet"] = [pfs_pb2.CommitInfo(commit=commit("model"))]
    lines = pachctl("flush-commit", f"training/{ID}").out.splitlines()
    assert [line.split()[0] for line in lines] == ["REPO", "model"]
    assert pachctl("flush-commit", "training").code == 2


def test_jobs(fake: FakeServer, pachctl: Any) -> None:
    pipeline = pps_pb2.Pipeline(name="model", project=pfs_pb2.Project(name="default"))
    killed = pps_pb2.JobInfo(
        job=pps_pb2.Job(pipeline=pipeline, id=ID),
        state=pps_pb2.JOB_KILLED,
        data_processed=1,
        data_total=3,
    )
    fake.answers["ListJob"] = fake.answers["InspectJobSet"] = [killed]

    header, row = pachctl("list-job", "-p", "model", f"training/{ID}").out.splitlines()
    assert header.split() == [
        "ID",
        "OUTPUT",
        "COMMIT",
        "STARTED",
        "DURATION",
        "RESTART",
        "PROGRESS",
        "STATE",
    ]
    assert row.split() == [ID, "model/-", "-", "-", "0", "1", "/", "3", "stopped"]
    assert fake.last("ListJob").input_commit[0].id == ID
    assert "State: stopped\n" in pachctl("inspect-job", ID).out
    pachctl("restart-datum", ID, "/a,/b")
    assert list(fake.last("RestartDatum").data_filters) == ["/a", "/b"]
    for word, call in (("stop-job", "StopJob"), ("delete-job", "DeleteJob")):
        assert pachctl(word, ID).code == 0
        assert fake.last(call).job.pipeline.name == "model"
    fake.answers["GetLogs"] = [pps_pb2.LogMessage(user=True, message="said")]
    assert pachctl("get-logs", "--job", ID).out == "said\n"
    assert fake.last("GetLogs").pipeline.name == "model"
    assert pachctl("get-logs").code == 2


def test_pipelines(fake: FakeServer, pachctl: Any, tmp_path: Path) -> None:
    parts = [
        pps_pb2.Input(pfs=pps_pb2.PFSInput(repo=name, glob="/*", project="p"))
        for name in ("a", "b")
    ]
    details = pps_pb2.PipelineInfo.Details(input=pps_pb2.Input(cross=parts), output_branch="master")
    pipeline = pps_pb2.PipelineInfo(
        pipeline=pps_pb2.Pipeline(name="m"), state=pps_pb2.PIPELINE_PAUSED, details=details
    )
    fake.answers["ListPipeline"] = [pipeline]
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"pipeline": {"name": "m"}, "transform": {"cmd": ["x"]}}))

    lines = pachctl("list-pipeline").out.splitlines()
    assert lines[0].split() == ["NAME", "INPUT", "OUTPUT", "CREATED", "STATE"]
    assert lines[1].rstrip().endswith(" stopped")
    assert "(a:/* ⨯ b:/*)" in lines[1]  # noqa: RUF001
    assert "m/master" in lines[1]
    assert pachctl("create-pipeline", "-f", str(path)).code == 0
    assert pachctl("update-pipeline", "-f", str(path), "--reprocess").code == 0
    assert fake.last("CreatePipelineV2").reprocess
    pachctl("delete-pipeline", "m")
    assert fake.last("DeletePipeline").keep_repo
    pachctl("delete-pipeline", "m", "--delete-repo", "--delete-jobs")
    assert not fake.last("DeletePipeline").keep_repo


def test_the_server_is_looked_for_where_1_4_did(
    fake: FakeServer, pachctl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADDRESS", fake.address.removeprefix("grpc://"))
    monkeypatch.delenv("PACHD_ADDRESS")

    assert pachctl("create-repo", "a", "--no-metrics") == (0, "", "")
    assert fake.last("CreateRepo").repo.name == "a"
    monkeypatch.setenv("ADDRESS", "nonsense://x")
    assert "ADDRESS" in pachctl("create-repo", "a").err
    assert "ADDRESS" not in pachctl("version", "--client-only").err
