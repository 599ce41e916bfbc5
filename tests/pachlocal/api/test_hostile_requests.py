"""Requests that would keep the daemon busy for ever, or fill it: it answers them, and others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from walkthrough.machine import Daemon

from pachlocal.api.pps.specs import MAX_BYTES, MAX_VALUES
from pachlocal.pps.spec.inputs import MAX_INPUTS
from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc, version_pb2_grpc

REPO = pfs_pb2.Repo(name="data")
COMMIT = pfs_pb2.Commit(repo=REPO, id="master")
NAME = "/" + "a" * 120
SLOW_GLOBS = ["/*a*a*a*a*a*a*a*a*b", "/+(+(a))b", "/!(*a*a*a*a*a*a*a*a*b)b"]
TIMEOUT_S = 30  # such a call takes milliseconds; without an end it takes hours


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    daemon = Daemon(tmp_path_factory.mktemp("hostile") / "store")
    daemon.start()
    with grpc.insecure_channel(daemon.address) as channel:
        pfs = pfs_pb2_grpc.APIStub(channel)
        pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=REPO))
        put(pfs, NAME)
        yield channel
    daemon.end()
    assert "Traceback" not in daemon.log


def put(pfs: pfs_pb2_grpc.APIStub, *paths: str) -> None:
    messages = [pfs_pb2.ModifyFileRequest(set_commit=COMMIT)]
    messages += [
        pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path=path, raw={"value": b"1"}))
        for path in paths
    ]
    pfs.ModifyFile(iter(messages))


def is_alive(channel: grpc.Channel) -> bool:
    return bool(version_pb2_grpc.APIStub(channel).GetVersion(Empty(), timeout=TIMEOUT_S).major)


def refusal(call: Any, request: Any) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        list(answer) if isinstance(answer := call(request, timeout=TIMEOUT_S), Iterator) else answer
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return str(caught.value.details())


def pfs_input(glob: str, **more: str) -> pps_pb2.Input:
    return pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="data", glob=glob, **more))


def spec(**more: Any) -> dict[str, Any]:
    return {
        "pipeline": {"name": "p"},
        "transform": {"image": "x", "cmd": ["true"]},
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
        **more,
    }


# --- patterns -------------------------------------------------------------------------------------


@pytest.mark.parametrize("glob", SLOW_GLOBS)
def test_no_pattern_holds_up_its_call_or_another(channel: grpc.Channel, glob: str) -> None:
    pfs, pps = pfs_pb2_grpc.APIStub(channel), pps_pb2_grpc.APIStub(channel)
    pattern = pfs_pb2.GlobFileRequest(commit=COMMIT, pattern=glob)
    tar = pfs_pb2.GetFileRequest(file=pfs_pb2.File(commit=COMMIT, path=glob))
    preview = pps_pb2.ListDatumRequest(
        input=pps_pb2.Input(join=[pfs_input(f"/({glob[1:]})", join_on="$1")])
    )
    with ThreadPoolExecutor() as pool:
        found = pool.submit(lambda: list(pfs.GlobFile(pattern, timeout=TIMEOUT_S)))
        datums = pool.submit(lambda: list(pps.ListDatum(preview, timeout=TIMEOUT_S)))
        whole = pool.submit(lambda: list(pfs.GetFileTAR(tar, timeout=TIMEOUT_S)))
        assert is_alive(channel)
        assert (found.result(), datums.result()) == ([], [])
        with pytest.raises(grpc.RpcError, match="not found"):
            whole.result()


def test_a_pattern_that_is_too_long_is_refused_by_every_call(channel: grpc.Channel) -> None:
    pfs, pps = pfs_pb2_grpc.APIStub(channel), pps_pb2_grpc.APIStub(channel)
    long = "/*" + "a" * 1_000_000
    file = pfs_pb2.File(commit=COMMIT, path=long)
    for call, request in (
        (pfs.GlobFile, pfs_pb2.GlobFileRequest(commit=COMMIT, pattern=long)),
        (pfs.GetFile, pfs_pb2.GetFileRequest(file=file)),
        (pfs.GetFileTAR, pfs_pb2.GetFileRequest(file=file)),
        (pps.ListDatum, pps_pb2.ListDatumRequest(input=pfs_input(long))),
        (pps.CreatePipelineV2, pipeline(spec(input={"pfs": {"repo": "data", "glob": long}}))),
    ):
        assert "1000002 characters" in refusal(call, request)


def test_a_key_of_a_group_that_is_not_there_is_refused_when_it_is_asked_for(
    channel: grpc.Channel,
) -> None:
    pps = pps_pb2_grpc.APIStub(channel)
    for field in ("join_on", "group_by"):
        wrong = pfs_input("/(*)", **{field: "$2"})
        details = refusal(pps.ListDatum, pps_pb2.ListDatumRequest(input=wrong))
        assert details == f"input.pfs.{field}: '$2' asks for capture group 2, and glob /(*) has 1"


@pytest.mark.timeout(180)
def test_no_pattern_bricks_a_store(daemon: Daemon) -> None:
    with grpc.insecure_channel(daemon.address) as channel:
        pfs, pps = pfs_pb2_grpc.APIStub(channel), pps_pb2_grpc.APIStub(channel)
        pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=REPO))
        put(pfs, NAME)
        for number, glob in enumerate(SLOW_GLOBS):
            wanted = spec(
                pipeline={"name": f"p{number}"}, input={"pfs": {"repo": "data", "glob": glob}}
            )
            pps.CreatePipelineV2(pipeline(wanted), timeout=TIMEOUT_S)
    daemon.run("pachlocal", "down", "--root", str(daemon.root))
    assert not daemon.runs()
    daemon.start()
    assert (
        len(json.loads("[" + daemon.pachctl("list", "job", "--raw").replace("}\n{", "},{") + "]"))
        == 3
    )
    daemon.pachctl("delete", "pipeline", "--all")


# --- specs ----------------------------------------------------------------------------------------


def pipeline(spec: dict[str, Any]) -> pps_pb2.CreatePipelineV2Request:
    return pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=json.dumps(spec))


def large_input(number: int) -> pps_pb2.Input:
    return pps_pb2.Input(union=[pfs_input("/*")] * number)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"description": "x" * 15_000_000}, f"bytes, and the maximum is {MAX_BYTES:,}"),
        ({"input": {"union": [{"pfs": {"repo": "data", "glob": "/"}}] * 100_000}}, "bytes, and"),
        (
            {"input": {"union": [{"pfs": {"repo": "data", "glob": "/"}}] * 8000}},
            f"{MAX_INPUTS} inputs",
        ),
        (
            {"metadata": {"labels": {f"l{number}": "" for number in range(60_000)}}},
            f"the maximum is {MAX_VALUES:,}",
        ),
        ({"resource_limits": {"memory": "9" * 500_000}}, "is not an amount"),
        ({"input": {"cron": {"name": "c", "spec": "@every " + "9" * 400 + "h"}}}, "292 years"),
        ({"input": {"cron": {"name": "c", "spec": "0 0 32 2 *"}}}, "bad day-of-month"),
        (
            {"input": {"pfs": {"repo": "data", "glob": "/*", "trigger": {"size": "9" * 400}}}},
            "invalid trigger size",
        ),
    ],
    ids=["bytes", "many inputs", "inputs", "values", "digits", "long pause", "February 32", "size"],
)
def test_a_spec_that_is_too_much_is_refused(
    channel: grpc.Channel, fields: dict[str, Any], message: str
) -> None:
    pps = pps_pb2_grpc.APIStub(channel)
    assert message in refusal(pps.CreatePipelineV2, pipeline(spec(**fields)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"transform": pps_pb2.Transform(image="x", cmd=["true"], stdin=[""] * 500_000)}, "values"),
        ({"description": "x" * 15_000_000}, "bytes"),
        ({"input": large_input(100_000)}, "bytes"),
        ({"input": large_input(8000)}, f"more than {MAX_INPUTS} inputs"),
    ],
    ids=["values", "bytes", "many inputs", "inputs"],
)
def test_a_message_that_is_too_much_is_refused(
    channel: grpc.Channel, fields: dict[str, Any], message: str
) -> None:
    pps = pps_pb2_grpc.APIStub(channel)
    fields = {
        "pipeline": pps_pb2.Pipeline(name="p"),
        "transform": pps_pb2.Transform(image="x", cmd=["true"]),
        "input": pfs_input("/*"),
        **fields,
    }
    assert message in refusal(pps.CreatePipeline, pps_pb2.CreatePipelineRequest(**fields))
    if "input" in message:
        assert message in refusal(pps.ListDatum, pps_pb2.ListDatumRequest(input=fields["input"]))
        start = pps_pb2.StartCreateDatumRequest(input=fields["input"])
        requests = iter([pps_pb2.CreateDatumRequest(start=start)])
        assert message in refusal(pps.CreateDatum, requests)


def test_a_filter_takes_no_time(channel: grpc.Channel) -> None:
    pps = pps_pb2_grpc.APIStub(channel)
    every = pps_pb2.ListPipelineRequest(jqFilter=" " * 1_000_000)
    assert list(pps.ListPipeline(every, timeout=TIMEOUT_S)) == []
    for jq in ("(" + " " * 1_000_000 + ")", '.state == "JOB_' + " or " * 100_000):
        with pytest.raises(grpc.RpcError, match="error parsing jq filter"):
            list(pps.ListPipeline(pps_pb2.ListPipelineRequest(jqFilter=jq), timeout=TIMEOUT_S))


def test_time_limits_that_nobody_lives_to_see_are_none(channel: grpc.Channel) -> None:
    pps = pps_pb2_grpc.APIStub(channel)
    limits = {"datum_timeout": "315576000000s", "job_timeout": "315576000000s"}
    pps.CreatePipelineV2(pipeline(spec(**limits)))
    job = next(pps.ListJob(pps_pb2.ListJobRequest(pipeline=pps_pb2.Pipeline(name="p")))).job
    ended = pps.InspectJob(pps_pb2.InspectJobRequest(job=job, wait=True), timeout=TIMEOUT_S)
    assert (ended.state, ended.reason) == (pps_pb2.JOB_SUCCESS, "")
    pps.DeletePipeline(pps_pb2.DeletePipelineRequest(pipeline=pps_pb2.Pipeline(name="p")))
