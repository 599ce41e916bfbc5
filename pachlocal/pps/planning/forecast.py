"""Forecasts what a change would run in every pipeline downstream, without changing anything.

The change is made in a transaction that is undone. Its jobs are gone through in order; where all
datums of a pipeline would be skipped its output is known, and so is what reads it. Where one would
run nobody knows what comes out, and what depends on that is counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import islice

from pachlocal.errors import FailedPreconditionError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import commits
from pachlocal.pfs.history.names import BranchName, RepoName
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pfs.tree import tree
from pachlocal.pfs.tree.changes import Changes
from pachlocal.pfs.tree.entries import Entry, Kind, Root
from pachlocal.pfs.tree.scratch import Scratch
from pachlocal.pps.planning.plan import input_commits
from pachlocal.pps.planning.skipping import Decision, SkipContext, SkipPolicy, skip_context_of
from pachlocal.pps.spec.datums import Datum, datum_id, enumerate_datums
from pachlocal.pps.spec.inputs import pfs_inputs
from pachlocal.pps.tables import datum_store, jobs
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.pipelines import PipelineInfo, by_key
from pachlocal.storage.database import Connection

_BATCH = 1000  # datums a snapshot
_MOST_DATUMS = 2_000_000  # of a pipeline; their IDs are held in memory
_MAX_REASONS = 50  # told apart, for one pipeline


class Fate(Enum):
    """What would become of a datum."""

    RUN = "run"
    DEPEND = "depend"  # on what a pipeline upstream will make
    SKIP = "skip"
    VANISH = "vanish"


_ORDER = {fate: place for place, fate in enumerate(Fate)}


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What a change touched, for `forecast`.

    Attributes:
        transaction: The change: all jobs that it makes are looked at.
        pipelines: The pipelines that it creates or updates.
        finished: The ID of a commit that was open before; its jobs are looked at, too.
    """

    transaction: Transaction
    pipelines: tuple[PipelineInfo, ...] = ()
    finished: str = ""

    @property
    def commit_sets(self) -> tuple[str, ...]:
        """The IDs of the sets whose jobs are to be looked at; all known when the change is made."""
        tx = self.transaction
        return tuple(dict.fromkeys((self.finished or tx.id, tx.id, *tx.fired)))


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a job would do.

    Attributes:
        repo: The pipeline's output repo.
        version: Which version would run.
        counts: How many datums have which fate.
        reasons: Why: how many datums, by fate and reason, in that order, the most first.
        depends_on: The pipelines whose output isn't known: `RUN` is the least number, then.
        notes: What else is to be known, in words.
        code: Of the outputs that would stay: how many datums', by the row of the code version that
            made them.
    """

    repo: RepoName
    version: int
    counts: Mapping[Fate, int]
    reasons: tuple[tuple[Fate, str, int], ...] = ()
    depends_on: tuple[RepoName, ...] = ()
    notes: tuple[str, ...] = ()
    code: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Coming:
    """A job that the change makes, as it is before the change is undone."""

    job: JobInfo
    pipeline: PipelineInfo
    sources: dict[BranchName, CommitInfo]
    skip_context: SkipContext
    ahead: JobInfo | None  # an earlier job that has not ended


def forecast(
    files: FileSystem,
    objects: Scratch,
    change: Callable[[Transaction], PlannedChange],
    check: Callable[[], None],
    code_now: Callable[[str], str],
) -> list[Forecast]:
    """Say what would run if a change were made, inputs before outputs.

    Args:
        files: The store.
        objects: Where the change's new content is.
        change: Makes the change in a transaction, which is undone.
        check: Called again and again while datums are counted; what it raises breaks off.
        code_now: Returns what names the code that a job of an image would run; empty if that isn't
            known. It is not called in a transaction.

    Raises:
        PachError: The change can't be made, or makes more datums than are counted.
    """
    coming, idle = files.preview(change, _coming)
    coming = [_by_code(files, item, code_now) for item in coming]
    upstream = _Upstream({}, {}, set())
    found = [_Look(files, objects, item, upstream, check).forecast() for item in coming]
    stopped = "it is stopped: nothing runs before it is started"
    found += [Forecast(info.spec.repo, info.version, {}, notes=(stopped,)) for info in idle]
    return found


def _coming(
    connection: Connection, change: PlannedChange
) -> tuple[list[_Coming], list[PipelineInfo]]:
    """Read what the change has made, and which of its pipelines have no job."""
    made = [job for id_ in change.commit_sets for job in jobs.job_set(connection, id_)]
    waiting = [job for job in made if not job.state.is_terminal]
    busy = {job.pipeline for job in made}
    idle = [info for info in change.pipelines if info.key not in busy]
    return [_read(connection, job) for job in waiting], idle


def _read(connection: Connection, job: JobInfo) -> _Coming:
    pipeline = by_key(connection, job.pipeline, job.version)
    output = commits.by_key(connection, job.output)
    sources = dict(input_commits(connection, output, pipeline.spec.input))
    oldest = None
    if pipeline.spec.keeps_records:  # a service's job makes nothing
        oldest = jobs.next_unfinished(connection, job.pipeline, job.version)
    return _Coming(
        job,
        pipeline,
        sources,
        skip_context_of(connection, job, pipeline, sources),
        oldest if oldest is not None and oldest.key != job.key else None,
    )


def _by_code(files: FileSystem, item: _Coming, code_now: Callable[[str], str]) -> _Coming:
    """Look at a job by the code that it would run, if that counts."""
    spec = item.pipeline.spec
    if not spec.code_counts:
        return item
    name = code_now(spec.transform.image)
    with files.snapshot() as connection:
        return replace(item, skip_context=item.skip_context.by_code(connection, name))


@dataclass(frozen=True, slots=True)
class _Upstream:
    """What is known of the outputs of the jobs gone through, by the rows of their commits.

    Attributes:
        known: Their content.
        unknown: Whose content nobody knows before it has run.
        failed: That will have none, because their jobs can't run.
    """

    known: dict[int, Root]
    unknown: dict[int, RepoName]
    failed: set[int]


class _Look:
    """The look at one job."""

    def __init__(
        self,
        files: FileSystem,
        objects: Scratch,
        item: _Coming,
        upstream: _Upstream,
        check: Callable[[], None],
    ) -> None:
        self._files = files
        self._objects = objects
        self._item = item
        self._upstream = upstream
        self._check = check
        self._counts = dict.fromkeys(Fate, 0)
        self._reasons: dict[tuple[Fate, str], int] = {}
        self._code: Counter[int] = Counter()
        self._reused: dict[bytes, Root] = {}  # outputs of jobs before the base, by datum
        self._unknown = {
            commit.key: upstream.unknown.get(commit.key, commit.name.repo)
            for commit in item.sources.values()
            if commit.key in upstream.unknown
            or (commit.finished is None and commit.key not in upstream.known)
        }
        self._seen: set[bytes] = set()

    def forecast(self) -> Forecast:
        """Go through the job's datums."""
        item = self._item
        failed = [
            str(source.name.repo)
            for source in item.sources.values()
            if source.error or source.key in self._upstream.failed
        ]
        if failed:
            self._upstream.failed.add(item.job.output)
            note = f"it can't run: its inputs {', '.join(failed)} failed"
            return Forecast(item.job.repo, item.job.version, {}, notes=(note,))
        self._count_datums()
        self._count_vanished()
        self._set_output(known=not self._unknown and not self._counts[Fate.RUN])
        reasons = ((fate, why, count) for (fate, why), count in self._reasons.items())
        return Forecast(
            item.job.repo,
            item.job.version,
            self._counts,
            tuple(sorted(reasons, key=lambda reason: (_ORDER[reason[0]], -reason[2]))),
            tuple(sorted(set(self._unknown.values()), key=str)),
            tuple(self._notes()),
            self._code,
        )

    def _count_datums(self) -> None:
        policy = SkipPolicy(self._item.skip_context)
        input_ = self._item.pipeline.spec.input
        found = enumerate_datums(self._objects, self._sources(), input_, self._check)
        while batch := list(islice(found, _BATCH)):
            self._check()
            if len(self._seen) > _MOST_DATUMS:
                raise FailedPreconditionError(
                    f"pipeline {self._item.job.repo} would have more than {_MOST_DATUMS:,} datums, "
                    "and no more are counted"
                )
            with self._files.snapshot() as connection:
                named = [(datum_id(datum), datum) for datum in batch]
                decisions = policy.decide(connection, named)
                for (id_, datum), decision in zip(named, decisions, strict=True):
                    self._take(id_, datum, decision)

    def _take(self, id_: bytes, datum: Datum, decision: Decision) -> None:
        if id_ in self._seen:  # two arms of a union gave it
            return
        self._seen.add(id_)
        if decision.previous is not None and decision.previous.code is not None:
            self._code[decision.previous.code] += 1
        if decision.previous is not None and decision.is_reused:
            self._reused[id_] = decision.previous.output
        waits = [file.input.name for file in datum if file.commit.key in self._unknown]
        if not decision.skipped:
            self._count(Fate.RUN, decision.why)
        elif waits:
            why = f"if {', '.join(waits)} changes; otherwise {decision.why}"
            self._count(Fate.DEPEND, why)
        else:
            self._count(Fate.SKIP, decision.why)

    def _count(self, fate: Fate, why: str) -> None:
        self._counts[fate] += 1
        known = (fate, why) in self._reasons
        reason = why if known or len(self._reasons) < _MAX_REASONS else "for other reasons"
        self._reasons[fate, reason] = self._reasons.get((fate, reason), 0) + 1

    def _sources(self) -> dict[BranchName, CommitInfo]:
        """Return the input commits with the content that is known, or the present one."""
        return {
            branch: replace(commit, root=self._content(branch, commit))
            for branch, commit in self._item.sources.items()
        }

    def _content(self, branch: BranchName, commit: CommitInfo) -> Root:
        if commit.key in self._upstream.known:
            return self._upstream.known[commit.key]
        if commit.key not in self._unknown or commit.root is not None:
            return commit.root
        # Nothing has ever come from there. Whatever will come is one datum if it is taken whole.
        leaves = pfs_inputs(self._item.pipeline.spec.input)
        if all(leaf.glob == "/" for leaf in leaves if leaf.branch == branch):
            return tree.apply(self._objects, None, _SOMETHING)
        return None

    def _count_vanished(self) -> None:
        for _ in self._gone():
            self._count(Fate.VANISH, "its inputs are gone")

    def _gone(self) -> Iterator[datum_store.DatumInfo]:
        """Yield the datums of the job before that are no more."""
        base = self._item.skip_context.base
        if base is not None:
            with self._files.snapshot() as connection:
                for old in datum_store.list_datums(connection, base):
                    if old.id not in self._seen:
                        yield old

    def _set_output(self, *, known: bool) -> None:
        """Tell those downstream what they will read."""
        job, base = self._item.job, self._item.skip_context.base
        if not known:
            self._upstream.unknown[job.output] = job.repo
            return
        root: Root = None
        if base is not None:
            with self._files.snapshot() as connection:
                root = commits.by_key(connection, base.output).root
            if self._counts[Fate.VANISH]:
                root = tree.apply(self._objects, root, self._removals())
        if self._reused:
            root = tree.apply(self._objects, root, self._replaced())
            root = tree.apply(self._objects, root, self._additions())
        self._upstream.known[job.output] = root

    def _removals(self) -> Changes:
        removals = Changes()
        for old in self._gone():
            for path, _ in tree.files(self._objects, old.output):
                removals.set(path, None)
        return removals

    def _replaced(self) -> Changes:
        removals, base = Changes(), self._item.skip_context.base
        with self._files.snapshot() as connection:
            for id_ in self._reused if base is not None else ():
                old = datum_store.find(connection, base.key, id_) if base is not None else None
                for path, _ in tree.files(self._objects, old.output if old else None):
                    removals.set(path, None)
        return removals

    def _additions(self) -> Changes:
        additions = Changes()
        for output in self._reused.values():
            for path, entry in tree.files(self._objects, output):
                additions.set(path, entry)
        return additions

    def _notes(self) -> Iterable[str]:
        skip_context, ahead = self._item.skip_context, self._item.ahead
        if ahead is not None:
            yield f"job {ahead.id} has not ended yet; what it makes is not counted in"
        before, now = skip_context.before, skip_context.pipeline
        if (
            before is not None
            and not now.spec.code_counts
            and self._counts[Fate.SKIP] + self._counts[Fate.DEPEND]
            and _code_of(before) != _code_of(now)
        ):
            yield (
                "it runs other code, but data that was processed before is not processed again; "
                "--reprocess does that"
            )


_SOMETHING = Changes(names={"something": Entry("something", Kind.FILE, bytes(32), 0)})


def _code_of(pipeline: PipelineInfo) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    transform = pipeline.spec.transform
    return transform.image, transform.cmd, transform.stdin
