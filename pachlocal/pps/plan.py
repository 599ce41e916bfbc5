"""What a job has to do: which datums run, which are skipped, and why.

A datum is skipped when the job before has processed one of the same hash: same names, same
content, same salt. What the command or the image is doesn't matter, as on the real server;
`--reprocess` asks for a new salt.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pachlocal.pfs import branches, commits
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.names import BranchName
from pachlocal.pfs.records import CommitInfo
from pachlocal.pps import datum_store, jobs
from pachlocal.pps.datum_store import DatumInfo, store_files
from pachlocal.pps.datums import Commits, Datum, datum_hash, datum_id, enumerate_datums
from pachlocal.pps.inputs import Input, pfs_inputs
from pachlocal.pps.jobs import JobInfo
from pachlocal.pps.pipelines import PipelineInfo
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


def plan(files: FileSystem, job: JobInfo, pipeline: PipelineInfo) -> None:
    """Store all datums of a job, in batches. Begins anew when it was broken off before."""
    with files.transaction() as tx:
        datum_store.clear(tx, job)
    with files.snapshot() as connection:
        output = commits.by_key(connection, job.output)
        sources = input_commits(connection, output, pipeline.spec.input)
        base = None if pipeline.spec.every_job else jobs.base_of(connection, job)
    found = enumerate(enumerate_datums(files.objects, sources, pipeline.spec.input))
    while batch := list(islice(found, _BATCH)):
        with files.snapshot() as connection:
            planned = list(_decide(connection, job, pipeline, base, batch))
        with files.transaction() as tx:
            datum_store.insert(tx, planned)
    with files.transaction() as tx:
        datum_store.set_planned(tx, job)


def _decide(
    connection: Connection,
    job: JobInfo,
    pipeline: PipelineInfo,
    base: JobInfo | None,
    batch: list[tuple[int, Datum]],
) -> Iterator[DatumInfo]:
    leaves = list(pfs_inputs(pipeline.spec.input))
    for ordinal, datum in batch:
        id_, hash_ = datum_id(datum), datum_hash(datum, pipeline.salt)
        before = datum_store.find(connection, base.key, id_) if base is not None else None
        files = store_files(datum, leaves)
        if before is not None and before.hash == hash_ and before.state is not DatumState.RECOVERED:
            yield DatumInfo(
                job.key,
                id_,
                hash_,
                ordinal,
                files,
                DatumState.SKIPPED,
                "unchanged since it was processed",
                output=before.output,
                processed_by=before.processed_by,
            )
        else:
            why = _why(pipeline, before, datum)
            yield DatumInfo(job.key, id_, hash_, ordinal, files, DatumState.UNKNOWN, why)


def _why(pipeline: PipelineInfo, before: DatumInfo | None, datum: Datum) -> str:
    if before is None:
        return "every job runs all datums" if pipeline.spec.every_job else "new input"
    changed = [
        f"{file.input.name}:{file.path}"
        for file, old in zip(datum, before.files, strict=True)
        if file.entry.hash != old.entry.hash
    ]
    if changed:
        return f"changed: {', '.join(changed)}"
    if before.state is DatumState.RECOVERED:
        return "it only recovered the last time"
    return "reprocessing was asked for"
