"""What grows: the cost of a commit must follow what changed, not what the repo holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

from google.protobuf.wrappers_pb2 import BytesValue

from bench.harness import Client, Measurement, branch, client, daemon, note, repo, seconds
from pachlocal.proto import local_pb2, pfs_pb2

SMALL, LARGE = 1_000, 100_000
COMMITS = 2_000
_TIMES = 300


def measure() -> Iterator[Measurement]:
    """Compare a repo of 100,000 files with one of 1,000, and late commits with early ones."""
    with daemon() as server, client(server) as stubs:
        for number, name in ((SMALL, "small"), (LARGE, "large")):
            note(f"filling a repo with {number} files")
            stubs.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo(name)))
            _fill(stubs, name, number)
        for what, action in _ACTIONS.items():
            taken: dict[str, list[float]] = {"small": [], "large": []}
            for _ in range(_TIMES):  # by turns
                for name, times in taken.items():
                    times.append(seconds(partial(action, stubs, name)))
            small, large = (median(times) * 1e3 for times in taken.values())
            yield Measurement(f"{what}, of 100,000", large, small, "of 1,000", "ms", 1.2)
        note(f"making {COMMITS} commits")
        stubs.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo("long")))
        all_taken = [seconds(lambda: _add_one(stubs, "long")) for _ in range(COMMITS)]
        early, late = median(all_taken[100:300]), median(all_taken[-200:])
        yield Measurement(
            f"commits {COMMITS - 200} to {COMMITS}",
            late * 1e3,
            early * 1e3,
            "100 to 300",
            "ms",
            1.2,
        )


def _fill(stubs: Client, name: str, number: int) -> None:
    """Put files into one folder, and a few into another."""
    requests = [pfs_pb2.ModifyFileRequest(set_commit=branch(name))]
    requests += [_add(f"/data/f{index:06d}", b"%016d" % index) for index in range(number)]
    requests += [_add(f"/few/f{index}", b"few") for index in range(20)]
    batches = (requests[start : start + 1000] for start in range(0, len(requests), 1000))
    stubs.local.ModifyFiles(local_pb2.ModifyFilesRequest(requests=batch) for batch in batches)


def _add(path: str, data: bytes) -> pfs_pb2.ModifyFileRequest:
    return pfs_pb2.ModifyFileRequest(
        add_file=pfs_pb2.AddFile(path=path, raw=BytesValue(value=data))
    )


_counter = iter(range(10**9))


def _add_one(stubs: Client, name: str) -> None:
    requests = [
        pfs_pb2.ModifyFileRequest(set_commit=branch(name)),
        _add(f"/data/g{next(_counter):09d}", b"one"),
    ]
    stubs.pfs.ModifyFile(iter(requests))


def _list_few(stubs: Client, name: str) -> None:
    file = pfs_pb2.File(commit=branch(name), path="/few")
    assert len(list(stubs.pfs.ListFile(pfs_pb2.ListFileRequest(file=file)))) == 20  # noqa: S101


def _diff(stubs: Client, name: str) -> None:
    file = pfs_pb2.File(commit=branch(name), path="/")
    assert list(stubs.pfs.DiffFile(pfs_pb2.DiffFileRequest(new_file=file)))  # noqa: S101


_ACTIONS: dict[str, Callable[[Client, str], None]] = {
    "one file more": _add_one,
    "a small folder listed": _list_few,
    "two neighbouring commits compared": _diff,
}
