"""A load of puts, commits, deletes and branches on one repo, and what it was promised.

The load knows what was acknowledged. The call that was under way when the daemon died may have
happened or not; everything else must be there.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import grpc
from google.protobuf.wrappers_pb2 import BytesValue

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

_PROJECT = pfs_pb2.Project(name="default")
_BRANCHES = ("master", "left", "right")
_COPY = "copy"  # moved from commit to commit, and never written to
_SIZES = (0, 1, 100, 5_000, 70_000, 300_000, 2_500_000)  # bytes; the last ones become files
_CONTENTS = 5  # of each size that come again and again

GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)  # the daemon is

Files = dict[str, bytes]


@dataclass
class Load:
    """Calls a daemon at random, and remembers.

    Attributes:
        seed: Where the randomness begins.
        repo: The repo.
        branches: What each branch holds, by what was acknowledged.
        under_way: What a branch holds if the call that was not answered has happened.
        finished: What commits with a known ID hold.
        open: The ID of the commit that is open on a branch.
    """

    seed: int
    repo: str = "data"
    branches: dict[str, Files] = field(default_factory=dict)
    under_way: tuple[str, Files] | None = None
    finished: dict[str, Files] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)
    opening: str | None = None
    closing: str | None = None

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - no secret
        self._repo = pfs_pb2.Repo(name=self.repo, type="user", project=_PROJECT)

    def create(self, pfs: pfs_pb2_grpc.APIStub, *, update: bool = False) -> None:
        """Make the repo; with `update` it may be there."""
        pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=self._repo, update=update))

    def run(self, pfs: pfs_pb2_grpc.APIStub) -> int:
        """Make calls until the daemon is gone; return how many were acknowledged."""
        acknowledged = 0
        while True:
            try:
                self._call(pfs)
            except grpc.RpcError as error:
                assert error.code() in GONE, error  # noqa: PT017 - anything else is a refusal
                return acknowledged
            acknowledged += 1

    def _call(self, pfs: pfs_pb2_grpc.APIStub) -> None:
        branch = self._random.choice(_BRANCHES)
        kind = self._random.choice(("put", "put", "put", "delete", "start", "finish", "branch"))
        if kind == "branch" and self.finished:
            self._branch(pfs)
        elif kind == "start" and branch not in self.open:
            self._start(pfs, branch)
        elif kind == "finish" and branch in self.open:
            self._finish(pfs, branch)
        else:
            self._modify(pfs, branch, delete=kind == "delete")

    def _start(self, pfs: pfs_pb2_grpc.APIStub, branch: str) -> None:
        self.opening = branch
        request = pfs_pb2.StartCommitRequest(branch=pfs_pb2.Branch(repo=self._repo, name=branch))
        self.open[branch] = pfs.StartCommit(request).id
        self.branches.setdefault(branch, {})
        self.opening = None

    def _finish(self, pfs: pfs_pb2_grpc.APIStub, branch: str) -> None:
        self.closing = branch
        commit = pfs_pb2.Commit(repo=self._repo, id=self.open[branch])
        pfs.FinishCommit(pfs_pb2.FinishCommitRequest(commit=commit))
        self.finished[self.open.pop(branch)] = dict(self.branches[branch])
        self.closing = None

    def _branch(self, pfs: pfs_pb2_grpc.APIStub) -> None:
        """Point a branch at some finished commit."""
        id_, files = self._random.choice(list(self.finished.items()))
        self.under_way = (_COPY, files)
        pfs.CreateBranch(
            pfs_pb2.CreateBranchRequest(
                branch=pfs_pb2.Branch(repo=self._repo, name=_COPY),
                head=pfs_pb2.Commit(repo=self._repo, id=id_),
            )
        )
        self.branches[_COPY] = files
        self.under_way = None

    def _modify(self, pfs: pfs_pb2_grpc.APIStub, branch: str, *, delete: bool) -> None:
        after = dict(self.branches.get(branch, {}))
        requests = [
            pfs_pb2.ModifyFileRequest(set_commit=pfs_pb2.Commit(repo=self._repo, id=branch))
        ]
        for path in self._random.sample([f"/d{n % 3}/f{n}" for n in range(12)], 3):
            requests.append(pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=path)))
            after.pop(path, None)
            if not delete:
                data = content(self._random)
                add = pfs_pb2.AddFile(path=path, raw=BytesValue(value=data))
                requests.append(pfs_pb2.ModifyFileRequest(add_file=add))
                after[path] = data
        self.under_way = (branch, after)
        pfs.ModifyFile(iter(requests))
        self.branches[branch] = after
        self.under_way = None
        if branch not in self.open:
            head = pfs.InspectCommit(
                pfs_pb2.InspectCommitRequest(commit=pfs_pb2.Commit(repo=self._repo, id=branch))
            )
            self.finished[head.commit.id] = dict(after)

    def check(self, pfs: pfs_pb2_grpc.APIStub) -> None:
        """Read everything back, and take note of what the unanswered call has done."""
        for id_, files in self._some_finished():
            assert self._read(pfs, id_) == files, f"commit {id_} has changed"
        for branch, files in list(self.branches.items()):
            held = self._read(pfs, branch)
            if held != files:
                assert self.under_way is not None, f"branch {branch} lost what was acknowledged"
                assert (branch, held) == self.under_way, f"branch {branch} is neither old nor new"
                self.branches[branch] = held
        self._settle(pfs)

    def _settle(self, pfs: pfs_pb2_grpc.APIStub) -> None:
        """Find out which commits are open now."""
        heads = {
            info.branch.name: info.head
            for info in pfs.ListBranch(pfs_pb2.ListBranchRequest(repo=self._repo))
        }
        for branch, head in heads.items():
            info = pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=head))
            is_open = not info.HasField("finished")
            if branch in self.open and not is_open:
                assert self.closing == branch, f"{branch} was finished by nobody"
                self.finished[self.open.pop(branch)] = dict(self.branches[branch])
            elif is_open and branch not in self.open:
                assert self.opening == branch, f"{branch} was opened by nobody"
                self.open[branch] = head.id
            if branch not in self.branches:
                self.branches[branch] = self._read(pfs, branch)
        self.under_way = self.opening = self.closing = None

    def _some_finished(self) -> list[tuple[str, Files]]:
        """Return the newest finished commits, and some of the older ones."""
        items = list(self.finished.items())
        old = items[:-3]
        return items[-3:] + self._random.sample(old, min(3, len(old)))

    def _read(self, pfs: pfs_pb2_grpc.APIStub, commit: str) -> Files:
        return read(pfs, pfs_pb2.Commit(repo=self._repo, id=commit))


def content(chance: random.Random) -> bytes:
    """Return what is put into a file: half of the time something that others have put, too."""
    size = chance.choice(_SIZES)
    number = chance.randrange(_CONTENTS) if chance.random() < 0.5 else chance.getrandbits(64)
    return random.Random(number).randbytes(size)  # noqa: S311 - no secret


def read(pfs: pfs_pb2_grpc.APIStub, commit: pfs_pb2.Commit) -> Files:
    """Return all files of a commit, whole."""
    root = pfs_pb2.File(commit=commit, path="/")
    files = {}
    for info in pfs.WalkFile(pfs_pb2.WalkFileRequest(file=root)):
        if info.file_type == pfs_pb2.FILE:
            pieces = pfs.GetFile(pfs_pb2.GetFileRequest(file=info.file))
            files[info.file.path] = b"".join(piece.value for piece in pieces)
    return files
