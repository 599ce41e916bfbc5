"""Calls about commits and commit sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from google.protobuf.empty_pb2 import Empty

from pachlocal.api import pick, waiting, wire
from pachlocal.api.service import Context
from pachlocal.errors import ConflictError, NotFoundError, UnavailableError
from pachlocal.pfs import branches, commits, files, history, removal, resolve
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import Filter
from pachlocal.pfs.names import SPEC, BranchName
from pachlocal.pfs.records import CommitInfo, OriginKind
from pachlocal.pps import pipelines
from pachlocal.proto import pfs_pb2
from pachlocal.storage.database import Connection

_MAX_WALK = 10_000  # commits, as on the real server


class CommitCalls:
    """pfs_v2.API: commits."""

    files: FileSystem

    def start_commit(self, request: pfs_pb2.StartCommitRequest, context: Context) -> pfs_pb2.Commit:
        """Open a commit."""
        with self.files.transaction() as tx:
            branch = wire.branch_name(request.branch)
            parent = None
            if request.HasField("parent") and (request.parent.id or request.parent.branch.name):
                parent = resolve.resolve(tx.connection, *wire.commit_name(request.parent))
            info = history.start(tx, branch, parent=parent, description=request.description)
        return wire.Wire(context).commit(info.name, info.branch)

    def finish_commit(self, request: pfs_pb2.FinishCommitRequest, context: Context) -> Empty:
        """Finish a commit."""
        with self.files.transaction() as tx:
            info = resolve.resolve(tx.connection, *wire.commit_name(request.commit))
            commits.check_open(info)
            if not request.force:
                _refuse_output(tx.connection, info)
            commits.finish(
                tx,
                self.files.objects,
                info,
                description=request.description,
                error=request.error,
            )
        return Empty()

    def clear_commit(self, request: pfs_pb2.ClearCommitRequest, context: Context) -> Empty:
        """Empty an open commit."""
        with self.files.transaction() as tx:
            info = resolve.resolve(tx.connection, *wire.commit_name(request.commit))
            if info.finished is not None:
                raise ConflictError("cannot clear finished commit")
            commits.set_root(tx, self.files.objects, info, None)
        return Empty()

    def inspect_commit(
        self, request: pfs_pb2.InspectCommitRequest, context: Context
    ) -> pfs_pb2.CommitInfo:
        """Return a commit, once it has the state that is asked for."""
        with self.files.snapshot() as connection:
            info = resolve.resolve(connection, *wire.commit_name(request.commit))
        info = self._await(info, request.wait, context)
        return wire.Wire(context).commit_info(info)

    def list_commit(
        self, request: pfs_pb2.ListCommitRequest, context: Context
    ) -> Iterator[pfs_pb2.CommitInfo]:
        """Yield commits, the newest first."""
        answer = wire.Wire(context)
        repo = wire.repo_name(request.repo) if request.repo.name else None
        with self.files.snapshot() as connection:
            wanted = Filter(
                to=_bound(connection, request.to) if request.HasField("to") else None,
                since=_bound(connection, getattr(request, "from"))
                if request.HasField("from")
                else None,
                number=request.number,
                reverse=request.reverse,
                origin=OriginKind.UNKNOWN if request.all else OriginKind(request.origin_kind),
            )
            for info in history.list_commits(connection, repo, wanted):
                yield answer.commit_info(info)

    def subscribe_commit(
        self, request: pfs_pb2.SubscribeCommitRequest, context: Context
    ) -> Iterator[pfs_pb2.CommitInfo]:
        """Yield a branch's commits as they come, each once it has the state asked for."""
        answer = wire.Wire(context)
        branch = BranchName(wire.repo_name(request.repo), request.branch)
        wanted = OriginKind.UNKNOWN if request.all else OriginKind(request.origin_kind)
        with self.files.snapshot() as connection:
            seen = (
                _bound(connection, getattr(request, "from")).key if request.HasField("from") else 0
            )
        for _ in waiting.changes(self.files.database.news, context):
            with self.files.snapshot() as connection:
                new = _newer(connection, branch, seen)
            for info in new:
                reached = self._await(info, request.state, context)
                seen = info.key
                if wanted in (OriginKind.UNKNOWN, info.origin):
                    yield answer.commit_info(reached)

    def inspect_commit_set(
        self, request: pfs_pb2.InspectCommitSetRequest, context: Context
    ) -> Iterator[pfs_pb2.CommitInfo]:
        """Yield the commits of a set, inputs first; each once it is finished if asked to wait."""
        answer = wire.Wire(context)
        with self.files.snapshot() as connection:
            members = history.commit_set(connection, request.commit_set.id)
        for info in members:
            wait = pfs_pb2.FINISHED if request.wait else pfs_pb2.STARTED
            yield answer.commit_info(self._await(info, wait, context))

    def list_commit_set(
        self, request: pfs_pb2.ListCommitSetRequest, context: Context
    ) -> Iterator[pfs_pb2.CommitSetInfo]:
        """Yield commit sets, the newest first."""
        answer = wire.Wire(context)
        with self.files.snapshot() as connection:
            for members in history.list_commit_sets(connection, request.project.name):
                yield pfs_pb2.CommitSetInfo(
                    commit_set=pfs_pb2.CommitSet(id=members[0].name.id),
                    commits=map(answer.commit_info, members),
                )

    def squash_commit_set(self, request: pfs_pb2.SquashCommitSetRequest, context: Context) -> Empty:
        """Remove the commits of a set; what follows keeps their data."""
        with self.files.transaction() as tx:
            removal.squash_set(tx, request.commit_set.id)
        return Empty()

    def drop_commit_set(self, request: pfs_pb2.DropCommitSetRequest, context: Context) -> Empty:
        """Remove the commits of a set with their data."""
        with self.files.transaction() as tx:
            removal.drop_set(tx, request.commit_set.id)
        return Empty()

    def squash_commit(
        self, request: pfs_pb2.SquashCommitRequest, context: Context
    ) -> pfs_pb2.SquashCommitResponse:
        """Remove a commit; what follows keeps its data."""
        with self.files.transaction() as tx:
            info = resolve.resolve(tx.connection, *wire.commit_name(request.commit))
            removal.squash_commit(tx, info, recursive=request.recursive)
        return pfs_pb2.SquashCommitResponse()

    def drop_commit(
        self, request: pfs_pb2.DropCommitRequest, context: Context
    ) -> pfs_pb2.DropCommitResponse:
        """Remove a commit with its data."""
        with self.files.transaction() as tx:
            info = resolve.resolve(tx.connection, *wire.commit_name(request.commit))
            removal.drop_commit(tx, info, recursive=request.recursive)
        return pfs_pb2.DropCommitResponse()

    def find_commits(
        self, request: pfs_pb2.FindCommitsRequest, context: Context
    ) -> Iterator[pfs_pb2.FindCommitsResponse]:
        """Yield the commits, from one back, that changed a file; last, how far it looked."""
        answer = wire.Wire(context)
        found = searched = 0
        with self.files.snapshot() as connection:
            start = resolve.resolve(connection, *wire.commit_name(request.start))
            last = start
            line = history.list_commits(connection, start.name.repo, Filter(to=start))
            for info in line:
                if info.finished is None:
                    raise UnavailableError(f"commit {info.name} not finished")
                last = info
                parent = commits.parent_of(connection, info)
                if files.is_changed(self.files.objects, parent, info, request.file_path):
                    found += 1
                    yield pfs_pb2.FindCommitsResponse(
                        found_commit=answer.commit(info.name, info.branch),
                        commits_searched=searched,
                    )
                searched += 1
                if request.limit and found == request.limit:
                    break
        yield pfs_pb2.FindCommitsResponse(
            last_searched_commit=answer.commit(last.name, last.branch), commits_searched=searched
        )

    def walk_commit_provenance(
        self, request: pfs_pb2.WalkCommitProvenanceRequest, context: Context
    ) -> Iterator[pfs_pb2.CommitInfo]:
        """Yield all commits that some were made from, the nearest first."""
        return self._walk(request, history.provenance, context)

    def walk_commit_subvenance(
        self, request: pfs_pb2.WalkCommitSubvenanceRequest, context: Context
    ) -> Iterator[pfs_pb2.CommitInfo]:
        """Yield all commits that were made from some, the nearest first."""
        return self._walk(request, history.subvenance, context)

    def _walk(
        self,
        request: pfs_pb2.WalkCommitProvenanceRequest | pfs_pb2.WalkCommitSubvenanceRequest,
        reach: Callable[[Connection, CommitInfo], list[CommitInfo]],
        context: Context,
    ) -> Iterator[pfs_pb2.CommitInfo]:
        answer = wire.Wire(context)
        with self.files.snapshot() as connection:
            for picker in request.start:
                start = pick.commit(connection, picker)
                for info in reach(connection, start)[: request.max_commits or _MAX_WALK]:
                    yield answer.commit_info(info)

    def _await(
        self, info: CommitInfo, state: pfs_pb2.CommitState.ValueType, context: Context
    ) -> CommitInfo:
        """Block until a commit has a state; return it as it is then.

        Raises:
            NotFoundError: It was deleted in the meantime.
        """
        now = info

        def reached() -> bool:
            nonlocal now
            with self.files.snapshot() as connection:
                try:
                    now = commits.by_key(connection, info.key)
                except NotFoundError:
                    raise ConflictError(f"commit {info.name} was deleted") from None
                return _has_state(connection, now, state)

        if not reached():
            waiting.until(self.files.database.news, context, reached)
        return now


def _has_state(
    connection: Connection, info: CommitInfo, state: pfs_pb2.CommitState.ValueType
) -> bool:
    if state in (pfs_pb2.COMMIT_STATE_UNKNOWN, pfs_pb2.STARTED) or info.finished is not None:
        return True
    return state == pfs_pb2.READY and all(
        commits.by_key(connection, commits.key_of(connection, source)).finished is not None
        for source in info.provenance
    )


def _bound(connection: Connection, commit: pfs_pb2.Commit) -> CommitInfo:
    return resolve.resolve(connection, *wire.commit_name(commit))


def _newer(connection: Connection, branch: BranchName, seen: int) -> list[CommitInfo]:
    """Return a branch's commits after a row, the oldest first; none while it doesn't exist."""
    key = branches.find(connection, branch)
    head = branches.head(connection, key) if key is not None else None
    if head is None:
        return []
    line = history.list_commits(connection, branch.repo, Filter(to=head))
    return [info for info in line if info.key > seen][::-1]


def _refuse_output(connection: Connection, info: CommitInfo) -> None:
    repo = info.name.repo
    computed = any(source.repo.type != SPEC for source in info.provenance)  # a spout's isn't
    if computed and pipelines.find(connection, repo.project, repo.name) is not None:
        raise ConflictError(
            "cannot finish a pipeline output or meta commit, use 'stop job' instead"
        )
