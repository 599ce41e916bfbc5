"""Jobs: one for each commit of a pipeline's output, in the same transaction that made the commit.

All transitions are transactions, so that after a crash a job is where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pachlocal.errors import NotFoundError
from pachlocal.pfs import commits
from pachlocal.pfs.content import Reader
from pachlocal.pfs.entries import Root
from pachlocal.pfs.names import META, RepoName
from pachlocal.pfs.transaction import Transaction
from pachlocal.pps.states import DatumState, JobState
from pachlocal.storage.database import Connection, Row

_SELECT = """
    SELECT j.*, p.project, p.name AS pipeline FROM jobs j JOIN pipelines p ON p.id = j.pipeline_id
"""
_UNFINISHED = (JobState.CREATED, JobState.STARTING, JobState.RUNNING, JobState.FINISHING)
IS_UNFINISHED = f"j.state IN ({', '.join(str(int(state)) for state in _UNFINISHED)})"


class LeftError(Exception):
    """A job is left as it is: we stop, or it was ended from outside."""


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
        state: Where it is.
        reason: Why, when it failed.
        created: When (ns since 1970).
        started: When it began to run.
        finished: When it ended.
        restart: How often it was taken up again after a stop of the daemon.
        planned: Whether all of its datums are known.
    """

    key: int
    pipeline: int
    repo: RepoName
    id: str
    version: int
    output: int
    state: JobState
    reason: str
    created: int
    started: int | None
    finished: int | None
    restart: int
    planned: bool


@dataclass(frozen=True, slots=True)
class Progress:
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
    """Make the jobs of a transaction: one for each new commit on a pipeline's output branch."""
    for commit in tx.appeared:
        tx.connection.execute(
            "INSERT INTO jobs (pipeline_id, version, commit_set, output_id, state, created)"
            " SELECT p.id, p.version, c.commit_set, c.id, ?, ? FROM commits c"
            " JOIN repos r ON r.id = c.repo_id JOIN projects j ON j.id = r.project_id"
            " JOIN pipelines p ON p.project = j.name AND p.name = r.name"
            " JOIN pipeline_versions v ON v.pipeline_id = p.id AND v.version = p.version"
            " WHERE c.id = ? AND r.type = 'user'"
            " AND c.branch = json_extract(v.effective_spec, '$.output_branch')",
            (int(JobState.CREATED), tx.now, commit),
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


def of_output(connection: Connection, commit: int) -> JobInfo | None:
    """Return the job that made an output commit."""
    row = connection.execute(f"{_SELECT} WHERE j.output_id = ?", (commit,)).fetchone()
    return _info(row) if row else None


def list_jobs(
    connection: Connection,
    *,
    pipeline: int | None = None,
    version: int | None = None,
    projects: Sequence[str] = (),
) -> Iterator[JobInfo]:
    """Yield jobs, the newest first: of a pipeline, of one of its versions, of some projects."""
    rows = connection.execute(
        f"{_SELECT} WHERE j.pipeline_id = COALESCE(?, j.pipeline_id)"
        " AND j.version = COALESCE(?, j.version) ORDER BY j.id DESC",
        (pipeline, version),
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


def base_of(connection: Connection, job: JobInfo) -> JobInfo | None:
    """Return the job whose results a job begins with: the nearest one before it that succeeded."""
    commit = commits.parent_of(connection, commits.by_key(connection, job.output))
    while commit is not None:
        found = of_output(connection, commit.key)
        if found is not None and found.state is JobState.SUCCESS:
            return found
        commit = commits.parent_of(connection, commit)
    return None


def progress(connection: Connection, job: JobInfo) -> Progress:
    """Count a job's datums."""
    rows = connection.execute(
        "SELECT state, COUNT(*) AS n,"
        " SUM(download_ns) AS download_ns, SUM(process_ns) AS process_ns,"
        " SUM(upload_ns) AS upload_ns, SUM(download_bytes) AS download_bytes,"
        " SUM(upload_bytes) AS upload_bytes FROM datums WHERE job_id = ? GROUP BY state",
        (job.key,),
    ).fetchall()
    counts = {DatumState(row["state"]): row["n"] for row in rows}
    ran = [row for row in rows if row["state"] != DatumState.SKIPPED]
    return Progress(
        total=sum(counts.values()),
        processed=counts.get(DatumState.SUCCESS, 0),
        skipped=counts.get(DatumState.SKIPPED, 0),
        failed=counts.get(DatumState.FAILED, 0),
        recovered=counts.get(DatumState.RECOVERED, 0),
        download_ns=sum(row["download_ns"] for row in ran),
        process_ns=sum(row["process_ns"] for row in ran),
        upload_ns=sum(row["upload_ns"] for row in ran),
        download_bytes=sum(row["download_bytes"] for row in ran),
        upload_bytes=sum(row["upload_bytes"] for row in ran),
    )


def set_state(tx: Transaction, job: JobInfo, state: JobState) -> None:
    """Move a job on, unless it has ended; the first time it runs is when it started."""
    tx.connection.execute(
        "UPDATE jobs AS j SET state = ?1, started = CASE WHEN ?1 = ?2 THEN COALESCE(started, ?3)"
        f" ELSE started END WHERE id = ?4 AND {IS_UNFINISHED}",
        (int(state), int(JobState.RUNNING), tx.now, job.key),
    )


def count_restarts(tx: Transaction) -> None:
    """Note that the daemon was stopped while these jobs ran, and takes them up again."""
    tx.connection.execute(
        "UPDATE jobs SET restart = restart + 1 WHERE state IN (?, ?)",
        (int(JobState.RUNNING), int(JobState.FINISHING)),
    )


def succeed(tx: Transaction, objects: Reader, job: JobInfo, output: Root, meta: Root) -> JobInfo:
    """End a job with its results. When they can't be a commit, the job fails with the reason."""
    commit = commits.by_key(tx.connection, job.output)
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
    commit = commits.by_key(tx.connection, job.output)
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
    tx.connection.execute("DELETE FROM jobs WHERE id = ?", (job.key,))


def _finish_meta(tx: Transaction, objects: Reader, job: JobInfo, meta: Root, error: str) -> None:
    commit = commits.find_in_set(tx.connection, job.repo.of_type(META), job.id)
    if commit is not None and commit.finished is None:
        written = commits.set_root(tx, objects, commit, meta)
        commits.finish(tx, objects, written, error=error, is_sound=True)  # we made all its names


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
        state=JobState(row["state"]),
        reason=row["reason"],
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        restart=row["restart"],
        planned=bool(row["planned"]),
    )
