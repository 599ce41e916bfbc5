"""The datums of jobs as they are stored: planned in batches, taken by workers, recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from itertools import starmap
from json.encoder import encode_basestring_ascii as _quoted
from typing import NamedTuple, TypeAlias

from pachlocal.errors import NotFoundError
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pfs.tree.entries import KINDS, Entry, Root
from pachlocal.pps.spec.datums import Datum, DatumFile
from pachlocal.pps.spec.inputs import PfsInput
from pachlocal.pps.spec.states import DatumState
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.storage.database import Connection, Row
from pachlocal.storage.integrity import row_sum

_SELECT = (  # in the order in which `_info` takes them
    "SELECT job_id, id, hash, ordinal, inputs, state, why, output, processed_by, attempts,"
    " download_ns, process_ns, upload_ns, download_bytes, upload_bytes, error, code_id FROM datums"
)
SUMS = {
    "planned_sum": ("job_id", "id", "hash", "ordinal", "inputs", "why"),
    "result_sum": (
        *("job_id", "id", "state", "output", "processed_by", "attempts", "download_ns"),
        *("process_ns", "upload_ns", "download_bytes", "upload_bytes", "error"),
    ),
}
"""The columns with checksums, and which columns each covers; see `pachlocal.storage.integrity`."""

_STATES = {int(state): state for state in DatumState}
_LOOKED_UP = 500  # a statement

PlannedRow: TypeAlias = "tuple[object, ...]"
"""What `insert` takes."""


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


_NOT_RUN = (0, *Stats(), "")  # attempts, stats and error, as the table has them by default


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
        code: The row of the code version that made its output; None if none is known.
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
    code: int | None = None


class PlannedDatum(NamedTuple):
    """A datum of a job that is planned.

    Attributes:
        id: Names its inputs, 32 bytes.
        hash: Names its work, 32 bytes.
        ordinal: Its place among the job's datums.
        files: What lies below `/pfs`.
        state: Whether it runs, is skipped, or waits.
        why: Why.
    """

    id: bytes
    hash: bytes
    ordinal: int
    files: Datum
    state: DatumState
    why: str


class PreviousOutput(NamedTuple):
    """What a datum that was processed before gave.

    Attributes:
        output: The tree of `/pfs/out`.
        processed_by: The row of the job in which it ran.
        code: The row of the code version that made it.
    """

    output: Root
    processed_by: int | None
    code: int | None


class DatumOutput(NamedTuple):
    """What a datum has written.

    Attributes:
        id: Names the datum, 32 bytes.
        output: The tree of `/pfs/out`.
    """

    id: bytes
    output: Root


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


def planned_row(
    job: JobInfo,
    datum: PlannedDatum,
    leaves: Sequence[PfsInput],
    previous: PreviousOutput | None = None,
) -> PlannedRow:
    """Return a planned datum of a job as a row to insert.

    Args:
        job: The job.
        datum: The datum.
        leaves: The pipeline's pfs inputs.
        previous: What it gave before and stays, if it is skipped.
    """
    id_, hash_, ordinal, files, state, why = datum
    output, processed_by, code = previous or (None, None, None)
    work = (job.key, id_, hash_, ordinal, _dump(files, leaves), why)
    result = (int(state), output, processed_by)
    result_sum = row_sum((job.key, id_, *result, *_NOT_RUN))
    return (*work, row_sum(work), *result, result_sum, code)


def insert(connection: Connection, rows: Iterable[PlannedRow]) -> None:
    """Add planned datums; one that is there is left: two arms of a union gave it, or it has run."""
    connection.executemany(
        "INSERT OR IGNORE INTO datums (job_id, id, hash, ordinal, inputs, why, planned_sum, state,"
        " output, processed_by, result_sum, code_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


def has_any(connection: Connection, job: JobInfo) -> bool:
    """Whether datums of a job are stored."""
    row = connection.execute("SELECT 1 FROM datums WHERE job_id = ? LIMIT 1", (job.key,))
    return row.fetchone() is not None


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
        start_ns: The part of its time in which the program was started.
    """

    state: DatumState
    output: Root
    attempts: int
    stats: Stats
    error: str = ""
    start_ns: int = 0


def record(connection: Connection, results: Iterable[tuple[DatumInfo, Result]]) -> None:
    """Store what became of datums."""
    connection.executemany(
        "UPDATE datums SET state = ?, output = ?, processed_by = ?, attempts = ?, download_ns = ?,"
        " process_ns = ?, upload_ns = ?, download_bytes = ?, upload_bytes = ?, error = ?,"
        " code_id = (SELECT code_id FROM jobs WHERE jobs.id = datums.job_id), result_sum = ?"
        " WHERE job_id = ? AND id = ?",
        starmap(_recorded, results),
    )


def _recorded(datum: DatumInfo, result: Result) -> tuple[object, ...]:
    """Return what became of a datum as columns, and its row's key."""
    state, output, attempts, stats, error, _ = result
    key = (datum.job, datum.id)
    columns = (int(state), output, datum.job, attempts, *stats, error)
    return (*columns, row_sum(key + columns), *key)


def find(connection: Connection, job: int, id_: bytes) -> DatumInfo | None:
    """Return a job's datum, or None."""
    row = connection.execute(f"{_SELECT} WHERE job_id = ? AND id = ?", (job, id_)).fetchone()
    return _info(row) if row else None


def previous_outputs(
    connection: Connection, job: int, ids: Sequence[bytes]
) -> dict[bytes, tuple[bytes, PreviousOutput]]:
    """Return what processed datums of a job gave, by their IDs, each after the hash of its work."""
    columns = "id, hash, output, processed_by, code_id"
    rows = _of_ids(connection, columns, job, ids, (DatumState.SUCCESS, DatumState.SKIPPED))
    return {id_: (hash_, PreviousOutput(*previous)) for id_, hash_, *previous in rows}


def known(connection: Connection, job: JobInfo, ids: Sequence[bytes]) -> set[bytes]:
    """Return which of some IDs a job has datums of."""
    return {id_ for (id_,) in _of_ids(connection, "id", job.key, ids)}


def _of_ids(
    connection: Connection,
    columns: str,
    job: int,
    ids: Sequence[bytes],
    states: Collection[DatumState] = (),
) -> Iterator[Row]:
    """Yield datums by their IDs, many a statement: that costs a fraction of one for each."""
    for start in range(0, len(ids), _LOOKED_UP):
        some = ids[start : start + _LOOKED_UP]
        marks = ", ".join("?" * len(some))
        yield from connection.execute(
            f"SELECT {columns} FROM datums WHERE job_id = ? AND id IN ({marks}){_in(states)}",
            (job, *some, *map(int, states)),
        )


def find_earlier_output(
    connection: Connection, pipeline: int, code: int, id_: bytes, hash_: bytes
) -> PreviousOutput | None:
    """Return what a datum of the same work gave in any job of a pipeline (by row).

    Args:
        connection: The state to look at.
        pipeline: The pipeline.
        code: The row of the code version that made it, which is part of the hash.
        id_: Names the datum's inputs.
        hash_: Names its work.
    """
    row = connection.execute(
        "SELECT d.output, d.processed_by, d.code_id FROM datums d JOIN jobs j ON j.id = d.job_id"
        " WHERE d.code_id = ? AND d.hash = ? AND d.id = ? AND d.state IN (?, ?)"
        " AND j.pipeline_id = ? ORDER BY d.job_id DESC LIMIT 1",
        (code, hash_, id_, int(DatumState.SUCCESS), int(DatumState.SKIPPED), pipeline),
    ).fetchone()
    return PreviousOutput(*row) if row else None


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
    connection: Connection, job: JobInfo, state: DatumState | None = None, after: int = -1
) -> Iterator[DatumInfo]:
    """Yield a job's datums in their order, all or those of a state, after an ordinal.

    The index has them in this order for each state, so the first come without a look at the rest.
    """
    wanted = DatumState if state is None else (state,)
    each = (f"{_SELECT} WHERE job_id = ?1 AND ordinal > ?2 AND state = {one:d}" for one in wanted)
    statement = f"{' UNION ALL '.join(each)} ORDER BY ordinal"
    return map(_info, connection.execute(statement, (job.key, after)))


def outputs(
    connection: Connection, job: JobInfo, reused: Set[bytes] = frozenset()
) -> Iterator[DatumOutput]:
    """Yield what those of a job's datums have written that are new in it, in their order.

    They were processed in it, or are among those reused (by ID).
    """
    rows = connection.execute(
        "SELECT id, output FROM datums WHERE job_id = ? AND state = ? ORDER BY ordinal",
        (job.key, int(DatumState.SUCCESS)),
    )
    yield from (DatumOutput(*row) for row in rows)
    for id_ in sorted(reused):
        datum = find(connection, job.key, id_)
        if datum is not None:
            yield DatumOutput(id_, datum.output)


def reused(connection: Connection, base: JobInfo | None, job: JobInfo) -> set[bytes]:
    """Return the IDs of a job's datums whose output is that of an earlier job than its base."""
    rows = connection.execute(
        "SELECT id FROM datums new WHERE job_id = ? AND state = ? AND NOT EXISTS (SELECT 1"
        " FROM datums old WHERE old.job_id = ? AND old.id = new.id AND old.hash = new.hash"
        " AND old.state IN (?, ?))",
        (
            job.key,
            int(DatumState.SKIPPED),
            base.key if base is not None else None,
            int(DatumState.SUCCESS),
            int(DatumState.SKIPPED),
        ),
    )
    return {row["id"] for row in rows}


def by_id(
    connection: Connection, job: JobInfo, after: bytes = b"", states: Collection[DatumState] = ()
) -> Iterator[DatumInfo]:
    """Yield a job's datums in the order of their IDs: all, or those after one, or in some states.

    In this order users see them, and a tree holds what is said of them.
    """
    rows = connection.execute(
        f"{_SELECT} WHERE job_id = ? AND id > ?{_in(states)} ORDER BY id",
        (job.key, after, *map(int, states)),
    )
    return map(_info, rows)


def by_id_backwards(
    connection: Connection,
    job: JobInfo,
    before: bytes | None = None,
    states: Collection[DatumState] = (),
) -> Iterator[DatumInfo]:
    """Yield a job's datums from the last ID to the first; see `by_id`."""
    rows = connection.execute(
        f"{_SELECT} WHERE job_id = ?1 AND (?2 IS NULL OR id < ?2){_in(states)} ORDER BY id DESC",
        (job.key, before, *map(int, states)),
    )
    return map(_info, rows)


def slowest(
    connection: Connection,
    job: JobInfo,
    after: DatumInfo | None = None,
    states: Collection[DatumState] = (),
    limit: int = -1,
) -> list[DatumInfo]:
    """Return a job's datums, those first whose program took longest.

    Args:
        connection: The state to look at.
        job: The job.
        after: Only those that come after this one.
        states: Only those in these states, if there are any.
        limit: How many at most; -1 for all.
    """
    place = (after.stats.process_ns, after.id) if after is not None else (None, None)
    rows = connection.execute(
        f"{_SELECT} WHERE job_id = ? AND id IN (SELECT id FROM datums WHERE job_id = ?"
        " AND (? IS NULL OR (-process_ns, id) > (-?, ?))"
        f"{_in(states)} ORDER BY process_ns DESC, id LIMIT ?) ORDER BY process_ns DESC, id",
        (job.key, job.key, place[0], *place, *map(int, states), limit),
    )
    return list(map(_info, rows))


def with_new_records(
    connection: Connection, job: JobInfo, reused: Set[bytes]
) -> Iterator[DatumInfo]:
    """Yield those of a job's datums whose records differ from those of the job's base.

    They weren't skipped, or are among those reused (by ID). The rows of the others, which may be
    100,000, are not parsed.
    """
    yield from by_id(
        connection, job, states=[it for it in DatumState if it is not DatumState.SKIPPED]
    )
    for id_ in sorted(reused):
        datum = find(connection, job.key, id_)
        if datum is not None:
            yield datum


def _in(states: Collection[DatumState]) -> str:
    return f" AND state IN ({', '.join('?' * len(states))})" if states else ""


class DatumReason(NamedTuple):
    """What is said of a datum.

    Attributes:
        id: Names its inputs, 32 bytes.
        why: Why it runs or is skipped.
        code: The row of the code version that made its output; None if none is known.
    """

    id: bytes
    why: str
    code: int | None


def reasons(connection: Connection, job: JobInfo) -> Iterator[DatumReason]:
    """Yield what is said of each of a job's datums, in their order."""
    rows = connection.execute(
        "SELECT id, why, code_id FROM datums WHERE job_id = ? ORDER BY ordinal", (job.key,)
    )
    return (DatumReason(*row) for row in rows)


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
        " FROM datums new WHERE new.job_id = ? AND new.id = old.id AND new.hash = old.hash"
        " AND new.state = ?) ORDER BY id",
        (base.key, job.key, int(DatumState.SKIPPED)),
    )
    return map(_info, rows)


def _dump(datum: Datum, leaves: Sequence[PfsInput]) -> str:
    """Return files as JSON, put together here: `json.dumps` takes six times as long."""
    files = [
        f"[{leaves.index(leaf)},{commit.key},{_quoted(path)},{_quoted(entry.key)},{entry.kind:d},"
        f'"{entry.hash.hex()}",{entry.size},{_quoted(join_key)},{_quoted(group_key)}]'
        for leaf, commit, path, entry, join_key, group_key in datum
    ]
    return f"[{','.join(files)}]"


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
    job, id_, hash_, ordinal, inputs, state, why, output, by, attempts, *stats, error, code = row
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
        code=code,
    )
