"""Jobs: one for each commit of a pipeline's output, in the same transaction that made the commit.

All transitions are transactions, so that after a crash a job is where it was.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pachlocal.errors import NotFoundError
from pachlocal.pfs.history import commits
from pachlocal.pfs.history.names import META, RepoName
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pfs.tree.content import Reader
from pachlocal.pfs.tree.entries import Root
from pachlocal.pps.spec.states import DatumState, JobState
from pachlocal.pps.tables import log_sizes
from pachlocal.storage.database import Connection, Row

_SELECT = """
    SELECT j.*, p.project, p.name AS pipeline,
        (SELECT c.branch FROM commits c WHERE c.id = j.output_id) AS branch
    FROM jobs j JOIN pipelines p ON p.id = j.pipeline_id
"""
_UNFINISHED = (JobState.CREATED, JobState.STARTING, JobState.RUNNING, JobState.FINISHING)
_SUMS = ", ".join(
    f"COALESCE(SUM({column}), 0)"
    for column in ("download_ns", "process_ns", "upload_ns", "download_bytes", "upload_bytes")
)
IS_UNFINISHED = f"j.state IN ({', '.join(str(int(state)) for state in _UNFINISHED)})"

CAN_RUN = f"""{IS_UNFINISHED} AND NOT EXISTS (
    SELECT 1 FROM commit_provenance v JOIN commits s ON s.id = v.provenance_id
    WHERE v.commit_id = j.output_id AND s.finished IS NULL
)"""
"""Whether a job `j` that has not ended has its input: an autoscaling pipeline has workers then."""


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job.

    Attributes:
        key: Its row; grows in the order of creation.
        pipeline: The row of its pipeline.
        repo: The pipeline's output repo, which has its project and name.
        id: The job's ID: that of its commit set and output commit.
        version: The pipeline's version that it runs.
        output: The row of its output commit.
        branch: The branch that this was made on.
        state: Where it is.
        reason: Why, when it failed.
        created: When (ns since 1970).
        started: When it began to run.
        finished: When it ended.
        restart: How often it was taken up again after a stop of the daemon.
        planned: Whether all of its datums are known.
        code: The row of the code version that it runs; None if its image has no code of its own,
            or it hasn't started.
    """

    key: int
    pipeline: int
    repo: RepoName
    id: str
    version: int
    output: int
    branch: str
    state: JobState
    reason: str
    created: int
    started: int | None
    finished: int | None
    restart: int
    planned: bool
    code: int | None = None


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How many datums of a job are in which state, and what they cost.

    Times are in nanoseconds and sizes in bytes, summed over the datums.
    """

    total: int
    processed: int
    skipped: int
    failed: int
    recovered: int
    download_ns: int
    process_ns: int
    upload_ns: int
    download_bytes: int
    upload_bytes: int


def create_for_new_commits(tx: Transaction) -> None:
    """Make the jobs of a transaction: one for each commit opened on a pipeline's output branch."""
    if tx.appeared:
        tx.connection.execute(
            "INSERT INTO jobs (pipeline_id, version, commit_set, output_id, state, created)"
            " SELECT p.id, p.version, c.commit_set, c.id, ?, ?"
            " FROM json_each(?) appeared CROSS JOIN commits c ON c.id = appeared.value"
            " JOIN repos r ON r.id = c.repo_id JOIN projects j ON j.id = r.project_id"
            " JOIN pipelines p ON p.project = j.name AND p.name = r.name"
            " JOIN pipeline_versions v ON v.pipeline_id = p.id AND v.version = p.version"
            " WHERE r.type = 'user' AND c.finished IS NULL"
            " AND c.branch = json_extract(v.effective_spec, '$.output_branch')"
            " ORDER BY appeared.key",
            (int(JobState.CREATED), tx.now, json.dumps(tx.appeared)),
        )


def inspect(connection: Connection, pipeline: RepoName, id_: str) -> JobInfo:
    """Return a job.

    Raises:
        NotFoundError: The pipeline has none of this ID.
    """
    row = connection.execute(
        f"{_SELECT} WHERE p.project = ? AND p.name = ? AND j.commit_set = ?",
        (pipeline.project, pipeline.name, id_),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"jobs {pipeline}@{id_} not found")
    return _info(row)


def by_key(connection: Connection, key: int) -> JobInfo:
    """Return the job of a row.

    Raises:
        NotFoundError: It was deleted.
    """
    row = connection.execute(f"{_SELECT} WHERE j.id = ?", (key,)).fetchone()
    if row is None:
        raise NotFoundError("job was deleted")
    return _info(row)


def is_ended(connection: Connection, key: int) -> bool:
    """Whether the job of a row has ended, by itself or from outside, or was deleted."""
    row = connection.execute(
        f"SELECT 1 FROM jobs AS j WHERE j.id = ? AND {IS_UNFINISHED}", (key,)
    ).fetchone()
    return row is None


def of_output(connection: Connection, commit: int) -> JobInfo | None:
    """Return the job that made an output commit."""
    row = connection.execute(f"{_SELECT} WHERE j.output_id = ?", (commit,)).fetchone()
    return _info(row) if row else None


def list_jobs(
    connection: Connection,
    *,
    pipeline: int | None = None,
    history_depth: int = -1,
    projects: Sequence[str] = (),
) -> Iterator[JobInfo]:
    """Yield jobs, the newest first.

    Args:
        connection: The state to look at.
        pipeline: Only those of this one, if given.
        history_depth: Only those of the current versions of pipelines, and of so many earlier ones;
            -1 for all.
        projects: Only those in these projects; empty for all.
    """
    rows = connection.execute(
        f"{_SELECT} WHERE j.pipeline_id = COALESCE(?, j.pipeline_id)"
        " AND (? < 0 OR p.version - j.version <= ?) ORDER BY j.id DESC",
        (pipeline, history_depth, history_depth),
    )
    for row in rows:
        if not projects or row["project"] in projects:
            yield _info(row)


def job_set(connection: Connection, id_: str) -> list[JobInfo]:
    """Return the jobs of a commit set, inputs first; none when it has none."""
    rows = connection.execute(f"{_SELECT} WHERE j.commit_set = ? ORDER BY j.output_id", (id_,))
    return [_info(row) for row in rows]


def job_set_ids(connection: Connection) -> list[str]:
    """Return the IDs of all commit sets that have jobs, the newest first."""
    rows = connection.execute("SELECT commit_set FROM jobs GROUP BY 1 ORDER BY MIN(id) DESC")
    return [row["commit_set"] for row in rows]


def inputs_of(connection: Connection, job: JobInfo) -> set[int]:
    """Return the rows of the commits that a job's output is made from."""
    rows = connection.execute(
        "SELECT provenance_id FROM commit_provenance WHERE commit_id = ?", (job.output,)
    )
    return {row["provenance_id"] for row in rows}


def list_unfinished(connection: Connection, pipeline: int, version: int) -> Iterator[JobInfo]:
    """Yield the jobs of a pipeline's version that have not ended, the oldest first."""
    rows = connection.execute(
        f"{_SELECT} WHERE j.pipeline_id = ? AND j.version = ? AND {IS_UNFINISHED} ORDER BY j.id",
        (pipeline, version),
    )
    return map(_info, rows)


def next_unfinished(connection: Connection, pipeline: int, version: int) -> JobInfo | None:
    """Return the oldest job of a pipeline's version that has not ended."""
    return next(list_unfinished(connection, pipeline, version), None)


def newest_with_results(connection: Connection, pipeline: int) -> JobInfo | None:
    """Return the newest job of a pipeline (by row) that succeeded; None when there is none."""
    row = connection.execute(
        f"{_SELECT} WHERE j.pipeline_id = ? AND j.state = ? ORDER BY j.id DESC LIMIT 1",
        (pipeline, int(JobState.SUCCESS)),
    ).fetchone()
    return _info(row) if row else None


def base_of(connection: Connection, job: JobInfo) -> JobInfo | None:
    """Return the job whose results a job begins with: the nearest one before it that succeeded."""
    commit = commits.parent_of(connection, commits.itself(connection, job.output))
    while commit is not None:
        found = of_output(connection, commit.key)
        if found is not None and found.state is JobState.SUCCESS:
            return found
        commit = commits.parent_of(connection, commit)
    return None


def progress(connection: Connection, job: JobInfo) -> JobProgress:
    """Count a job's datums."""
    counts: Counter[DatumState] = Counter()
    for state, number in connection.execute(
        "SELECT state, COUNT(*) FROM datums WHERE job_id = ? GROUP BY state", (job.key,)
    ):
        counts[DatumState(state)] = number
    sums = connection.execute(  # `+`: not by the index, or each is looked for in the table
        f"SELECT {_SUMS} FROM datums WHERE job_id = ? AND +state <> ?",
        (job.key, int(DatumState.SKIPPED)),
    ).fetchone()
    return JobProgress(
        counts.total(),
        counts[DatumState.SUCCESS],
        counts[DatumState.SKIPPED],
        counts[DatumState.FAILED],
        counts[DatumState.RECOVERED],
        *sums,
    )


def set_state(tx: Transaction, job: JobInfo, state: JobState) -> None:
    """Move a job on, unless it has ended; the first time it runs is when it started."""
    tx.connection.execute(
        "UPDATE jobs AS j SET state = ?1, started = CASE WHEN ?1 = ?2 THEN COALESCE(started, ?3)"
        f" ELSE started END WHERE id = ?4 AND {IS_UNFINISHED}",
        (int(state), int(JobState.RUNNING), tx.now, job.key),
    )


def set_code(tx: Transaction, job: JobInfo, code: int | None) -> None:
    """Note by which version of the code (by row) a job runs, if by any."""
    tx.connection.execute(
        "UPDATE jobs SET code_id = ?1 WHERE id = ?2 AND code_id IS NOT ?1", (code, job.key)
    )


def code_name(connection: Connection, job: JobInfo) -> str:
    """Return the name of the version of the code that a job runs by now; empty if there is none."""
    row = connection.execute(
        "SELECT c.name FROM jobs j JOIN code_versions c ON c.id = j.code_id WHERE j.id = ?",
        (job.key,),
    ).fetchone()
    return row["name"] if row else ""


def count_restarts(tx: Transaction) -> None:
    """Note that the daemon was stopped while these jobs ran, and takes them up again."""
    tx.connection.execute(
        "UPDATE jobs SET restart = restart + 1 WHERE state IN (?, ?)",
        (int(JobState.RUNNING), int(JobState.FINISHING)),
    )


def succeed(tx: Transaction, objects: Reader, job: JobInfo, output: Root, meta: Root) -> JobInfo:
    """End a job with its results. When they can't be a commit, the job fails with the reason."""
    commit = commits.itself(tx.connection, job.output)
    written = commits.set_root(tx, objects, commit, output)
    finished = commits.finish(tx, objects, written)
    if finished.error:
        commits.discard(tx, finished)
    _finish_meta(tx, objects, job, meta, finished.error)
    state = JobState.FAILURE if finished.error else JobState.SUCCESS
    return _end(tx, job, state, finished.error)


def end_without_output(
    tx: Transaction, objects: Reader, job: JobInfo, state: JobState, reason: str, meta: Root = None
) -> JobInfo:
    """End a job that has no results: its output commit is finished, empty, with the reason."""
    commit = commits.itself(tx.connection, job.output)
    if commit.finished is None:
        written = commits.set_root(tx, objects, commit, None)
        commits.finish(tx, objects, written, error=reason)
    _finish_meta(tx, objects, job, meta, reason)
    return _end(tx, job, state, reason)


def kill_unfinished(tx: Transaction, objects: Reader, pipeline: int, reason: str) -> None:
    """End all jobs of a pipeline that have not ended."""
    rows = tx.connection.execute(
        f"{_SELECT} WHERE j.pipeline_id = ? AND {IS_UNFINISHED} ORDER BY j.id", (pipeline,)
    )
    for row in rows.fetchall():
        end_without_output(tx, objects, _info(row), JobState.KILLED, reason)


def delete(tx: Transaction, objects: Reader, job: JobInfo) -> None:
    """Forget a job; one that has not ended is ended first. Its output commit stays."""
    if not job.state.is_terminal:
        end_without_output(tx, objects, job, JobState.KILLED, "job was deleted")
    log_sizes.delete_of_job(tx.connection, job.key)
    tx.connection.execute("DELETE FROM jobs WHERE id = ?", (job.key,))


def _finish_meta(tx: Transaction, objects: Reader, job: JobInfo, meta: Root, error: str) -> None:
    commit = commits.find_in_set(tx.connection, job.repo.of_type(META), job.id)
    if commit is not None and commit.finished is None:
        written = commits.set_root(tx, objects, commit, meta)
        commits.finish(tx, objects, written, error=error, flaw="")  # we made all its names


def _end(tx: Transaction, job: JobInfo, state: JobState, reason: str) -> JobInfo:
    tx.connection.execute(
        "UPDATE jobs AS j SET state = ?, reason = ?, started = COALESCE(started, ?), finished = ?"
        f" WHERE id = ? AND {IS_UNFINISHED}",
        (int(state), reason, tx.now, tx.now, job.key),
    )
    return by_key(tx.connection, job.key)


def _info(row: Row) -> JobInfo:
    return JobInfo(
        key=row["id"],
        pipeline=row["pipeline_id"],
        repo=RepoName(row["project"], row["pipeline"]),
        id=row["commit_set"],
        version=row["version"],
        output=row["output_id"],
        branch=row["branch"],
        state=JobState(row["state"]),
        reason=row["reason"],
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        restart=row["restart"],
        planned=bool(row["planned"]),
        code=row["code_id"],
    )
