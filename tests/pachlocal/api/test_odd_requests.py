"""Requests that mean nothing: refused with a code and a sentence; nothing fails inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc

REPO = pfs_pb2.Repo(name="data")
COMMIT = pfs_pb2.Commit(repo=REPO, id="master")
FILE = pfs_pb2.File(commit=COMMIT, path="/")
INPUT = pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="data", glob="/*"))
TOO_LATE = 10**15  # s
MANY_DIGITS = "9" * 5000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, grpc.Channel]]:
    daemon = Daemon(tmp_path_factory.mktemp("odd") / "store")
    daemon.start()
    with grpc.insecure_channel(daemon.address) as channel:
        pfs = pfs_pb2_grpc.APIStub(channel)
        pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=REPO))
        pfs.CreateBranch(
            pfs_pb2.CreateBranchRequest(branch=pfs_pb2.Branch(repo=REPO, name="master"))
        )
        yield daemon, channel
    daemon.end()
    assert "Traceback" not in daemon.log


@pytest.fixture
def channel(server: tuple[Daemon, grpc.Channel]) -> grpc.Channel:
    return server[1]


def _later(kind: type[Message], field: str, **more: Any) -> Message:
    message = kind(**more)
    getattr(message, field).seconds = TOO_LATE
    return message


PFS = [
    ("ListFile", pfs_pb2.ListFileRequest(file=FILE, number=-1), "number must not be negative"),
    ("WalkFile", pfs_pb2.WalkFileRequest(file=FILE, number=-1), "number must not be negative"),
    ("ListCommit", pfs_pb2.ListCommitRequest(repo=REPO, number=-1), "number must not be negative"),
    ("ListCommit", pfs_pb2.ListCommitRequest(repo=REPO, origin_kind=99), "origin_kind: 99 is not"),
    ("SubscribeCommit", pfs_pb2.SubscribeCommitRequest(repo=REPO, state=-1), "state: -1 is not"),
    ("InspectCommit", pfs_pb2.InspectCommitRequest(commit=COMMIT, wait=5), "wait: 5 is not"),
]
PPS = [
    ("ListDatum", pps_pb2.ListDatumRequest(input=INPUT, number=-1), "number must not be negative"),
    ("ListJob", pps_pb2.ListJobRequest(number=-1), "number must not be negative"),
    ("ListJobSet", pps_pb2.ListJobSetRequest(number=-1), "number must not be negative"),
    ("GetLogs", pps_pb2.GetLogsRequest(tail=-1), "tail must not be negative"),
    ("GetLogs", _later(pps_pb2.GetLogsRequest, "since"), "since: Duration is not valid"),
    ("ListJob", _later(pps_pb2.ListJobRequest, "paginationMarker"), "Timestamp is not valid"),
    (
        "CreatePipeline",
        _later(pps_pb2.CreatePipelineRequest, "job_timeout"),
        "job_timeout: Duration is not valid",
    ),
    (
        "ListDatum",
        pps_pb2.ListDatumRequest(filter=pps_pb2.ListDatumRequest.Filter(state=[1, 77])),
        "filter.state: 77 is not a value of DatumState",
    ),
]


@pytest.mark.parametrize(("call", "request_", "words"), PFS, ids=[it[0] for it in PFS])
def test_a_value_that_means_nothing_is_refused_by_pfs(
    channel: grpc.Channel, call: str, request_: Message, words: str
) -> None:
    _refused(getattr(pfs_pb2_grpc.APIStub(channel), call), request_, words)


@pytest.mark.parametrize(("call", "request_", "words"), PPS, ids=[it[0] for it in PPS])
def test_a_value_that_means_nothing_is_refused_by_pps(
    channel: grpc.Channel, call: str, request_: Message, words: str
) -> None:
    _refused(getattr(pps_pb2_grpc.APIStub(channel), call), request_, words)


@pytest.mark.parametrize("body", ["start", "continue"])
def test_a_negative_number_of_datums_is_refused(channel: grpc.Channel, body: str) -> None:
    first = pps_pb2.CreateDatumRequest()
    first.start.input.CopyFrom(INPUT)
    requests = [first]
    if body == "start":
        first.start.number = -1
    else:
        pfs = pfs_pb2_grpc.APIStub(channel)
        pfs.ModifyFile(
            iter(
                [
                    pfs_pb2.ModifyFileRequest(set_commit=COMMIT),
                    pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path="/a")),
                    pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path="/b")),
                ]
            )
        )
        first.start.number = 1
        requests.append(pps_pb2.CreateDatumRequest())
        getattr(requests[-1], "continue").number = -1
    _refused(pps_pb2_grpc.APIStub(channel).CreateDatum, iter(requests), "must not be negative")


@pytest.mark.parametrize("suffix", ["^", "~", "."])
def test_an_ancestry_of_thousands_of_digits_is_refused(channel: grpc.Channel, suffix: str) -> None:
    commit = pfs_pb2.Commit(repo=REPO, id=f"master{suffix}{MANY_DIGITS}")
    request = pfs_pb2.InspectCommitRequest(commit=commit)
    _refused(pfs_pb2_grpc.APIStub(channel).InspectCommit, request, "invalid ancestry syntax")


@pytest.mark.parametrize("method", ["InspectRepo", "ModifyFile"])
def test_bytes_that_are_no_message_are_refused(channel: grpc.Channel, method: str) -> None:
    data = pfs_pb2.InspectRepoRequest(repo=pfs_pb2.Repo(name="abc")).SerializeToString()
    for broken in (data.replace(b"abc", b"\xed\xa0\x80"), data[:-1], b"\xff" * 20):
        if method == "InspectRepo":
            call = channel.unary_unary(f"/pfs_v2.API/{method}")
            _refused(call, broken, "is not a valid pfs_v2.InspectRepoRequest")
        else:
            stream = channel.stream_unary(f"/pfs_v2.API/{method}")
            _refused(stream, iter([broken]), "is not a valid pfs_v2.ModifyFileRequest")


@pytest.mark.parametrize("name", ["a" * 1_000_000, "\0", "a\nb", "\x1b[31m", "\N{LINE SEPARATOR}"])
def test_a_refusal_is_one_line_that_arrives(channel: grpc.Channel, name: str) -> None:
    request = pfs_pb2.InspectRepoRequest(repo=pfs_pb2.Repo(name=name))
    with pytest.raises(grpc.RpcError) as caught:
        pfs_pb2_grpc.APIStub(channel).InspectRepo(request)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    details = caught.value.details() or ""
    assert details.startswith("repo default/")
    assert details.endswith(" not found")
    assert details.isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 10_000, "nested"),
        (f'{{"datum_tries": {MANY_DIGITS}}}', "digits"),
        ('{"description": "\\ud800"}', "half of a character"),
        ('{"resource_limits": {"cpu": NaN}}', "NaN isn't a JSON number"),
        ('{"tolerations": [{"operator": 99}]}', "operator: 99 is not a value of Toleration"),
    ],
    ids=["depth", "digits", "surrogate", "NaN", "enum"],
)
def test_a_spec_that_can_not_be_worked_with_is_refused(
    channel: grpc.Channel, text: str, words: str
) -> None:
    spec = {"pipeline": {"name": "p"}, "transform": {"image": "i", "cmd": ["true"]}}
    if text.startswith("{"):
        text = json.dumps(spec)[:-1] + ", " + text[1:]
    request = pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=text)
    _refused(pps_pb2_grpc.APIStub(channel).CreatePipelineV2, request, words)


@pytest.mark.parametrize(
    "url",
    [
        "http://[",
        "http://" + "." * 100 + "/",
        "http://" + "a" * 100 + ".invalid/",
        "http://127.0.0.1:port/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:1/\r\nHost: x",
        "http://127.0.0.1:1/é",
        "http:///",
        "file:///a\0b",
        "file://[::1",
        "descriptor:",
        ":",
        "",
    ],
)
def test_a_url_that_is_none_is_refused(channel: grpc.Channel, url: str) -> None:
    add = pfs_pb2.AddFile(path="/a", url=pfs_pb2.AddFile.URLSource(URL=url))
    requests = [
        pfs_pb2.ModifyFileRequest(set_commit=COMMIT),
        pfs_pb2.ModifyFileRequest(add_file=add),
    ]
    with pytest.raises(grpc.RpcError) as caught:
        pfs_pb2_grpc.APIStub(channel).ModifyFile(iter(requests), timeout=20)
    assert caught.value.code() in {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNIMPLEMENTED,
    }


def test_repos_of_pipelines_go_with_their_pipelines_only(channel: grpc.Channel) -> None:
    pfs, pps = pfs_pb2_grpc.APIStub(channel), pps_pb2_grpc.APIStub(channel)
    transform = pps_pb2.Transform(image="any", cmd=["true"])
    pipeline = pps_pb2.Pipeline(name="p")
    pps.CreatePipeline(
        pps_pb2.CreatePipelineRequest(pipeline=pipeline, transform=transform, input=INPUT)
    )
    project = pfs_pb2.DeleteProjectRequest(project=pfs_pb2.Project(name="default"), force=True)
    for call, request in ((pfs.DeleteProject, project), (pfs.DeleteAll, Empty())):
        with pytest.raises(grpc.RpcError, match="associated with a pipeline") as caught:
            call(request)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    pps.DeletePipeline(pps_pb2.DeletePipelineRequest(pipeline=pipeline))


def _refused(call: Any, request: object, words: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        _answers(call(request, timeout=20))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, caught.value
    assert words in caught.value.details()


def _answers(answer: Any) -> list[Any]:
    return list(answer) if hasattr(answer, "__next__") else [answer]


@pytest.mark.parametrize(
    "call",
    [
        "grpc.health.v1.Health/Check",
        "grpc.health.v1.Health/Watch",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ],
)
def test_so_they_are_in_calls_of_grpcs_own_services(channel: grpc.Channel, call: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        list(channel.stream_stream(f"/{call}")(iter([b"\xff\xff"]), timeout=20))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "is not a valid" in refused.value.details()
