"""A load as upstream's load tests make it: 3 commits of 5 streams of 10,000 files, read back.

The sizes are those of the public profile: files of 100 B to 1 KB, at random from a seed.
"""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
from collections.abc import Iterator

from google.protobuf.wrappers_pb2 import BytesValue

from bench.harness import Client, Measurement, branch, client, daemon, note, repo, seconds
from pachlocal.proto import local_pb2, pfs_pb2

COMMITS, STREAMS, FILES = 3, 5, 10_000
SEED = 1936
_BATCH = 1_000


def measure() -> Iterator[Measurement]:
    """Compare reading everything back, validated, with writing it."""
    with daemon() as server, client(server) as stubs:
        stubs.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo("load")))
        written: dict[str, bytes] = {}
        draw = random.Random(SEED)  # noqa: S311 - no secret
        note(f"writing {COMMITS} commits of {STREAMS} streams of {FILES} files")
        put = seconds(lambda: _write_all(stubs, draw, written))
        note("reading all back")
        read = seconds(lambda: _check_all(stubs, written))
        yield Measurement("150,000 files read back whole", read, put, "written", "s", 10)
        yield Measurement(
            "memory, 150,000 files put and got", server.peak_memory_mb(), 150, "goal", "MB", 1
        )


def _write_all(stubs: Client, draw: random.Random, written: dict[str, bytes]) -> None:
    for commit in range(COMMITS):
        start = pfs_pb2.StartCommitRequest(branch=pfs_pb2.Branch(repo=repo("load"), name="master"))
        opened = stubs.pfs.StartCommit(start)
        for stream in range(STREAMS):
            _write(stubs, f"/c{commit}/s{stream}", draw, written)
        stubs.pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=opened))


def _write(stubs: Client, folder: str, draw: random.Random, written: dict[str, bytes]) -> None:
    requests = [pfs_pb2.ModifyFileRequest(set_commit=branch("load"))]
    for number in range(FILES):
        data = draw.randbytes(draw.randrange(100, 1000))
        path = f"{folder}/f{number:05d}"
        written[path] = hashlib.sha256(data).digest()
        added = pfs_pb2.AddFile(path=path, raw=BytesValue(value=data))
        requests.append(pfs_pb2.ModifyFileRequest(add_file=added))
    stubs.local.ModifyFiles(
        local_pb2.ModifyFilesRequest(requests=requests[start : start + _BATCH])
        for start in range(0, len(requests), _BATCH)
    )


def _check_all(stubs: Client, written: dict[str, bytes]) -> None:
    """Read every file, as one archive a folder, and compare it with what was written.

    Raises:
        ValueError: Something is missing, or isn't what was written.
    """
    found: dict[str, bytes] = {}
    for commit in range(COMMITS):
        for stream in range(STREAMS):
            found.update(_read(stubs, f"/c{commit}/s{stream}"))
    if found != written:
        raise ValueError(f"{len(written)} files were written, and not the same read back")


def _read(stubs: Client, folder: str) -> Iterator[tuple[str, bytes]]:
    file = pfs_pb2.File(commit=branch("load"), path=folder)
    stream = b"".join(
        piece.value for piece in stubs.pfs.GetFileTAR(pfs_pb2.GetFileRequest(file=file))
    )
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                yield "/" + member.name.lstrip("/"), hashlib.sha256(content.read()).digest()
