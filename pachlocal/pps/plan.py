"""What a job has to do: its datums, those that run and those that are skipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from pachlocal.pfs import branches, commits
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.names import BranchName
from pachlocal.pfs.records import CommitInfo
from pachlocal.pps import datum_store
from pachlocal.pps.datum_store import DatumInfo, store_files
from pachlocal.pps.datums import Commits, Datum, enumerate_datums
from pachlocal.pps.inputs import Input, PfsInput, pfs_inputs
from pachlocal.pps.jobs import JobInfo
from pachlocal.pps.pipelines import PipelineInfo
from pachlocal.pps.reasons import Decision, Judge, situation_of
from pachlocal.pps.states import DatumState
from pachlocal.storage.database import Connection

_BATCH = 1000  # datums a transaction


def input_commits(connection: Connection, output: CommitInfo, input_: Input) -> Commits:
    """Return, for each branch of an input, the commit that an output commit is made from."""
    by_repo = {
        source.repo: commits.by_key(connection, commits.key_of(connection, source))
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


def plan(
    files: FileSystem, job: JobInfo, pipeline: PipelineInfo, go_on: Callable[[], None]
) -> None:
    """Store all datums of a job, in batches. Begins anew when it was broken off before.

    Those that ran meanwhile stay as they are.

    Args:
        files: The store.
        job: The job.
        pipeline: Its pipeline, in its version.
        go_on: Called before each batch; what it raises breaks off.
    """
    with files.database.write(progress=True) as connection:
        datum_store.clear(connection, job)
    with files.snapshot() as connection:
        output = commits.by_key(connection, job.output)
        sources = input_commits(connection, output, pipeline.spec.input)
        judge = Judge(situation_of(connection, job, pipeline, sources))
    leaves = list(pfs_inputs(pipeline.spec.input))
    found = enumerate(enumerate_datums(files.objects, sources, pipeline.spec.input))
    while batch := list(islice(found, _BATCH)):
        go_on()
        with files.snapshot() as connection:
            planned = [
                _planned(job, ordinal, datum, leaves, judge.decide(connection, datum))
                for ordinal, datum in batch
            ]
        with files.database.write(progress=True) as connection:
            datum_store.insert(connection, planned)
    with files.database.write(progress=True) as connection:
        datum_store.set_planned(connection, job)


def _planned(
    job: JobInfo, ordinal: int, datum: Datum, leaves: Sequence[PfsInput], decision: Decision
) -> DatumInfo:
    kept = decision.kept
    return DatumInfo(
        job.key,
        decision.id,
        decision.hash,
        ordinal,
        store_files(datum, leaves),
        DatumState.SKIPPED if decision.skipped else DatumState.UNKNOWN,
        decision.why,
        output=kept.output if kept else None,
        processed_by=kept.processed_by if kept else None,
    )
