"""The HTTP front beside gRPC: a large file down, a long listing, and what it takes when idle."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.harness import Client, Measurement, client, daemon, note, seconds
from pachlocal.proto import pfs_pb2

SIZE = 1 << 30
FILES = 10_000
_PIECE = 1 << 20
_TIMES = 3


def measure() -> Iterator[Measurement]:
    """Compare both ways to the same daemon, by turns; the quickest of each counts."""
    with daemon(console=True) as server, client(server) as direct:
        note("putting 1 GiB and 10,000 files")
        _fill(direct)
        about = json.loads((server.root / "console.json").read_text())
        http_down, grpc_down, http_list, grpc_list = [], [], [], []
        for _ in range(_TIMES):
            grpc_down.append(seconds(lambda: _get(direct)))
            http_down.append(seconds(lambda: _get_http(about["link"])))
            grpc_list.append(seconds(lambda: _list(direct)))
            http_list.append(seconds(lambda: _list_http(about["link"])))
        speed = SIZE / 1e6
        yield Measurement(
            *("1 GiB by HTTP", speed / min(http_down), speed / min(grpc_down)),
            *("GetFile", "MB/s", 0.5, True),
        )
        yield Measurement(
            *("10,000 files as JSON", FILES / min(http_list), FILES / min(grpc_list)),
            *("ListFile", "files/s", 0.3, True),
        )
    with daemon(console=True) as server:
        about = json.loads((server.root / "console.json").read_text())
        _ask(about["link"], "GET", "/healthz")  # it has started
        status = Path(f"/proc/{about['pid']}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        yield Measurement(
            "memory of the idle HTTP front", int(line.split()[1]) / 1000, 80, "goal", "MB", 1
        )


def _fill(direct: Client) -> None:
    repo = pfs_pb2.Repo(name="data", type="user", project=pfs_pb2.Project(name="default"))
    direct.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo))

    def changes() -> Iterator[pfs_pb2.ModifyFileRequest]:
        yield pfs_pb2.ModifyFileRequest(set_commit=_commit())
        piece = bytes(range(256)) * (_PIECE // 256)
        for number in range(SIZE // _PIECE):
            yield _add("/large", number.to_bytes(8, "big") + piece[8:])
        for number in range(FILES):
            yield _add(f"/many/{number:05}", b"1")

    direct.pfs.ModifyFile(changes())


def _add(path: str, content: bytes) -> pfs_pb2.ModifyFileRequest:
    added = pfs_pb2.AddFile(path=path)
    added.raw.value = content
    return pfs_pb2.ModifyFileRequest(add_file=added)


def _commit() -> pfs_pb2.Commit:
    repo = pfs_pb2.Repo(name="data", type="user", project=pfs_pb2.Project(name="default"))
    return pfs_pb2.Commit(repo=repo, branch=pfs_pb2.Branch(repo=repo, name="master"))


def _file(path: str) -> pfs_pb2.File:
    return pfs_pb2.File(commit=_commit(), path=path)


def _get(direct: Client) -> None:
    request = pfs_pb2.GetFileRequest(file=_file("/large"))
    _check(sum(len(message.value) for message in direct.pfs.GetFile(request)), SIZE)


def _get_http(link: str) -> None:
    _check(_ask(link, "GET", "/pfs/default/data/master/large"), SIZE)


def _list(direct: Client) -> None:
    request = pfs_pb2.ListFileRequest(file=_file("/many"))
    _check(sum(1 for _ in direct.pfs.ListFile(request)), FILES)


def _list_http(link: str) -> None:
    repo = {"name": "data", "type": "user", "project": {"name": "default"}}
    commit = {"repo": repo, "branch": {"name": "master", "repo": repo}}
    body = json.dumps({"file": {"commit": commit, "path": "/many"}})
    size = _ask(link, "POST", "/api/pfs_v2.API/ListFile", body)
    _check(size > 100 * FILES, True)


def _ask(link: str, method: str, path: str, body: str | None = None) -> int:
    """Make a request; return how long the answer is."""
    parts = urlsplit(link)
    connection = http.client.HTTPConnection(parts.netloc)
    token = parse_qs(parts.query)["token"][0]
    connection.request(method, path, body, {"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    _check(answer.status, 200)
    buffer, size = bytearray(_PIECE), 0
    while count := answer.readinto(buffer):
        size += count
    connection.close()
    return size


def _check(found: int, wanted: int) -> None:
    if found != wanted:
        raise RuntimeError(f"{found} came instead of {wanted}")
