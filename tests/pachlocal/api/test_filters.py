"""What Console asks for: jq filters of lists, summaries, data filters, storage checks."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc

PROJECT = pfs_pb2.Project(name="default")
IN = pfs_pb2.Repo(name="in", type="user", project=PROJECT)
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
DEADLINE_EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED


def pipeline(name: str) -> pps_pb2.Pipeline:
    return pps_pb2.Pipeline(name=name, project=PROJECT)


class Server:
    """A server with a pipeline `good`, in two versions, and one `bad` whose jobs fail."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.pfs = pfs_pb2_grpc.APIStub(channel)
        self.pps = pps_pb2_grpc.APIStub(channel)
        self.put(IN)
        for name, cmd, update in (
            ("good", "echo hello", False),
            ("good", "echo hello", True),
            ("bad", "exit 1", False),
        ):
            self.create(name, cmd, update)

    def put(self, repo: pfs_pb2.Repo) -> None:
        self.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo, update=True))
        branch = pfs_pb2.Branch(name="master", repo=repo)
        commit = self.pfs.StartCommit(pfs_pb2.StartCommitRequest(branch=branch))
        chunk = pfs_pb2.AddFile(path="/a")
        chunk.raw.value = b"text"
        self.pfs.ModifyFile(
            iter(
                (
                    pfs_pb2.ModifyFileRequest(set_commit=commit),
                    pfs_pb2.ModifyFileRequest(add_file=chunk),
                )
            )
        )
        self.pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=commit))

    def create(self, name: str, command: str, update: bool) -> None:
        self.pps.CreatePipeline(
            pps_pb2.CreatePipelineRequest(
                pipeline=pipeline(name),
                transform=pps_pb2.Transform(image="none", cmd=["sh", "-c", command]),
                input=pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="in", glob="/")),
                datum_tries=1,
                update=update,
            )
        )
        newest = next(iter(self.pps.ListJob(pps_pb2.ListJobRequest(pipeline=pipeline(name)))))
        self.pps.InspectJob(pps_pb2.InspectJobRequest(job=newest.job, wait=True))

    def jobs(self, jq: str = "", **fields: object) -> list[tuple[str, int]]:
        found = self.pps.ListJob(pps_pb2.ListJobRequest(jqFilter=jq, **fields))
        return [(info.job.pipeline.name, info.pipeline_version) for info in found]

    def pipelines(self, jq: str) -> list[str]:
        found = self.pps.ListPipeline(pps_pb2.ListPipelineRequest(jqFilter=jq))
        return [info.pipeline.name for info in found]

    def lines(self, data_filter: str) -> list[str]:
        found = self.pps.GetLogs(
            pps_pb2.GetLogsRequest(pipeline=pipeline("good"), data_filters=[data_filter])
        )
        return [line.message for line in found if line.user]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    daemon = Daemon(tmp_path_factory.mktemp("filters") / "store")
    daemon.start()
    try:
        with grpc.insecure_channel(daemon.address) as channel:
            yield Server(channel)
    finally:
        daemon.end()


def test_jobs_are_of_the_current_versions_and_as_many_before_as_asked(server: Server) -> None:
    assert server.jobs() == [("bad", 1), ("good", 2)]
    assert server.jobs(history=1) == [("bad", 1), ("good", 2), ("good", 1)]
    assert server.jobs(history=-1) == [("bad", 1), ("good", 2), ("good", 1)]
    assert server.jobs(pipeline=pipeline("good")) == [("good", 2)]


@pytest.mark.parametrize(
    ("jq", "names"),
    [
        ('select(.job.pipeline.name | IN("good"))', ["good"]),
        ('.state == "JOB_FAILURE"', ["bad"]),
        ('.state == "NOPE" or .state == "JOB_SUCCESS"', ["good"]),
        ('.state | test("SUCCESS$")', ["good"]),
        ('.data_total == "1"', ["bad", "good"]),  # snake_case names, and numbers of 64 bits as text
        ("empty", []),
        (".output_commit.branch.name", ["bad", "good"]),
        ("true, false", ["bad", "good"]),
    ],
)
def test_jobs_are_those_for_which_a_jq_program_gives_something(
    server: Server, jq: str, names: list[str]
) -> None:
    assert [name for name, _ in server.jobs(jq)] == names


def test_as_many_are_given_as_pass_the_filter(server: Server) -> None:
    assert server.jobs('.job.pipeline.name == "good"', number=1) == [("good", 2)]


def test_pipelines_and_job_sets_are_filtered_alike(server: Server) -> None:
    assert server.pipelines('.details.transform.cmd[2] | test("exit")') == ["bad"]
    sets = server.pps.ListJobSet(
        pps_pb2.ListJobSetRequest(jqFilter='select(.job.pipeline.name == "bad")')
    )
    assert [[info.job.pipeline.name for info in it.jobs] for it in sets] == [["bad"]]


@pytest.mark.parametrize(
    ("jq", "code", "text"),
    [
        ("select(", INVALID_ARGUMENT, "error parsing jq filter"),
        (".job.nope.nope | keys", INVALID_ARGUMENT, "error applying jq filter"),
        (
            'reduce range(40) as $i ("x"; . + .) | length',
            INVALID_ARGUMENT,
            "too much memory",
        ),
        pytest.param("def f: f; f", DEADLINE_EXCEEDED, "longer than", marks=pytest.mark.slow),
    ],
)
def test_a_filter_that_is_none_is_refused_and_harms_nobody(
    server: Server, jq: str, code: grpc.StatusCode, text: str
) -> None:
    with pytest.raises(grpc.RpcError) as error:
        server.jobs(jq)
    assert error.value.code() is code
    assert text in (error.value.details() or "")
    assert server.jobs()


def test_projects_are_summed_up(server: Server) -> None:
    paused = server.pps.StopPipeline
    paused(pps_pb2.StopPipelineRequest(pipeline=pipeline("good")))
    try:
        found = server.pps.PipelinesSummary(pps_pb2.PipelinesSummaryRequest())
    finally:
        server.pps.StartPipeline(pps_pb2.StartPipelineRequest(pipeline=pipeline("good")))
    (summary,) = found.summaries
    assert summary == pps_pb2.PipelinesSummary(
        project=PROJECT, active_pipelines=1, paused_pipelines=1, unhealthy_pipelines=1
    )
    nobody = pps_pb2.PipelinesSummaryRequest(projects=[pfs_pb2.ProjectPicker(name="nobody")])
    assert not server.pps.PipelinesSummary(nobody).summaries


def test_jobs_that_wait_on_the_real_server_make_a_failed_pipeline_no_less_healthy(
    server: Server,
) -> None:
    def counts() -> tuple[int, int]:
        found = server.pps.PipelinesSummary(pps_pb2.PipelinesSummaryRequest())
        (summary,) = found.summaries
        return summary.failed_pipelines, summary.unhealthy_pipelines

    repo = pfs_pb2.Repo(name="later", type="user")
    server.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo))
    server.pps.CreatePipeline(
        pps_pb2.CreatePipelineRequest(
            pipeline=pipeline("empty"),
            transform=pps_pb2.Transform(image="none"),
            input=pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="later", glob="/")),
        )
    )
    try:
        assert counts() == (1, 2)
        server.put(repo)
        assert counts() == (1, 1)
    finally:
        server.pps.DeletePipeline(pps_pb2.DeletePipelineRequest(pipeline=pipeline("empty")))


def test_workers_that_run_for_longer_than_expected_are_told(server: Server) -> None:
    slow = pipeline("slow")
    server.pps.CreatePipeline(
        pps_pb2.CreatePipelineRequest(
            pipeline=slow,
            transform=pps_pb2.Transform(image="none", cmd=["sleep", "600"]),
            input=pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="in", glob="/")),
            autoscaling=True,
            maximum_expected_uptime=Duration(nanos=1),
        )
    )
    try:
        of_all = list(server.pps.CheckStatus(pps_pb2.CheckStatusRequest(all=True)))
        of_project = list(server.pps.CheckStatus(pps_pb2.CheckStatusRequest(project=PROJECT)))
        other = pfs_pb2.Project(name="other")
        of_other = list(server.pps.CheckStatus(pps_pb2.CheckStatusRequest(project=other)))
    finally:
        server.pps.DeletePipeline(pps_pb2.DeletePipelineRequest(pipeline=slow))
    assert [it.pipeline.name for it in (*of_all, *of_project, *of_other)] == ["slow", "slow"]
    assert "default/slow: Started running at" in of_all[0].alerts[0]


def test_data_filters_are_paths_and_hashes_in_both_forms(server: Server) -> None:
    commit = pfs_pb2.Commit(repo=IN, id="master")
    root = pfs_pb2.File(commit=commit, path="/")
    hash_ = server.pfs.InspectFile(pfs_pb2.InspectFileRequest(file=root)).hash

    for name in ("/", hash_.hex(), base64.b64encode(hash_).decode()):
        assert set(server.lines(name)) == {"hello"}
    assert server.lines("/b") == []


def test_the_storage_is_counted_and_read(server: Server) -> None:
    def count(**fields: object) -> int:
        found = server.pfs.CheckStorage(pfs_pb2.CheckStorageRequest(**fields))
        return int(found.chunk_object_count)

    assert count(read_chunk_data=True) == count() > 0
    middle = b"\x80"
    assert count(chunk_end=middle) + count(chunk_begin=middle) == count()


def test_calls_that_mean_nothing_here_say_so(server: Server) -> None:
    elsewhere = "it needs a Pachyderm cluster"
    for name, reason in (
        ("pps_v2.API/QueryLoki", elsewhere),
        ("pfs_v2.API/PutCache", elsewhere),
        ("storage.Fileset/CreateFileset", "use the file sets of pfs_v2.API"),
        ("nope/nope", elsewhere),
    ):
        call = server.channel.unary_unary(f"/{name}")
        with pytest.raises(grpc.RpcError) as error:
            call(b"")
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert f"is not served by pachlocal: {reason}" in (error.value.details() or "")


def test_authentication_is_not_activated(server: Server) -> None:
    for name in ("auth_v2.API/WhoAmI", "identity_v2.API/GetIdentityServerConfig"):
        with pytest.raises(grpc.RpcError) as error:
            server.channel.unary_unary(f"/{name}")(b"")
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert error.value.details() == "the auth service is not activated"
