"""Datums page by page: of a job, and of an input that no pipeline has."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import grpc
import pytest
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc

FILES = [f"/{number}" for number in range(7)]


class Lists(NamedTuple):
    """Datums of a job, and the same datums of its input.

    Attributes:
        pps: What lists them.
        job: The job.
        input: The input.
    """

    pps: pps_pb2_grpc.APIStub
    job: pps_pb2.Job
    input: pps_pb2.Input

    def of_job(self, **fields: Any) -> list[pps_pb2.DatumInfo]:
        return list(self.pps.ListDatum(pps_pb2.ListDatumRequest(job=self.job, **fields)))

    def of_input(self, **fields: Any) -> list[pps_pb2.DatumInfo]:
        fields.setdefault("input", self.input)
        return list(self.pps.ListDatum(pps_pb2.ListDatumRequest(**fields)))


Listing = Callable[..., list[pps_pb2.DatumInfo]]


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lists]:
    daemon = Daemon(tmp_path_factory.mktemp("pages") / "store")
    daemon.start()
    try:
        with grpc.insecure_channel(daemon.address) as channel:
            yield prepare(channel)
    finally:
        daemon.end()


def prepare(channel: grpc.Channel) -> Lists:
    pfs, pps = pfs_pb2_grpc.APIStub(channel), pps_pb2_grpc.APIStub(channel)
    repo = pfs_pb2.Repo(name="a")
    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo))
    commit = pfs_pb2.Commit(repo=repo, id="master")
    messages = [pfs_pb2.ModifyFileRequest(set_commit=commit)]
    messages += [pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path=path)) for path in FILES]
    pfs.ModifyFile(iter(messages))
    input_ = pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="a", glob="/*"))
    pipeline = pps_pb2.Pipeline(name="p")
    pps.CreatePipeline(
        pps_pb2.CreatePipelineRequest(
            pipeline=pipeline,
            transform=pps_pb2.Transform(image="alpine", cmd=["true"]),
            input=input_,
        )
    )
    (info,) = pps.ListJob(pps_pb2.ListJobRequest(pipeline=pipeline))
    pps.InspectJob(pps_pb2.InspectJobRequest(job=info.job, wait=True))
    return Lists(pps, info.job, input_)


@pytest.fixture(params=["of_job", "of_input"])
def listing(lists: Lists, request: pytest.FixtureRequest) -> Listing:
    found: Listing = getattr(lists, request.param)
    return found


@pytest.fixture
def files(lists: Lists, listing: Listing) -> list[str]:
    """The paths in the order in which they are listed: a job's by the IDs of their datums."""
    return sorted(FILES, key=real_id) if listing == lists.of_job else FILES


def real_id(path: str) -> str:
    """What Pachyderm calls the datum of one file of the input."""
    parts = (b"a", b"a", b"master", path.encode())
    whole = b"".join(part + struct.pack(">q", len(part)) for part in parts)
    return hashlib.blake2b(whole, digest_size=32).hexdigest()


def paths(datums: list[pps_pb2.DatumInfo]) -> list[str]:
    return [datum.data[0].file.path for datum in datums]


@pytest.mark.parametrize("reverse", [False, True])
def test_pages_have_all_datums_once(listing: Listing, files: list[str], reverse: bool) -> None:
    pages = [listing(number=3, reverse=reverse)]
    while pages[-1]:
        marker = pages[-1][-1].datum.id
        pages.append(listing(number=3, reverse=reverse, paginationMarker=marker))
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    found = [path for page in pages for path in paths(page)]
    assert found == (files[::-1] if reverse else files)


def test_all_that_comes_after_a_marker(listing: Listing, files: list[str]) -> None:
    third = listing(number=3)[-1].datum.id
    assert paths(listing(paginationMarker=third)) == files[3:]


def test_a_filter_by_state(lists: Lists, listing: Listing, files: list[str]) -> None:
    """Those of an input have no state yet."""
    state = pps_pb2.SUCCESS if listing == lists.of_job else pps_pb2.DatumState.UNKNOWN
    for wanted in pps_pb2.DatumState.values():
        found = listing(filter=pps_pb2.ListDatumRequest.Filter(state=[wanted]))
        assert paths(found) == (files if wanted == state else [])


def test_datums_have_the_ids_of_a_real_server(listing: Listing) -> None:
    assert {datum.data[0].file.path: datum.datum.id for datum in listing()} == {
        path: real_id(path) for path in FILES
    }


def test_a_marker_that_is_no_datum(listing: Listing) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        listing(paginationMarker="00" * 32)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_the_last_ones_need_a_number(listing: Listing) -> None:
    with pytest.raises(grpc.RpcError, match="number must be > 0 when reverse is set"):
        listing(reverse=True)


def test_a_job_and_an_input_are_not_asked_for_at_once(lists: Lists) -> None:
    with pytest.raises(grpc.RpcError, match="cannot specify both job and input"):
        lists.of_job(input=lists.input)


def test_an_input_without_a_glob_is_the_root(lists: Lists) -> None:
    bare = pps_pb2.Input(pfs=pps_pb2.PFSInput(repo="a"))
    assert paths(lists.of_input(input=bare)) == ["/"]
    cross = pps_pb2.Input(cross=[lists.input, bare])
    cross.cross[1].pfs.name = "whole"
    assert paths(lists.of_input(input=cross)) == FILES


def test_what_two_arms_of_a_union_give_is_one_datum(lists: Lists) -> None:
    union = pps_pb2.Input(union=[lists.input, lists.input])
    assert paths(lists.of_input(input=union)) == FILES
