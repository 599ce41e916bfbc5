"""The datums of jobs as they are stored: planned in batches, taken by workers, recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pachlocal.errors import NotFoundError
from pachlocal.pfs.entries import KINDS, Entry, Root
from pachlocal.pfs.records import CommitInfo
from pachlocal.pps.datums import Datum, DatumFile
from pachlocal.pps.inputs import PfsInput
from pachlocal.pps.jobs import JobInfo
from pachlocal.pps.states import DatumState
from pachlocal.storage.database import Connection, Row

_SELECT = (  # in the order in which `_info` takes them
    "SELECT job_id, id, hash, ordinal, inputs, state, why, output, processed_by, attempts,"
    " download_ns, process_ns, upload_ns, download_bytes, upload_bytes, error FROM datums"
)
_STATES = {int(state): state for state in DatumState}


class StoredFile(NamedTuple):
    """A file of a datum, as a row holds it.

    Attributes:
        leaf: Which of the pipeline's pfs inputs it comes from, counted from 0.
        commit: The row of the commit it lies in.
        path: Its path there; a folder's ends in `/`.
        entry: What it is.
        join_key: The key that joined it.
        group_key: The key that grouped it.
    """

    leaf: int
    commit: int
    path: str
    entry: Entry
    join_key: str
    group_key: str


class Stats(NamedTuple):
    """What one datum cost: times in nanoseconds, sizes in bytes."""

    download_ns: int = 0
    process_ns: int = 0
    upload_ns: int = 0
    download_bytes: int = 0
    upload_bytes: int = 0


class DatumInfo(NamedTuple):
    """A datum of a job.

    Attributes:
        job: The row of its job.
        id: Names its inputs, 32 bytes.
        hash: Names its work, 32 bytes.
        ordinal: Its place among the job's datums.
        files: What lies below `/pfs`.
        state: What became of it.
        why: Why it runs or is skipped.
        output: The tree of `/pfs/out`.
        processed_by: The row of the job in which it last ran; None before it has.
        attempts: How often it was tried.
        stats: What it cost.
        error: Why it failed, in one line.
    """

    job: int
    id: bytes
    hash: bytes
    ordinal: int
    files: tuple[StoredFile, ...]
    state: DatumState
    why: str
    output: Root = None
    processed_by: int | None = None
    attempts: int = 0
    stats: Stats = Stats()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a datum that was processed before gave.

    Attributes:
        output: The tree of `/pfs/out`.
        processed_by: The row of the job in which it ran.
    """

    output: Root
    processed_by: int | None


class DatumOutput(NamedTuple):
    """What a datum has written.

    Attributes:
        id: Names the datum, 32 bytes.
        output: The tree of `/pfs/out`.
    """

    id: bytes
    output: Root


def store_files(datum: Datum, leaves: Sequence[PfsInput]) -> tuple[StoredFile, ...]:
    """Return a datum's files in the form that is stored."""
    return tuple(
        StoredFile(
            leaves.index(file.input),
            file.commit.key,
            file.path,
            file.entry,
            file.join_key,
            file.group_key,
        )
        for file in datum
    )


def load_files(
    files: Iterable[StoredFile], leaves: Sequence[PfsInput], commit: Callable[[int], CommitInfo]
) -> Datum:
    """Return stored files as a datum; `commit` finds an input commit by its row."""
    return tuple(
        DatumFile(
            leaves[file.leaf],
            commit(file.commit),
            file.path,
            file.entry,
            file.join_key,
            file.group_key,
        )
        for file in files
    )


def insert(connection: Connection, datums: Iterable[DatumInfo]) -> None:
    """Add planned datums; one that is there is left: two arms of a union gave it, or it has run."""
    connection.executemany(
        "INSERT OR IGNORE INTO datums (job_id, id, hash, ordinal, inputs, state, why, output,"
        " processed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                datum.job,
                datum.id,
                datum.hash,
                datum.ordinal,
                _dump(datum.files),
                int(datum.state),
                datum.why,
                datum.output,
                datum.processed_by,
            )
            for datum in datums
        ),
    )


def clear(connection: Connection, job: JobInfo) -> None:
    """Forget a job's datums but those it has processed: its planning begins again."""
    connection.execute(
        "DELETE FROM datums WHERE job_id = ? AND processed_by IS NOT job_id", (job.key,)
    )


def set_planned(connection: Connection, job: JobInfo) -> None:
    """Note that all datums of a job are stored."""
    connection.execute("UPDATE jobs SET planned = 1 WHERE id = ?", (job.key,))


class Result(NamedTuple):
    """What became of a datum.

    Attributes:
        state: How it ended.
        output: The tree of `/pfs/out`.
        attempts: How often it was tried.
        stats: What it cost.
        error: Why it failed, in one line.
    """

    state: DatumState
    output: Root
    attempts: int
    stats: Stats
    error: str = ""


def record(connection: Connection, results: Iterable[tuple[DatumInfo, Result]]) -> None:
    """Store what became of datums."""
    connection.executemany(
        "UPDATE datums SET state = ?, output = ?, processed_by = ?, attempts = ?, download_ns = ?,"
        " process_ns = ?, upload_ns = ?, download_bytes = ?, upload_bytes = ?,"
        " error = ? WHERE job_id = ? AND id = ?",
        (
            (
                int(state),
                output,
                datum.job,
                attempts,
                stats.download_ns,
                stats.process_ns,
                stats.upload_ns,
                stats.download_bytes,
                stats.upload_bytes,
                error,
                datum.job,
                datum.id,
            )
            for datum, (state, output, attempts, stats, error) in results
        ),
    )


def find(connection: Connection, job: int, id_: bytes) -> DatumInfo | None:
    """Return a job's datum, or None."""
    row = connection.execute(f"{_SELECT} WHERE job_id = ? AND id = ?", (job, id_)).fetchone()
    return _info(row) if row else None


def find_kept(connection: Connection, job: int, id_: bytes, hash_: bytes) -> Kept | None:
    """Return what a job's datum gave, if it had the same work and was processed."""
    row = connection.execute(
        "SELECT output, processed_by FROM datums"
        " WHERE job_id = ? AND id = ? AND hash = ? AND state IN (?, ?)",
        (job, id_, hash_, int(DatumState.SUCCESS), int(DatumState.SKIPPED)),
    ).fetchone()
    return Kept(row["output"], row["processed_by"]) if row else None


def inspect(connection: Connection, job: JobInfo, id_: bytes) -> DatumInfo:
    """Return a job's datum.

    Raises:
        NotFoundError: The job has none of this ID.
    """
    datum = find(connection, job.key, id_)
    if datum is None:
        raise NotFoundError(f"datum {id_.hex()} not found in job {job.repo}@{job.id}")
    return datum


def list_datums(
    connection: Connection, job: JobInfo, state: DatumState | None = None
) -> Iterator[DatumInfo]:
    """Yield a job's datums in their order, all or those of a state."""
    rows = connection.execute(
        f"{_SELECT} WHERE job_id = ?1 AND state = COALESCE(?2, state) ORDER BY ordinal",
        (job.key, None if state is None else int(state)),
    )
    return map(_info, rows)


def outputs(connection: Connection, job: JobInfo) -> Iterator[DatumOutput]:
    """Yield what those of a job's datums have written that were processed in it, in their order."""
    rows = connection.execute(
        "SELECT id, output FROM datums WHERE job_id = ? AND state = ? ORDER BY ordinal",
        (job.key, int(DatumState.SUCCESS)),
    )
    return (DatumOutput(*row) for row in rows)


def by_id(connection: Connection, job: JobInfo) -> Iterator[DatumInfo]:
    """Yield a job's datums in the order of their IDs, as a tree holds what is said of them."""
    rows = connection.execute(f"{_SELECT} WHERE job_id = ? ORDER BY id", (job.key,))
    return map(_info, rows)


def reasons(connection: Connection, job: JobInfo) -> Iterator[tuple[bytes, str]]:
    """Yield the ID of each of a job's datums and why it runs or is skipped, in their order."""
    rows = connection.execute(
        "SELECT id, why FROM datums WHERE job_id = ? ORDER BY ordinal", (job.key,)
    )
    return ((row["id"], row["why"]) for row in rows)


def count(connection: Connection, job: JobInfo, state: DatumState) -> int:
    """Return how many of a job's datums are in a state."""
    (number,) = connection.execute(
        "SELECT COUNT(*) FROM datums WHERE job_id = ? AND state = ?", (job.key, int(state))
    ).fetchone()
    return int(number)


def pending(connection: Connection, job: JobInfo, after: int, limit: int) -> list[DatumInfo]:
    """Return the next datums that wait for a worker, those with a greater ordinal than `after`."""
    rows = connection.execute(
        f"{_SELECT} WHERE job_id = ? AND state = ? AND ordinal > ? ORDER BY ordinal LIMIT ?",
        (job.key, int(DatumState.UNKNOWN), after, limit),
    )
    return [_info(row) for row in rows]


def outdated(connection: Connection, base: JobInfo, job: JobInfo) -> Iterator[DatumInfo]:
    """Yield the datums of an earlier job whose results don't stay, in the order of their IDs.

    They have changed, or are no longer there.
    """
    rows = connection.execute(
        f"{_SELECT} old WHERE job_id = ? AND NOT EXISTS (SELECT 1"
        " FROM datums new WHERE new.job_id = ? AND new.id = old.id AND new.state = ?) ORDER BY id",
        (base.key, job.key, int(DatumState.SKIPPED)),
    )
    return map(_info, rows)


def _dump(files: Sequence[StoredFile]) -> str:
    return json.dumps(
        [
            [
                file.leaf,
                file.commit,
                file.path,
                file.entry.key,
                int(file.entry.kind),
                file.entry.hash.hex(),
                file.entry.size,
                file.join_key,
                file.group_key,
            ]
            for file in files
        ],
        separators=(",", ":"),
    )


def _load(text: str) -> tuple[StoredFile, ...]:
    return tuple(
        StoredFile(
            leaf,
            commit,
            path,
            Entry(key, KINDS[kind], bytes.fromhex(hash_), size),
            joined,
            grouped,
        )
        for leaf, commit, path, key, kind, hash_, size, joined, grouped in json.loads(text)
    )


def _info(row: Row) -> DatumInfo:
    """Return a datum from its columns, taken by their order: by their names takes twice as long."""
    job, id_, hash_, ordinal, inputs, state, why, output, by, attempts, *stats, error = row
    return DatumInfo(
        job=job,
        id=id_,
        hash=hash_,
        ordinal=ordinal,
        files=_load(inputs),
        state=_STATES[state],
        why=why,
        output=output,
        processed_by=by,
        attempts=attempts,
        stats=Stats(*stats),
        error=error,
    )
