"""Calls about commits and commit sets."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from google.protobuf.empty_pb2 import Empty

from pachlocal.api import pickers, wire
from pachlocal.api.room import makes_room
from pachlocal.api.service import Context
from pachlocal.api.waiting_calls import Steps, waits
from pachlocal.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFinishedError,
    NotFoundError,
)
from pachlocal.pfs.files import files, resolve
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import commits, history, squash_and_drop, topics
from pachlocal.pfs.history.history import Filter
from pachlocal.pfs.history.names import SPEC, RepoName
from pachlocal.pfs.history.records import CommitInfo, OriginKind
from pachlocal.pps.tables import pipelines
from pachlocal.proto import pfs_pb2
from pachlocal.storage.change_notifier import Watch
from pachlocal.storage.database import Connection

_MAX_WALK = 10_000  # commits, as on the real server
_MAX_DEPTH = 1_000


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
        return wire.Wire(context).commit(info.name)

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

    @makes_room
    def clear_commit(self, request: pfs_pb2.ClearCommitRequest, context: Context) -> Empty:
        """Empty an open commit."""
        with self.files.transaction() as tx:
            info = resolve.resolve(tx.connection, *wire.commit_name(request.commit))
            if info.finished is not None:
                raise FailedPreconditionError("cannot clear finished commit")
            commits.set_root(tx, self.files.objects, info, None)
        return Empty()

    @waits
    def inspect_commit(
        self, request: pfs_pb2.InspectCommitRequest, context: Context
    ) -> Steps[pfs_pb2.CommitInfo]:
        """Yield a commit, once it has the state that is asked for."""
        with self.files.snapshot() as connection:
            info = resolve.resolve(connection, *wire.commit_name(request.commit))
        info = yield from self._await(info, request.wait)
        yield wire.Wire(context).commit_info(info)

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
                number=wire.limit(request.number) or 0,
                reverse=request.reverse,
                origin=OriginKind.UNKNOWN if request.all else OriginKind(request.origin_kind),
                started=request.started_time.ToNanoseconds()
                if request.HasField("started_time")
                else None,
            )
            for info in history.list_commits(connection, repo, wanted):
                yield answer.commit_info(info)

    @waits
    def subscribe_commit(
        self, request: pfs_pb2.SubscribeCommitRequest, context: Context
    ) -> Steps[pfs_pb2.CommitInfo]:
        """Yield a repo's commits as they come, each once it has the state asked for.

        A branch's are those that were made on it, wherever its head is now; none named: all.
        """
        answer = wire.Wire(context)
        repo = wire.repo_name(request.repo)
        wanted = OriginKind.UNKNOWN if request.all else OriginKind(request.origin_kind)
        with self.files.snapshot() as connection:
            seen = _beginning(connection, repo, request)
            watched = topics.of_commits(connection, repo)
        while True:
            with self.files.database.notifier.watch(watched) as watch:
                with self.files.snapshot() as connection:
                    watched_now = topics.of_commits(connection, repo)
                    new = list(history.newer(connection, repo, seen, request.branch))
                for info in new:
                    seen = info.key
                    if wanted in (OriginKind.UNKNOWN, info.origin):
                        yield answer.commit_info((yield from self._await(info, request.state)))
                if watched_now == watched:
                    yield watch
                watched = watched_now

    @waits
    def inspect_commit_set(
        self, request: pfs_pb2.InspectCommitSetRequest, context: Context
    ) -> Steps[pfs_pb2.CommitInfo]:
        """Yield the commits of a set, inputs first; each once it is finished if asked to wait."""
        answer = wire.Wire(context)
        with self.files.snapshot() as connection:
            members = history.commit_set(connection, request.commit_set.id)
        for info in members:
            wait = pfs_pb2.FINISHED if request.wait else pfs_pb2.STARTED
            reached = yield from self._await(info, wait)
            yield answer.commit_info(reached)

    def list_commit_set(
        self, request: pfs_pb2.ListCommitSetRequest, context: Context
    ) -> Iterator[pfs_pb2.CommitSetInfo]:
        """Yield commit sets, the newest first."""
        answer = wire.Wire(context)
        with self.files.snapshot() as connection:
            for id_, members in history.list_commit_sets(connection, request.project.name):
                yield pfs_pb2.CommitSetInfo(
                    commit_set=pfs_pb2.CommitSet(id=id_),
                    commits=map(answer.commit_info, members),
                )

    @makes_room
    def squash_commit_set(self, request: pfs_pb2.SquashCommitSetRequest, context: Context) -> Empty:
        """Remove the commits of a set; what follows keeps their data."""
        with self.files.transaction() as tx:
            squash_and_drop.squash_set(tx, request.commit_set.id)
        return Empty()

    @makes_room
    def drop_commit_set(self, request: pfs_pb2.DropCommitSetRequest, context: Context) -> Empty:
        """Remove the commits of a set with their data."""
        with self.files.transaction() as tx:
            squash_and_drop.drop_set(tx, request.commit_set.id)
        return Empty()

    @makes_room
    def squash_commit(
        self, request: pfs_pb2.SquashCommitRequest, context: Context
    ) -> pfs_pb2.SquashCommitResponse:
        """Remove a commit; what follows keeps its data."""
        with self.files.transaction() as tx:
            info = resolve.resolve(tx.connection, *wire.commit_name(request.commit))
            squash_and_drop.squash_commit(tx, info, recursive=request.recursive)
        return pfs_pb2.SquashCommitResponse()

    @makes_room
    def drop_commit(
        self, request: pfs_pb2.DropCommitRequest, context: Context
    ) -> pfs_pb2.DropCommitResponse:
        """Remove a commit with its data."""
        with self.files.transaction() as tx:
            info = resolve.resolve(tx.connection, *wire.commit_name(request.commit))
            squash_and_drop.drop_commit(tx, info, recursive=request.recursive)
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
                    raise NotFinishedError(f"commit {info.name} not finished", info.name.id)
                last = info
                parent = commits.parent_of(connection, info)
                if files.is_changed(self.files.objects, parent, info, request.file_path):
                    found += 1
                    yield pfs_pb2.FindCommitsResponse(
                        found_commit=answer.commit(info.name),
                        commits_searched=searched,
                    )
                searched += 1
                if request.limit and found == request.limit:
                    break
        yield pfs_pb2.FindCommitsResponse(
            last_searched_commit=answer.commit(last.name), commits_searched=searched
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
        reach: Callable[[Connection, CommitInfo, int], list[CommitInfo]],
        context: Context,
    ) -> Iterator[pfs_pb2.CommitInfo]:
        answer = wire.Wire(context)
        with self.files.snapshot() as connection:
            for picker in request.start:
                start = pickers.commit(connection, picker)
                found = reach(connection, start, request.max_depth or _MAX_DEPTH)
                for info in found[: request.max_commits or _MAX_WALK]:
                    yield answer.commit_info(info)

    def _await(
        self, info: CommitInfo, state: pfs_pb2.CommitState.ValueType
    ) -> Generator[Watch, None, CommitInfo]:
        """Wait until a commit has a state; return it as it is then.

        Raises:
            FailedPreconditionError: It was deleted in the meantime.
        """
        with self.files.snapshot() as connection:
            watched = [topics.commit(info.key)]
            if state == pfs_pb2.READY and info.finished is None:
                sources = (commits.key_of(connection, source) for source in info.provenance)
                watched += map(topics.commit, sources)
        with self.files.database.notifier.watch(watched) as watch:
            while True:
                with self.files.snapshot() as connection:
                    try:
                        now = commits.by_key(connection, info.key)
                    except NotFoundError:
                        raise FailedPreconditionError(f"commit {info.name} was deleted") from None
                    if _has_state(connection, now, state):
                        return now
                yield watch


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


def _beginning(
    connection: Connection, repo: RepoName, request: pfs_pb2.SubscribeCommitRequest
) -> int:
    """Return the row after which a subscription begins.

    Raises:
        NotFoundError: There is no such repo, or no such commit in it.
        InvalidArgumentError: It is to begin after a commit of another repo.
    """
    newest = history.newest(connection, repo)
    if not request.HasField("from"):
        return 0
    start = getattr(request, "from")
    if wire.repo_name(start.repo if start.HasField("repo") else start.branch.repo) != repo:
        raise InvalidArgumentError(f"the `from` commit needs to be from repo {repo}")
    if start.id or start.branch.name:
        return _bound(connection, start).key
    return newest


def _refuse_output(connection: Connection, info: CommitInfo) -> None:
    repo = info.name.repo
    computed = any(source.repo.type != SPEC for source in info.provenance)  # a spout's isn't
    if computed and pipelines.find(connection, repo.project, repo.name) is not None:
        raise FailedPreconditionError(
            "cannot finish a pipeline output or meta commit, use 'stop job' instead"
        )
