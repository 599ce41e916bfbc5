"""A look ahead: what a change would let every pipeline downstream do, with nothing changed.

The change is made in a transaction that is undone. Its jobs are gone through in order; where all
datums of a pipeline would be skipped its output is known, and so is what reads it. Where one would
run nobody knows what comes out, and what depends on that is counted apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice

from pachlocal.pfs import commits, tree
from pachlocal.pfs.changes import Changes
from pachlocal.pfs.entries import Entry, Kind, Root
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.names import BranchName, RepoName
from pachlocal.pfs.records import CommitInfo
from pachlocal.pfs.scratch import Scratch
from pachlocal.pfs.transaction import Transaction
from pachlocal.pps import datum_store, jobs
from pachlocal.pps.datums import Datum, enumerate_datums
from pachlocal.pps.inputs import pfs_inputs
from pachlocal.pps.jobs import JobInfo
from pachlocal.pps.pipelines import PipelineInfo, by_key
from pachlocal.pps.plan import input_commits
from pachlocal.pps.reasons import Judge, Situation, situation_of
from pachlocal.storage.database import Connection

_BATCH = 1000  # datums a snapshot
_MAX_REASONS = 50  # told apart, for one pipeline


class Fate(Enum):
    """What would become of a datum."""

    RUN = "run"
    DEPEND = "depend"  # on what a pipeline upstream will make
    SKIP = "skip"
    VANISH = "vanish"


_ORDER = {fate: place for place, fate in enumerate(Fate)}


@dataclass(frozen=True, slots=True)
class Change:
    """What a change touched, for `forecast`.

    Attributes:
        commit_sets: The IDs of the sets whose jobs are to be looked at.
        pipelines: The pipelines that it creates or updates.
    """

    commit_sets: tuple[str, ...]
    pipelines: tuple[PipelineInfo, ...] = ()


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
    """

    repo: RepoName
    version: int
    counts: Mapping[Fate, int]
    reasons: tuple[tuple[Fate, str, int], ...] = ()
    depends_on: tuple[RepoName, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Coming:
    """A job that the change makes, as it is before the change is undone."""

    job: JobInfo
    pipeline: PipelineInfo
    sources: dict[BranchName, CommitInfo]
    situation: Situation
    ahead: JobInfo | None  # an earlier job that has not ended


def forecast(
    files: FileSystem, objects: Scratch, change: Callable[[Transaction], Change]
) -> list[Forecast]:
    """Say what would run if a change were made, inputs before outputs.

    Args:
        files: The store.
        objects: Where the change's new content is.
        change: Makes the change in a transaction, which is undone.

    Raises:
        PachError: The change can't be made.
    """
    coming, idle = files.preview(change, _coming)
    upstream = _Upstream({}, {}, set())
    found = [_Look(files, objects, item, upstream).forecast() for item in coming]
    stopped = "it is stopped: nothing runs before it is started"
    found += [Forecast(info.spec.repo, info.version, {}, notes=(stopped,)) for info in idle]
    return found


def _coming(connection: Connection, change: Change) -> tuple[list[_Coming], list[PipelineInfo]]:
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
        situation_of(connection, job, pipeline, sources),
        oldest if oldest is not None and oldest.key != job.key else None,
    )


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
        self, files: FileSystem, objects: Scratch, item: _Coming, upstream: _Upstream
    ) -> None:
        self._files = files
        self._objects = objects
        self._item = item
        self._upstream = upstream
        self._counts = dict.fromkeys(Fate, 0)
        self._reasons: dict[tuple[Fate, str], int] = {}
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
        )

    def _count_datums(self) -> None:
        judge = Judge(self._item.situation)
        input_ = self._item.pipeline.spec.input
        found = enumerate_datums(self._objects, self._sources(), input_)
        while batch := list(islice(found, _BATCH)):
            with self._files.snapshot() as connection:
                for datum in batch:
                    self._judge(connection, judge, datum)

    def _judge(self, connection: Connection, judge: Judge, datum: Datum) -> None:
        decision = judge.decide(connection, datum)
        if decision.id in self._seen:  # two arms of a union gave it
            return
        self._seen.add(decision.id)
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
        base = self._item.situation.base
        if base is not None:
            with self._files.snapshot() as connection:
                for old in datum_store.list_datums(connection, base):
                    if old.id not in self._seen:
                        yield old

    def _set_output(self, *, known: bool) -> None:
        """Tell those downstream what they will read."""
        job, base = self._item.job, self._item.situation.base
        if not known:
            self._upstream.unknown[job.output] = job.repo
            return
        root: Root = None
        if base is not None:
            with self._files.snapshot() as connection:
                root = commits.by_key(connection, base.output).root
            if self._counts[Fate.VANISH]:
                root = tree.apply(self._objects, root, self._removals())
        self._upstream.known[job.output] = root

    def _removals(self) -> Changes:
        removals = Changes()
        for old in self._gone():
            for path, _ in tree.files(self._objects, old.output):
                removals.set(path, None)
        return removals

    def _notes(self) -> Iterable[str]:
        situation, ahead = self._item.situation, self._item.ahead
        if ahead is not None:
            yield f"job {ahead.id} has not ended yet; what it makes is not counted in"
        before, now = situation.before, situation.pipeline
        if (
            before is not None
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
