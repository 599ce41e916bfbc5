"""Debug archives can be unpacked and hold what they promise."""

from __future__ import annotations

import io
import tarfile

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from pachlocal.proto import debug_pb2, debug_pb2_grpc, pfs_pb2, pfs_pb2_grpc


def unpacked(archive: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read().decode() for member in tar}


@pytest.fixture
def debug(channel: grpc.Channel) -> debug_pb2_grpc.DebugStub:
    return debug_pb2_grpc.DebugStub(channel)


def test_a_dump_of_everything_says_what_the_store_holds(
    channel: grpc.Channel, debug: debug_pb2_grpc.DebugStub
) -> None:
    repo = pfs_pb2.Repo(name="a")
    pfs = pfs_pb2_grpc.APIStub(channel)
    pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo))
    pfs.CreateBranch(pfs_pb2.CreateBranchRequest(branch=pfs_pb2.Branch(repo=repo, name="master")))
    template = debug.GetDumpV2Template(debug_pb2.GetDumpV2TemplateRequest())
    chunks = list(debug.DumpV2(template.request))

    files = unpacked(b"".join(chunk.content.content for chunk in chunks))
    commits = "source-repos/default/a/commits.json"
    assert set(files) == {"version.txt", "database.json", commits}
    assert '"repos": 1' in files["database.json"]
    assert '"name": "a"' in files[commits]
    progress = [chunk.progress for chunk in chunks if chunk.HasField("progress")]
    assert [(one.progress, one.total) for one in progress] == [(1, 3), (2, 3), (3, 3)]
    assert chunks[0].HasField("progress")


@pytest.mark.parametrize("name", ["cpu", "goroutine"])
def test_a_profile_names_functions(debug: debug_pb2_grpc.DebugStub, name: str) -> None:
    profile = debug_pb2.Profile(name=name, duration=Duration(nanos=50_000_000))
    archive = b"".join(
        piece.value for piece in debug.Profile(debug_pb2.ProfileRequest(profile=profile))
    )
    assert "call_threads" in unpacked(archive)[f"pachlocal/{name}.txt"]  # of the pool that answers


def test_other_profiles_are_refused(debug: debug_pb2_grpc.DebugStub) -> None:
    profile = debug_pb2.Profile(name="heap")
    with pytest.raises(grpc.RpcError, match="no profile 'heap'"):
        list(debug.Profile(debug_pb2.ProfileRequest(profile=profile)))


def test_the_program_is_the_package(debug: debug_pb2_grpc.DebugStub) -> None:
    archive = b"".join(piece.value for piece in debug.Binary(debug_pb2.BinaryRequest()))
    assert "def main" in unpacked(archive)["pachlocal/daemon.py"]
