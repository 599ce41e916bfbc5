"""A repo of an export, made on a server: commit by commit, each read back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from google.protobuf import json_format

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.pfs.upload import Stream
from pachlocal.cli.pachctl.printing.progress import TransferProgress
from pachlocal.cli.pachlocal.transfer import changes
from pachlocal.cli.pachlocal.transfer.archive import ArchiveReader
from pachlocal.cli.pachlocal.transfer.calls import commit_of, read_file, size_of
from pachlocal.cli.pachlocal.transfer.changes import FileChange
from pachlocal.cli.pachlocal.transfer.manifest import Branch, Commit, Repo
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2
from pachlocal.proto.local_pb2 import ModifyFilesRequest

_BATCH_BYTES = 1024 * 1024
_BATCH_REQUESTS = 1000
_NO_BRANCH = "imported"  # what a commit is made on whose branch is gone, as this one will be


class RepoWriter:
    """Makes a repo."""

    def __init__(
        self,
        session: Session,
        reader: ArchiveReader,
        project: str,
        repo: Repo,
        meter: TransferProgress,
    ) -> None:
        self.name = repo.name
        self._session = session
        self._reader = reader
        self._record = repo
        self._meter = meter
        self._repo = self._named(project, repo.name)
        self._ids: dict[str, str] = {}
        self._heads: dict[str, str] = {}  # by branch, as the server has them now

    @staticmethod
    def _named(project: str, name: str) -> pfs_pb2.Repo:
        return pfs_pb2.Repo(name=name, type="user", project=pfs_pb2.Project(name=project))

    def write(self) -> dict[str, str]:
        """Make it with all its commits; return their new IDs by the old ones.

        Raises:
            CliError: What has arrived isn't what was sent.
            grpc.RpcError: The server refused.
        """
        request = pfs_pb2.CreateRepoRequest(repo=self._repo, description=self._record.description)
        self._session.server.pfs.CreateRepo(request)
        for commit in self._record.commits:
            self._commit(commit)
        kept = {branch.name: branch for branch in self._record.branches}
        for name in self._heads.keys() - kept.keys():  # that of commits whose branch was deleted
            self._delete(name)
        for branch in kept.values():
            head = self._ids.get(branch.head, "")
            if head and self._heads.get(branch.name) != head:
                self._point(branch.name, head)
        return self._ids

    def finish(self) -> None:
        """Let branches follow others, and be computed from others, as they did."""
        here = {repo.name for repo in self._reader.manifest.repos}
        for branch in self._record.branches:
            sources = [it for it in branch.provenance if it.partition("@")[0] in here]
            if branch.trigger or sources:
                self._follow(branch, sources)

    def _follow(self, branch: Branch, sources: list[str]) -> None:
        request = pfs_pb2.CreateBranchRequest(branch=self._branch(branch.name))
        if branch.head:
            request.head.CopyFrom(commit_of(self._repo, self._ids[branch.head]))
        for source in sources:
            repo, _, name = source.partition("@")
            origin = request.provenance.add(
                repo=self._named(self._repo.project.name, repo), name=name
            )
            if source in branch.never:
                spec = request.branch_propagation_specs.add(branch=origin)
                spec.propagation_spec.never = True
        if branch.trigger:
            json_format.ParseDict(branch.trigger, request.trigger)
        self._session.server.pfs.CreateBranch(request)

    def _commit(self, record: Commit) -> None:
        parent = self._ids.get(record.parent, "")
        branch = record.branch or _NO_BRANCH
        request = pfs_pb2.StartCommitRequest(
            branch=self._branch(branch), description=record.description
        )
        if parent:
            request.parent.CopyFrom(commit_of(self._repo, parent))
        elif branch in self._heads:  # or the commit would build on its head
            self._delete(branch)
        id_ = self._session.server.pfs.StartCommit(request).id
        commit = commit_of(self._repo, id_)
        self._ids[record.id] = self._heads[branch] = id_
        if record.changes:
            _Sending(commit, self._reader, lambda: self._changes(record), self._meter).transmit(
                self._session.server, many=record.changes > 1
            )
        self._session.server.pfs.FinishCommit(
            pfs_pb2.FinishCommitRequest(commit=commit, error=record.error)
        )
        wait = pfs_pb2.InspectCommitRequest(commit=commit, wait=pfs_pb2.FINISHED)
        self._session.server.pfs.InspectCommit(wait)
        if not record.error:  # what isn't valid may not be readable
            self._check(record, commit)

    def _changes(self, record: Commit) -> Iterator[FileChange]:
        return changes.read(self._reader, self.name, record.id)

    def _check(self, record: Commit, commit: pfs_pb2.Commit) -> None:
        """Read a commit back, and compare."""
        place = f"{self.name}@{commit.id}"
        for change in self._changes(record):
            if change.content is None:
                continue
            digest = hashlib.sha256()
            for piece in read_file(self._session, commit, change.path):
                digest.update(piece)
            if digest.hexdigest() != change.content.sha256:
                raise CliError(f"{place}:{change.path} has not arrived as it was sent")
        total = size_of(self._session, commit)
        if total != record.size_bytes:
            raise CliError(
                f"{place} has {total} bytes, and {self.name}@{record.id}, which it was made from, "
                f"has {record.size_bytes}"
            )

    def _branch(self, name: str) -> pfs_pb2.Branch:
        return pfs_pb2.Branch(repo=self._repo, name=name)

    def _point(self, name: str, head: str) -> None:
        request = pfs_pb2.CreateBranchRequest(
            branch=self._branch(name), head=commit_of(self._repo, head)
        )
        self._session.server.pfs.CreateBranch(request)
        self._heads[name] = head

    def _delete(self, name: str) -> None:
        request = pfs_pb2.DeleteBranchRequest(branch=self._branch(name))
        self._session.server.pfs.DeleteBranch(request)
        del self._heads[name]


class _Sending(Stream):
    """Sends what a commit changed."""

    def __init__(
        self,
        commit: pfs_pb2.Commit,
        reader: ArchiveReader,
        read: Callable[[], Iterator[FileChange]],
        meter: TransferProgress,
    ) -> None:
        super().__init__()
        self._commit = commit
        self._reader = reader
        self._read = read
        self._meter = meter

    def _batches(self) -> Iterator[ModifyFilesRequest]:
        batch, size = ModifyFilesRequest(), 0
        for request in self._requests():
            batch.requests.append(request)
            size += len(request.add_file.raw.value)
            if size >= _BATCH_BYTES or len(batch.requests) >= _BATCH_REQUESTS:
                yield batch
                self._meter.advance(0, size)
                batch, size = ModifyFilesRequest(), 0
        yield batch
        self._meter.advance(0, size)

    def _requests(self) -> Iterator[pfs_pb2.ModifyFileRequest]:
        yield pfs_pb2.ModifyFileRequest(set_commit=self._commit)
        # Deletions come first: a folder may have taken a file's place, or the other way round.
        for change in self._read():
            yield pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=change.path))
        for change in self._read():
            if change.content is None:
                continue
            empty = True
            for piece in self._reader.pieces(change.content.sha256):
                empty = False
                yield _addition(change.path, piece)
            if empty:
                yield _addition(change.path, b"")


def _addition(path: str, piece: bytes) -> pfs_pb2.ModifyFileRequest:
    request = pfs_pb2.ModifyFileRequest()
    request.add_file.path = path
    request.add_file.raw.value = piece
    return request
