import json
import re
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from pachctl_fake import FakeServer

from pachlocal.proto import local_pb2, pfs_pb2, pps_pb2, version_pb2

ID = "0123456789ab4cdef0123456789abcde"
OTHER_ID = "1123456789ab4cdef0123456789abcde"
TIME = Timestamp(seconds=1_700_000_000, nanos=1)


def repo(name: str, type_: str = "user") -> pfs_pb2.Repo:
    return pfs_pb2.Repo(name=name, type=type_, project=pfs_pb2.Project(name="default"))


def commit(name: str, id_: str = ID, type_: str = "user") -> pfs_pb2.Commit:
    return pfs_pb2.Commit(repo=repo(name, type_), id=id_)


def job(pipeline: str, **fields: Any) -> pps_pb2.JobInfo:
    named = pps_pb2.Pipeline(name=pipeline, project=pfs_pb2.Project(name="default"))
    return pps_pb2.JobInfo(job=pps_pb2.Job(pipeline=named, id=ID), **fields)


def test_version(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["GetVersion"] = version_pb2.Version(major=2, minor=12, micro=2, additional="-rc.1")

    lines = pachctl("version").out.splitlines()
    assert lines[0] == "COMPONENT           VERSION             "
    assert lines[1].startswith("pachctl             ")
    assert lines[2] == "pachd               2.12.2-rc.1         "


def test_create_repo(fake: FakeServer, pachctl: Any) -> None:
    assert pachctl("create", "repo", "data", "-d", "text", "--project", "p") == (0, "", "")
    request = fake.last("CreateRepo")
    assert (request.repo.name, request.repo.type) == ("data", "user")
    assert (request.repo.project.name, request.description, request.update) == ("p", "text", False)


def test_plural_nouns_are_as_good(fake: FakeServer, pachctl: Any) -> None:
    assert pachctl("create", "repos", "data").code == 0
    assert pachctl("list", "branches", "data").code == 0


def test_list_repo(fake: FakeServer, pachctl: Any) -> None:
    details = pfs_pb2.RepoInfo.Details(size_bytes=4551)
    fake.answers["ListRepo"] = [
        pfs_pb2.RepoInfo(repo=repo("training"), created=TIME, details=details, description="iris"),
        pfs_pb2.RepoInfo(repo=repo("model", "meta"), created=TIME, size_bytes_upper_bound=9999),
    ]

    assert pachctl("list", "repo", "--full-timestamps").out == (
        "PROJECT NAME       CREATED              SIZE (MASTER) DESCRIPTION \n"
        "default training   2023-11-14T22:13:20Z 4.444KiB      iris        \n"
        "default model.meta 2023-11-14T22:13:20Z ≤ 9.765KiB                \n"
    )
    assert fake.last("ListRepo").type == "user"
    assert [it.name for it in fake.last("ListRepo").projects] == ["default"]
    pachctl("list", "repo", "--all", "-A")
    assert fake.last("ListRepo") == pfs_pb2.ListRepoRequest()


def test_raw_output_is_the_answer(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["InspectRepo"] = pfs_pb2.RepoInfo(repo=repo("a"), size_bytes_upper_bound=5)
    expected = {
        "repo": {"name": "a", "type": "user", "project": {"name": "default"}},
        "size_bytes_upper_bound": "5",
    }

    for words in (["--raw"], ["-o", "json"], ["--raw", "-o", "json"]):
        assert json.loads(pachctl("inspect", "repo", "a", *words).out) == expected
    assert pachctl("inspect", "repo", "a", "-o", "yaml").out.startswith("---\nrepo:\n  name: a\n")


def test_deleting_what_is_not_there_is_an_error(fake: FakeServer, pachctl: Any) -> None:
    outcome = pachctl("delete", "repo", "no")
    assert outcome.code == 1
    assert "repo default/no not found" in outcome.err
    fake.answers["DeleteRepo"] = pfs_pb2.DeleteRepoResponse(deleted=True)
    assert pachctl("delete", "repo", "yes", "-f") == (0, "", "Repo deleted.\n")
    assert fake.last("DeleteRepo").force


def test_deleting_all_repos_has_to_be_said(fake: FakeServer, pachctl: Any) -> None:
    assert pachctl("delete", "repo").code == 2
    assert pachctl("delete", "repo", "a", "--all").code == 2
    assert pachctl("delete", "repo", "a", "-A").code == 2
    assert fake.called() == []
    assert pachctl("delete", "repo", "--all").code == 0
    assert [it.name for it in fake.last("DeleteRepos").projects] == ["default"]


def test_a_commit_from_start_to_finish(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["StartCommit"] = commit("data")

    assert pachctl("start", "commit", "data@master", "-m", "why", "-p", "dev^").out == f"{ID}\n"
    request = fake.last("StartCommit")
    assert (request.branch.name, request.parent.id, request.description) == (
        "master",
        "dev^",
        "why",
    )
    assert pachctl("finish", "commit", f"data@{ID}").code == 0
    assert fake.last("FinishCommit").commit.id == ID
    assert pachctl("start", "commit", f"data@{ID}").code == 2
    assert pachctl("finish", "commit", "data").code == 2


def test_a_commit_s_provenance_is_shown(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["InspectCommit"] = pfs_pb2.CommitInfo(
        commit=commit("model"),
        parent_commit=commit("model", OTHER_ID),
        description="text",
        started=TIME,
        finished=TIME,
        details=pfs_pb2.CommitInfo.Details(size_bytes=100),
        direct_provenance=[commit("training"), commit("model", OTHER_ID, "spec")],
    )

    assert pachctl("inspect", "commit", "model@master", "--full-timestamps").out == (
        f"Commit: model@{ID}\n"
        "Description: text\n"
        f"Parent: {OTHER_ID}\n"
        "Started: 2023-11-14T22:13:20Z\n"
        "Finished: 2023-11-14T22:13:20Z\n"
        "Size: 100B\n"
        f"Provenance: training@{ID} model.spec@{OTHER_ID}\n"
    )


def test_the_whole_provenance_is_shown_where_the_server_knows_it(
    fake: FakeServer, pachctl: Any
) -> None:
    fake.answers["InspectCommit"] = pfs_pb2.CommitInfo(
        commit=commit("inference"), direct_provenance=[commit("model"), commit("attributes")]
    )
    near_and_far = [commit("model"), commit("attributes"), commit("training", OTHER_ID)]
    fake.answers["WalkCommitProvenance"] = [pfs_pb2.CommitInfo(commit=it) for it in near_and_far]

    shown = pachctl("inspect", "commit", "inference@master").out.splitlines()
    assert shown[-1] == f"Provenance: model@{ID} attributes@{ID} training@{OTHER_ID}"
    picked = fake.last("WalkCommitProvenance").start[0].id
    assert (picked.repo.name.project.name, picked.repo.name.name) == ("default", "inference")
    assert (picked.repo.name.type, picked.id) == ("user", ID)
    fake.answers["WalkCommitProvenance"] = (grpc.StatusCode.UNIMPLEMENTED, "unknown method")
    shown = pachctl("inspect", "commit", "inference@master").out.splitlines()
    assert shown[-1] == f"Provenance: model@{ID} attributes@{ID}"


def test_finding_the_commits_of_a_file(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["FindCommits"] = [
        pfs_pb2.FindCommitsResponse(found_commit=commit("data")),
        pfs_pb2.FindCommitsResponse(
            last_searched_commit=commit("data", OTHER_ID), commits_searched=3
        ),
    ]

    assert pachctl("find", "commit", "data@master:/a", "--limit", "9").out == (
        f"data@{ID}\n3 searched, back to data@{OTHER_ID}\n"
    )
    request = fake.last("FindCommits")
    assert (request.start.branch.name, request.file_path, request.limit) == ("master", "/a", 9)
    assert pachctl("find", "commit", "data@master").code == 2
    fake.answers["FindCommits"] = (grpc.StatusCode.DEADLINE_EXCEEDED, "late")
    assert "time is over" in pachctl("find", "commit", "data@m:/a", "--timeout", "1m").err


@pytest.mark.parametrize(
    ("verb", "of_set", "of_one"),
    [
        ("squash", "SquashCommitSet", "SquashCommit"),
        ("delete", "DropCommitSet", "DropCommit"),
    ],
)
def test_removing_commits(
    fake: FakeServer, pachctl: Any, verb: str, of_set: str, of_one: str
) -> None:
    assert pachctl(verb, "commit", ID) == (0, "", "")
    assert fake.last(of_set).commit_set.id == ID
    assert pachctl(verb, "commit", f"data@{ID}", "-r") == (0, "", "")
    assert (fake.last(of_one).commit.repo.name, fake.last(of_one).recursive) == ("data", True)
    assert pachctl(verb, "commitV2", "data@master").code == 0
    assert fake.last(of_one).commit.branch.name == "master"
    assert pachctl(verb, "commit", ID, "-r").code == 2


def test_fsck(fake: FakeServer, pachctl: Any) -> None:
    assert pachctl("fsck") == (0, "No errors found.\n", "")
    fake.answers["Fsck"] = [
        pfs_pb2.FsckResponse(fix="mended"),
        pfs_pb2.FsckResponse(error="broken"),
    ]
    outcome = pachctl("fsck", "--fix", "--zombie", f"a@{ID}")
    assert outcome == (1, "Fixed: mended\nError: broken\n", "pachctl: 1 error found\n")
    request = fake.last("Fsck")
    assert (request.fix, request.zombie_target.id) == (True, ID)
    assert pachctl("fsck", "--zombie-all", "--zombie", f"a@{ID}").code == 2


def test_list_datum_by_state(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["ListDatum"] = [
        pps_pb2.DatumInfo(datum=pps_pb2.Datum(id="a"), state=pps_pb2.DatumState.FAILED),
        pps_pb2.DatumInfo(datum=pps_pb2.Datum(id="b"), state=pps_pb2.DatumState.SUCCESS),
    ]

    lines = pachctl("list", "datum", f"m@{ID}", "--state", "failed", "-n", "5").out.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "a"]
    request = fake.last("ListDatum")
    assert (list(request.filter.state), request.number) == ([pps_pb2.DatumState.FAILED], 5)
    assert pachctl("list", "datum", f"m@{ID}", "--state", "odd").code == 2


def test_an_id_alone_names_no_commit(fake: FakeServer, pachctl: Any) -> None:
    outcome = pachctl("inspect", "commit", ID)
    assert outcome.code == 2
    assert f"list commit {ID}" in outcome.err


def test_the_forms_of_list_commit(fake: FakeServer, pachctl: Any) -> None:
    info = pfs_pb2.CommitInfo(
        commit=commit("data"), origin=pfs_pb2.CommitOrigin(kind=pfs_pb2.OriginKind.USER)
    )
    fake.answers["ListCommitSet"] = [
        pfs_pb2.CommitSetInfo(commit_set=pfs_pb2.CommitSet(id=ID), commits=[info, info])
    ]
    fake.answers["InspectCommitSet"] = fake.answers["ListCommit"] = [info]

    assert pachctl("list", "commit").out.splitlines()[1].split() == [ID, "2", "▇" * 8, "-", "-"]
    assert len(pachctl("list", "commit", "-x", "-n", "1").out.splitlines()) == 2
    assert f"default data {ID} -" in pachctl("list", "commit", ID).out
    pachctl("list", "commit", f"data@{ID}", "--from", OTHER_ID, "-n", "3", "--origin", "user")
    request = fake.last("ListCommit")
    assert (request.to.id, request.number, request.origin_kind) == (ID, 3, 1)
    assert getattr(request, "from").id == OTHER_ID
    pachctl("list", "commit", "data")
    assert not fake.last("ListCommit").HasField("to")
    assert pachctl("list", "commit", "--from", ID).code == 2


def test_list_file(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["ListFile"] = [
        pfs_pb2.FileInfo(file=pfs_pb2.File(path="/iris.csv"), size_bytes=4551),
        pfs_pb2.FileInfo(file=pfs_pb2.File(path="/test/"), size_bytes=112),
    ]

    assert pachctl("list", "file", "data@master").out == (
        "SIZE   \tNAME\n4.444KiB\t/iris.csv\n112B\t/test/\n"
    )
    assert fake.last("ListFile").file.path == "/"
    fake.answers["ListFile"] = (grpc.StatusCode.NOT_FOUND, "repo default/data not found")
    assert pachctl("list", "file", "data@master") == (
        1,
        "",
        "pachctl: repo default/data not found\n",
    )


def test_list_file_in_batches(fake: FakeServer, pachctl: Any) -> None:
    fake.offers_local = True
    fake.answers["ListFiles"] = [
        local_pb2.ListFilesResponse(
            files=[
                local_pb2.ListedFile(path="/iris.csv", size_bytes=4551),
                local_pb2.ListedFile(path="/test/", size_bytes=112),
            ]
        )
    ]
    printed = "SIZE   \tNAME\n4.444KiB\t/iris.csv\n112B\t/test/\n"

    assert pachctl("list", "file", "data@master") == (0, printed, "")
    assert "ListFile" not in fake.called()
    pachctl("list", "file", "data@master", "--raw")  # as on a cluster
    assert "ListFile" in fake.called()
    fake.answers["ListFiles"] = (grpc.StatusCode.NOT_FOUND, "repo default/data not found")
    outcome = pachctl("list", "file", "data@master")
    assert outcome == (1, "", "pachctl: repo default/data not found\n")


def test_deleting_files(fake: FakeServer, pachctl: Any) -> None:
    info = pfs_pb2.FileInfo(file=pfs_pb2.File(path="/d/"), file_type=pfs_pb2.FileType.DIR)
    fake.answers["InspectFile"] = info

    assert "add -r" in pachctl("delete", "file", "data@m:/d").err
    assert pachctl("delete", "file", "data@m").code == 2
    assert "ModifyFile" not in fake.called()
    pachctl("delete", "file", "data@m:/d", "-r")
    assert fake.last("ModifyFile")[1].delete_file.path == "/d/"
    info.file_type = pfs_pb2.FileType.FILE
    pachctl("delete", "file", "data@m:/d/a")
    assert fake.last("ModifyFile")[1].delete_file.path == "/d/a"


def test_copy_file(fake: FakeServer, pachctl: Any) -> None:
    pachctl("copy", "file", "a@m:/x", "b@m:/y", "-a", "--src-project", "p")

    _, change = fake.last("ModifyFile")
    assert change.copy_file.src.commit.repo.project.name == "p"
    assert (change.copy_file.src.path, change.copy_file.dst) == ("/x", "/y")
    assert change.copy_file.append


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "model.json"
    content = {"pipeline": {"name": "model"}, "transform": {"image": "iris:1", "cmd": ["new"]}}
    path.write_text(json.dumps(content))
    return path


def test_create_pipeline(fake: FakeServer, pachctl: Any, spec: Path) -> None:
    assert pachctl("create", "pipeline", "-f", str(spec), "--project", "p") == (0, "", "")
    request = fake.last("CreatePipelineV2")
    sent = json.loads(request.create_pipeline_request_json)
    assert sent["pipeline"] == {"name": "model", "project": {"name": "p"}}
    assert (request.update, request.reprocess) == (False, False)


def test_a_wrong_specification_is_not_sent(fake: FakeServer, pachctl: Any, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text('{"pipeline": {"name": "m"}, "transform": {"cmdd": []}}')

    outcome = pachctl("create", "pipeline", "-f", str(path))
    assert (outcome.code, outcome.err) == (
        1,
        f"pachctl: {path}: transform.cmdd: no such field; did you mean cmd?\n",
    )
    assert fake.called() == []


def test_update_pipeline_says_what_it_skips(fake: FakeServer, pachctl: Any, spec: Path) -> None:
    fake.answers["InspectPipeline"] = (grpc.StatusCode.NOT_FOUND, "no")
    assert pachctl("update", "pipeline", "-f", str(spec)).err == ""
    same = pps_pb2.Transform(image="iris:1", cmd=["new"])
    fake.answers["InspectPipeline"] = pps_pb2.PipelineInfo(
        details=pps_pb2.PipelineInfo.Details(transform=same)
    )
    assert pachctl("update", "pipeline", "-f", str(spec)).err == ""
    same.cmd[0] = "old"
    fake.answers["InspectPipeline"] = pps_pb2.PipelineInfo(
        details=pps_pb2.PipelineInfo.Details(transform=same)
    )
    assert "--reprocess" in pachctl("update", "pipeline", "-f", str(spec)).err
    assert pachctl("update", "pipeline", "-f", str(spec), "--reprocess").err == ""
    request = fake.last("CreatePipelineV2")
    assert (request.update, request.reprocess) == (True, True)


def test_images_that_may_change_are_warned_of(fake: FakeServer, pachctl: Any, spec: Path) -> None:
    text = spec.read_text()
    for image, warned in (
        ("iris", True),
        ("host:5000/iris", True),
        ("iris:latest", True),
        ("host:5000/iris:1", False),
        ("iris@sha256:abc", False),
    ):
        spec.write_text(text.replace("iris:1", image))
        assert ("WARNING" in pachctl("create", "pipeline", "-f", str(spec)).err) is warned


def test_edit_pipeline(fake: FakeServer, pachctl: Any, spec: Path, tmp_path: Path) -> None:
    fake.answers["InspectPipeline"] = pps_pb2.PipelineInfo(
        pipeline=pps_pb2.Pipeline(name="model", project=pfs_pb2.Project(name="default")),
        user_spec_json=spec.read_text(),
    )
    assert "Nothing" in pachctl("edit", "pipeline", "model", "--editor", "true").out
    assert pachctl("edit", "pipeline", "model", "--editor", "false").code == 1
    assert "CreatePipelineV2" not in fake.called()
    assert pachctl("edit", "pipeline", "model", "--editor", "sed -i s/iris:1/iris:2/").code == 0
    assert "iris:2" in fake.last("CreatePipelineV2").create_pipeline_request_json
    yaml = ("edit", "pipeline", "model", "-o", "yaml", "--editor")
    assert pachctl(*yaml, "sed -i 's/^  image: iris:1/  image: iris:3/'").code == 0
    assert "iris:3" in fake.last("CreatePipelineV2").create_pipeline_request_json


@pytest.mark.parametrize("mistake", ["1s/{/[/", "s/iris:1/iris:refused/"])
def test_a_text_that_cannot_be_taken_is_kept(
    fake: FakeServer,
    pachctl: Any,
    spec: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mistake: str,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fake.answers["InspectPipeline"] = pps_pb2.PipelineInfo(
        pipeline=pps_pb2.Pipeline(name="model", project=pfs_pb2.Project(name="default")),
        user_spec_json=spec.read_text(),
    )
    fake.answers["CreatePipelineV2"] = (grpc.StatusCode.INVALID_ARGUMENT, "no such image")
    outcome = pachctl("edit", "pipeline", "model", "--editor", f"sed -i {mistake}")

    assert outcome.code == 1
    (kept,) = tmp_path.glob("pachctl-edit-*/model.json")
    assert f"Your text is kept in {kept}" in outcome.err
    assert kept.read_text() != spec.read_text()


def test_list_pipeline(fake: FakeServer, pachctl: Any) -> None:
    pfs = pps_pb2.Input(pfs=pps_pb2.PFSInput(project="default", repo="a", glob="/*"))
    cron = pps_pb2.Input(cron=pps_pb2.CronInput(name="tick", spec="@daily"))
    details = pps_pb2.PipelineInfo.Details(
        input=pps_pb2.Input(cross=[pfs, pps_pb2.Input(union=[pfs, cron])]), created_at=TIME
    )
    fake.answers["ListPipeline"] = [
        pps_pb2.PipelineInfo(
            pipeline=pps_pb2.Pipeline(name="model", project=pfs_pb2.Project(name="default")),
            version=3,
            state=pps_pb2.PIPELINE_RUNNING,
            last_job_state=pps_pb2.JOB_SUCCESS,
            details=details,
        )
    ]

    row = pachctl("list", "pipeline", "--full-timestamps").out.splitlines()[1]
    assert re.split(r"  +", row.strip()) == [
        "default model 3",
        "(default/a:/* ⨯ (default/a:/* ∪ tick:@daily)) 2023-11-14T22:13:20Z running / success",  # noqa: RUF001
    ]
    assert fake.last("ListPipeline").HasField("commit_set")
    pachctl("list", "pipeline", "--state", "running", "--state", "PIPELINE_FAILURE")
    assert fake.last("ListPipeline").jqFilter == (
        '.state == "PIPELINE_RUNNING" or .state == "PIPELINE_FAILURE"'
    )
    assert pachctl("list", "pipeline", "--state", "happy").code == 2


def test_jobs(fake: FakeServer, pachctl: Any) -> None:
    done = job(
        "model", started=TIME, finished=TIME, state=pps_pb2.JOB_SUCCESS, data_total=1, created=TIME
    )
    failed = job("model", state=pps_pb2.JOB_FAILURE, reason="datum 0123456789abcdefghij failed")
    idle = job("model", state=pps_pb2.JOB_SUCCESS, data_skipped=2, data_total=2)
    fake.answers["ListJob"] = fake.answers["InspectJobSet"] = [done, failed, idle]
    fake.answers["ListJobSet"] = [
        pps_pb2.JobSetInfo(job_set=pps_pb2.JobSet(id=ID), jobs=[done, failed])
    ]

    header, *rows = pachctl("list", "job", "-p", "model").out.splitlines()
    titles = "PROJECT PIPELINE ID STARTED DURATION RESTART PROGRESS DL UL STATE"
    assert " ".join(header.split()) == titles
    assert "Less than a second 0       0 + 0 / 1 0B 0B success" in rows[0]
    assert "failure: datum 0123456789abcdefghij failed" in rows[1]
    assert rows[2].rstrip().endswith("2 / 2 0B 0B success: there were no datums to process")
    assert fake.last("ListJob").pipeline.name == "model"
    assert pachctl("list", "job").out.splitlines()[1].split()[:3] == [ID, "2", "▇" * 8]
    pachctl("list", "job", ID)
    assert fake.last("InspectJobSet").job_set.id == ID
    assert pachctl("list", "job", ID, "-p", "model").code == 2
    assert pachctl("list", "job", "--state", "running").code == 2
    pachctl("wait", "job", ID)
    assert fake.last("InspectJobSet").wait


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("list", "job", "model"), "see `pachctl list job -p model` for a pipeline's jobs"),
        (
            ("list", "job", "model@latest"),
            "see `pachctl inspect job model@latest` for a job of one pipeline",
        ),
        (
            ("logs", "model"),
            "if it is a pipeline, name it with -p; if it is a job, name it with",
        ),
    ],
)
def test_a_name_in_the_place_of_something_else_is_told_its_own(
    fake: FakeServer, pachctl: Any, words: tuple[str, ...], advice: str
) -> None:
    outcome = pachctl(*words)
    assert (outcome.code, fake.called()) == (2, [])
    assert advice in outcome.err


def test_inspect_job_shows_its_workers(fake: FakeServer, pachctl: Any) -> None:
    status = pps_pb2.WorkerStatus(
        worker_id="w1",
        job_id=ID,
        datum_status=pps_pb2.DatumStatus(started=TIME, data=[pps_pb2.InputFile(path="/a.csv")]),
    )
    details = pps_pb2.JobInfo.Details(
        worker_status=[status], parallelism_spec=pps_pb2.ParallelismSpec(constant=2)
    )
    fake.answers["InspectJob"] = job("model", started=TIME, details=details)

    lines = pachctl("inspect", "job", f"model@{ID}", "--full-timestamps").out.splitlines()
    assert f"w1                  {ID}   /a.csv              2023-11-14T22:13:20Z   " in lines
    assert "ParallelismSpec: constant:2" in lines


def test_stopping_all_jobs_of_an_id_is_one_step(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["InspectJobSet"] = [job("a"), job("b")]

    pachctl("stop", "job", ID)
    names = [it.stop_job.job.pipeline.name for it in fake.last("BatchTransaction").requests]
    assert names == ["a", "b"]


def test_logs(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["GetLogs"] = [
        pps_pb2.LogMessage(user=True, message="from the code\n"),
        pps_pb2.LogMessage(master=True, message="from the controller"),
        pps_pb2.LogMessage(message="from the worker"),
    ]

    assert pachctl("logs", "-p", "m").out == "from the code\n"
    assert pachctl("logs", "-p", "m", "--master").out == "from the controller\n"
    assert pachctl("logs", "-p", "m", "--worker").out == "from the worker\n"
    assert len(pachctl("logs").out.splitlines()) == 3
    pachctl("logs", "-j", f"m@{ID}", "--datum", "d", "--since", "1h30m", "--inputs", "/a,,/b")
    request = fake.last("GetLogs")
    assert (request.pipeline.name, request.job.id, request.datum.id) == ("m", ID, "d")
    assert (request.since.seconds, list(request.data_filters)) == (5400, ["/a", "/b"])
    assert pachctl("logs", "-p", "m", "--since", "yesterday").code == 2
    assert pachctl("logs", "-p", "m", "-j", f"m@{ID}").code == 2


def test_delete_all_asks(fake: FakeServer, pachctl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def __init__(self, answer: str) -> None:
            self.answer = answer

        def readline(self) -> str:
            return self.answer

    for answer, deletions in (("n\n", 0), ("", 0), ("\n", 0), ("y\n", 3), ("YES\n", 6)):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        assert pachctl("delete", "all").code == 0
        assert fake.called().count("DeleteAll") == deletions
    pachctl("delete", "all", "-y")
    assert fake.called().count("DeleteAll") == 9


def test_an_error_is_one_line(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["InspectRepo"] = (grpc.StatusCode.INTERNAL, "first\n  second")

    assert pachctl("inspect", "repo", "a") == (1, "", "pachctl: first second\n")
    assert pachctl("-v", "inspect", "repo", "a").err == (
        "pachctl: first second [INTERNAL: first second]\n"
    )
    assert pachctl("inspect", "repo", "a", "-v").err == pachctl("-v", "inspect", "repo", "a").err


def test_a_call_the_server_does_not_know_is_told(fake: FakeServer, pachctl: Any) -> None:
    fake.answers["RunCron"] = (grpc.StatusCode.UNIMPLEMENTED, "")

    assert pachctl("run", "cron", "a").err == (
        f"pachctl: the server at {fake.address} doesn't know this call\n"
    )


def test_the_token_goes_with_every_call(
    fake: FakeServer, pachctl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.json"
    context = {"session_token": "secret", "project": "p"}
    path.write_text(json.dumps({"v2": {"active_context": "c", "contexts": {"c": context}}}))
    monkeypatch.setenv("PACH_CONFIG", str(path))

    assert pachctl("create", "repo", "a").code == 0
    assert fake.last("CreateRepo").repo.project.name == "p"
    assert ("authn-token", "secret") in fake.metadata
