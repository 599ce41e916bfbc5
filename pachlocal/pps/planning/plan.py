"""Plans a job: which of its datums run and which are skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

from pachlocal.errors import FailedPreconditionError, InvalidArgumentError, PlanningError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import branches, commits
from pachlocal.pfs.history.names import BranchName
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pps.planning.skipping import SkipContext, SkipPolicy, skip_context_of
from pachlocal.pps.spec.datums import Commits, Datum, datum_hash, datum_id, enumerate_datums
from pachlocal.pps.spec.inputs import Input, PfsInput, pfs_inputs
from pachlocal.pps.spec.states import DatumState
from pachlocal.pps.tables import datum_store, topics
from pachlocal.pps.tables.datum_store import PlannedDatum, PlannedRow
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.storage.database import Connection

CANT_PLAN = "its datums can't be found"
"""How the reason of every `PlanningError` begins."""

_BATCH = 1000  # datums
_PARTS = 5  # batches a transaction, while nobody else waits to write
_MOST_FILES = 50_000  # of the datums that are looked at together, some 900 bytes each


def input_commits(connection: Connection, output: CommitInfo, input_: Input) -> Commits:
    """Return, for each branch of an input, the commit that an output commit is made from."""
    by_repo = {
        source.repo: commits.itself(connection, commits.key_of(connection, source))
        for source in output.provenance
    }
    wanted: dict[BranchName, CommitInfo] = {}
    for leaf in pfs_inputs(input_):
        commit = by_repo.get(leaf.branch.repo)
        if commit is not None:
            wanted[leaf.branch] = commit
    return wanted


def head_commits(connection: Connection, input_: Input) -> Commits:
    """Return, for each branch of an input, its head: for a look ahead, without a job."""
    wanted: dict[BranchName, CommitInfo] = {}
    for leaf in pfs_inputs(input_):
        key = branches.key_of(connection, leaf.branch)
        head = branches.head(connection, key)
        if head is not None:
            wanted[leaf.branch] = head
    return wanted


def find_datums(
    files: FileSystem, sources: Commits, input_: Input, check: Callable[[], None]
) -> Iterator[Datum]:
    """Yield the datums that a job has; see `enumerate_datums`.

    Raises:
        PlanningError: The input can't be worked with.
    """
    try:
        yield from enumerate_datums(files.objects, sources, input_, check)
    except (FailedPreconditionError, InvalidArgumentError) as error:
        raise PlanningError(f"{CANT_PLAN}: {error}") from error
    except RecursionError as error:
        raise PlanningError(f"{CANT_PLAN}: the input is nested too deeply") from error


def plan(
    files: FileSystem,
    job: JobInfo,
    pipeline: PipelineInfo,
    go_on: Callable[[], None],
    check: Callable[[], None],
) -> None:
    """Store all datums of a job, in batches. Begins anew when it was broken off before.

    Those that ran meanwhile stay as they are. That all are stored is for the caller to note.

    Args:
        files: The store.
        job: The job.
        pipeline: Its pipeline, in its version.
        go_on: Called before each batch; what it raises breaks off.
        check: Called again and again while datums are searched for; what it raises breaks off.

    Raises:
        PlanningError: The input can't be worked with.
    """
    _forget(files, job)
    with files.snapshot() as connection:
        output = commits.itself(connection, job.output)
        sources = input_commits(connection, output, pipeline.spec.input)
        policy = SkipPolicy(skip_context_of(connection, job, pipeline, sources))
    leaves = list(pfs_inputs(pipeline.spec.input))
    datums = find_datums(files, sources, pipeline.spec.input, check)
    found = ((datum_id(datum), ordinal, datum) for ordinal, datum in enumerate(datums))
    looked_at = _BATCH
    while batch := sorted(islice(found, looked_at), reverse=True):
        most = _MOST_FILES * len(batch) // sum(len(datum) for _, _, datum in batch)
        with files.snapshot() as connection:
            running, skipped = _decide(connection, job, leaves, policy, batch)
        # Few at once where workers wait; otherwise many, whose IDs lie close together in the table.
        looked_at = _BATCH
        if len(skipped) >= len(running):
            looked_at = max(_BATCH, min(10 * (len(running) + len(skipped)), most))
        _store(files, running + skipped, go_on)


def _forget(files: FileSystem, job: JobInfo) -> None:
    """Forget what was planned of a job before and hasn't run; most often there is nothing."""
    with files.snapshot() as connection:
        if not datum_store.has_any(connection, job):
            return
    with files.database.write(progress=True) as connection:
        datum_store.clear(connection, job)


def _decide(
    connection: Connection,
    job: JobInfo,
    leaves: Sequence[PfsInput],
    policy: SkipPolicy,
    batch: list[tuple[bytes, int, Datum]],
) -> tuple[list[PlannedRow], list[PlannedRow]]:
    """Take datums from the end of a batch, each after its ID and its ordinal.

    Returns:
        Those that run, in the order in which workers ask for them, and those that are skipped, in
        that of the batch taken from its end.
    """
    running: list[tuple[int, PlannedRow]] = []
    skipped: list[PlannedRow] = []
    while batch:  # what becomes a row takes no more room as a datum
        some = batch[: -_BATCH - 1 : -1]
        del batch[-_BATCH:]
        decisions = policy.decide(connection, [(id_, datum) for id_, _, datum in some])
        for (id_, ordinal, datum), (hash_, previous, why, _) in zip(some, decisions, strict=True):
            state = DatumState.UNKNOWN if previous is None else DatumState.SKIPPED
            planned = PlannedDatum(id_, hash_, ordinal, datum, state, why)
            row = datum_store.planned_row(job, planned, leaves, previous)
            if previous is None:
                running.append((ordinal, row))
            else:
                skipped.append(row)
    return [row for _, row in sorted(running)], skipped


def _store(files: FileSystem, rows: list[PlannedRow], go_on: Callable[[], None]) -> None:
    """Store datums, many in a transaction: the next one would write the same pages again."""
    parts = (rows[begin : begin + _BATCH] for begin in range(0, len(rows), _BATCH))
    while some := list(islice(parts, 1)):
        go_on()
        with files.database.write(progress=True) as connection:
            for part in chain(some, islice(parts, _PARTS - 1)):
                datum_store.insert(connection, part)
                if files.database.waiting_writers:
                    break
            files.database.touch(*topics.datums())


def plan_ahead(
    files: FileSystem,
    job: JobInfo,
    before: JobInfo,
    pipeline: PipelineInfo,
    go_on: Callable[[], None],
    check: Callable[[], None],
) -> None:
    """Store all datums of a job whose turn hasn't come: those that may run by now, and the others.

    What the job before has too, waits: it may be skipped when that one has ended. `plan` forgets
    whatever hasn't run until then.

    Args:
        files: The store.
        job: The job.
        before: The one before it, all of whose datums are stored.
        pipeline: Its pipeline, in its version.
        go_on: Called before each batch; what it raises breaks off.
        check: Called again and again while datums are searched for; what it raises breaks off.

    Raises:
        PlanningError: The input can't be worked with.
    """
    _forget(files, job)
    with files.snapshot() as connection:
        output = commits.itself(connection, job.output)
        sources = input_commits(connection, output, pipeline.spec.input)
        skip_context = skip_context_of(connection, job, pipeline, sources)
    leaves = list(pfs_inputs(pipeline.spec.input))
    found = enumerate(find_datums(files, sources, pipeline.spec.input, check))
    while batch := list(islice(found, _BATCH)):
        go_on()
        with files.snapshot() as connection:
            rows = _waiting(connection, job, before, leaves, skip_context, batch)
        with files.database.write(progress=True) as connection:
            datum_store.insert(connection, rows)
            files.database.touch(*topics.datums())


def _waiting(
    connection: Connection,
    job: JobInfo,
    before: JobInfo,
    leaves: Sequence[PfsInput],
    skip_context: SkipContext,
    batch: Sequence[tuple[int, Datum]],
) -> list[PlannedRow]:
    """Return datums of a job whose turn hasn't come, each given after its ordinal."""
    policy = SkipPolicy(skip_context)
    ids = [datum_id(datum) for _, datum in batch]
    known = datum_store.known(connection, before, ids)
    rows = []
    for id_, (ordinal, datum) in zip(ids, batch, strict=True):
        hash_ = datum_hash(datum, skip_context.salt)
        is_new = id_ not in known and policy.earlier(connection, id_, hash_) is None
        state = DatumState.UNKNOWN if is_new else DatumState.STARTING
        planned = PlannedDatum(id_, hash_, ordinal, datum, state, "new input")
        rows.append(datum_store.planned_row(job, planned, leaves))
    return rows
