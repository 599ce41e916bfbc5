"""`pachlocal export`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from pachlocal.cli.pachctl.client.output_file import is_file_or_new, replacing
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.printing.progress import TransferProgress
from pachlocal.cli.pachctl.printing.words import size
from pachlocal.cli.pachlocal.transfer import changes, selection
from pachlocal.cli.pachlocal.transfer.archive import ArchivedContent, Writer
from pachlocal.cli.pachlocal.transfer.calls import commit_of, read_file, size_of
from pachlocal.cli.pachlocal.transfer.changes import FileChange
from pachlocal.cli.pachlocal.transfer.manifest import Branch, Commit, Manifest, Repo, changes_name
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2


def export(session: Session, project: str, names: Sequence[str], path: Path) -> None:
    """Write repos and pipelines to a file.

    Args:
        session: The call's session.
        project: Their project.
        names: Repos, and pipelines with all that they read; none means everything.
        path: The file.

    Raises:
        CliError: A name is unknown, or what the server sent isn't what it said.
        grpc.RpcError: The server refused.
    """
    chosen = selection.select(session, project, names)
    with replacing(path) as out, TransferProgress(wanted=True) as meter:
        folder = path.parent if is_file_or_new(path) else Path(tempfile.gettempdir())
        writer = Writer(out, folder)
        repos = [_Exporter(session, writer, meter, info).repo() for info in chosen.repos]
        manifest = Manifest(str(session.server.address), project, repos, chosen.pipelines)
        writer.finish(manifest)
        total = out.tell()
    commits = sum(len(repo.commits) for repo in repos)
    print(
        f"{path}: {len(repos)} repos with {commits} commits, {len(chosen.pipelines)} pipelines, "
        f"{size(total)}"
    )


class _Exporter:
    """Writes a repo."""

    def __init__(
        self, session: Session, writer: Writer, meter: TransferProgress, info: pfs_pb2.RepoInfo
    ) -> None:
        self._session = session
        self._writer = writer
        self._meter = meter
        self._info = info
        # For each commit, the nearest one from it back that is exported, and whose content counts.
        self._exported: dict[str, str] = {}
        self._good: dict[str, str] = {}

    def repo(self) -> Repo:
        """Write its commits, and say what it is."""
        repo, pfs = self._info.repo, self._session.server.pfs
        infos = list(pfs.ListCommit(pfs_pb2.ListCommitRequest(repo=repo, reverse=True, all=True)))
        branches = list(pfs.ListBranch(pfs_pb2.ListBranchRequest(repo=repo, reverse=True)))
        owners = _owners(infos, branches)
        commits = []
        for info in infos:
            id_, parent = info.commit.id, info.parent_commit.id
            if info.HasField("finished"):
                commits.append(self._commit(info, owners.get(id_, "")))
                self._exported[id_] = id_
                self._good[id_] = self._good.get(parent, "") if info.error else id_
            else:
                print(f"note: {repo.name}@{id_} is open and left out", file=sys.stderr)
                self._exported[id_] = self._exported.get(parent, "")
                self._good[id_] = self._good.get(parent, "")
        records = [self._branch(info) for info in branches]
        return Repo(repo.name, self._info.description, records, commits)

    def _branch(self, info: pfs_pb2.BranchInfo) -> Branch:
        trigger = json_format.MessageToDict(info.trigger, preserving_proto_field_name=True)
        return Branch(
            name=info.branch.name,
            head=self._exported.get(info.head.id, ""),
            trigger=trigger if info.HasField("trigger") else {},
            provenance=[f"{it.repo.name}@{it.name}" for it in info.direct_provenance],
            never=[
                f"{it.branch.repo.name}@{it.branch.name}"
                for it in info.branch_propagation_specs
                if it.propagation_spec.never
            ],
        )

    def _commit(self, info: pfs_pb2.CommitInfo, branch: str) -> Commit:
        repo, id_ = self._info.repo, info.commit.id
        commit = commit_of(repo, id_)
        base = self._good.get(info.parent_commit.id, "")
        count = 0
        with self._writer.spool() as lines:
            for file, deleted in self._changed(commit, base):
                content = None if deleted else self._content(commit, file)
                changes.write(lines, FileChange(file.file.path, content))
                count += 1
            self._writer.add(changes_name(repo.name, id_), lines)
        return Commit(
            id=id_,
            branch=info.commit.branch.name or branch,
            parent=self._exported.get(info.parent_commit.id, ""),
            description=info.description,
            error=info.error,
            started=_moment(info.started),
            finished=_moment(info.finished),
            size_bytes=size_of(self._session, commit),
            changes=count,
        )

    def _changed(
        self, commit: pfs_pb2.Commit, base: str
    ) -> Iterator[tuple[pfs_pb2.FileInfo, bool]]:
        """Yield the files that differ from those of a base, each with whether it is deleted."""
        root = pfs_pb2.File(commit=commit, path="/")
        if not base:
            for info in self._session.server.pfs.WalkFile(pfs_pb2.WalkFileRequest(file=root)):
                if info.file_type == pfs_pb2.FILE:
                    yield info, False
            return
        old = pfs_pb2.File(commit=commit_of(self._info.repo, base), path="/")
        request = pfs_pb2.DiffFileRequest(new_file=root, old_file=old)
        for pair in self._session.server.pfs.DiffFile(request):
            if pair.new_file.file_type == pfs_pb2.FILE:
                yield pair.new_file, False
            elif pair.old_file.file_type == pfs_pb2.FILE:
                yield pair.old_file, True

    def _content(self, commit: pfs_pb2.Commit, file: pfs_pb2.FileInfo) -> ArchivedContent:
        content = self._writer.find(file.hash)
        if content is None:
            pieces = read_file(self._session, commit, file.file.path)
            content = self._writer.add_content(pieces, file.hash)
        if content.size != file.size_bytes:
            raise CliError(
                f"{self._info.repo.name}@{commit.id}:{file.file.path} should have "
                f"{file.size_bytes} bytes, and {content.size} have come"
            )
        self._meter.advance(1, content.size)
        return content


def _owners(
    commits: list[pfs_pb2.CommitInfo], branches: list[pfs_pb2.BranchInfo]
) -> dict[str, str]:
    """Find a branch for each commit, as servers of 2.8 and later don't say where it was made."""
    parents = {info.commit.id: info.parent_commit.id for info in commits}
    owners: dict[str, str] = {}
    for info in sorted(branches, key=lambda info: info.branch.name != "master"):
        id_ = info.head.id
        while id_ and id_ not in owners:
            owners[id_] = info.branch.name
            id_ = parents.get(id_, "")
    return owners


def _moment(time: Timestamp) -> str:
    return time.ToJsonString()
