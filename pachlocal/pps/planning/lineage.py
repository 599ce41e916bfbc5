"""A file's lineage: the datum that made it, what that read, and so on back to users' commits.

For a file that no pipeline made, the commit that last changed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pachlocal.errors import FailedPreconditionError, NotFoundError
from pachlocal.pfs.files.files import inspect_file
from pachlocal.pfs.history import commits
from pachlocal.pfs.history.names import USER
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pfs.tree import tree
from pachlocal.pfs.tree.content import Reader
from pachlocal.pfs.tree.entries import Entry
from pachlocal.pps.spec.states import DatumState
from pachlocal.pps.tables import code_versions, datum_store, jobs, pipelines
from pachlocal.pps.tables.code_versions import CodeVersion
from pachlocal.pps.tables.datum_store import DatumInfo
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.storage.database import Connection

_MAX_DATUMS = 10  # that are told for one folder
_MAX_FILES = 1000  # that are explained in all

_FINISHED = (DatumState.SUCCESS, DatumState.SKIPPED)


@dataclass(frozen=True, slots=True)
class DatumOrigin:
    """A datum that made a file.

    Attributes:
        datum: As the job has it that the file's commit is of.
        job: That job.
        ran: As the job has it in which it ran: another one when it was skipped.
        ran_in: That job; None when it was deleted.
        pipeline: The pipeline, in the version that ran.
        code: The version of the code that made its output; None when none is known.
        inputs: What it read.
    """

    datum: DatumInfo
    job: JobInfo
    ran: DatumInfo
    ran_in: JobInfo | None
    pipeline: PipelineInfo
    code: CodeVersion | None
    inputs: tuple[FileOrigin, ...]


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """A file or folder, and where it comes from.

    Attributes:
        commit: The commit that it was read in.
        path: Its path there; a folder's ends in `/`.
        entry: What it is.
        datums: What made it: of a file one datum, of a folder all or the first of them.
        more_datums: Whether others had a part in it, too.
        changed: For what no pipeline made: the commit that last changed it.
        repeated: Whether it was explained before, in the same answer, or there is too much to
            explain.
    """

    commit: CommitInfo
    path: str
    entry: Entry
    datums: tuple[DatumOrigin, ...] = ()
    more_datums: bool = False
    changed: CommitInfo | None = None
    repeated: bool = False


def trace(connection: Connection, objects: Reader, commit: CommitInfo, path: str) -> FileOrigin:
    """Tell where a file or folder comes from.

    Args:
        connection: The state to look at.
        objects: Where trees are.
        commit: The commit that it is in.
        path: Its path.

    Raises:
        NotFoundError: It isn't there.
        FailedPreconditionError: A job is still at work on it, or has failed.
    """
    job = jobs.of_output(connection, commit.key)
    if job is not None and not job.state.is_terminal:
        raise FailedPreconditionError(
            f"{commit.name} is not finished: its job is {job.state.name.lower()}"
        )
    if commit.error:
        raise FailedPreconditionError(f"{commit.name} has no files: {commit.error}")
    shown, entry = inspect_file(objects, commit, path)
    return _Tracer(connection, objects).trace(commit, shown, entry)


class _Tracer:
    def __init__(self, connection: Connection, objects: Reader) -> None:
        self._connection = connection
        self._objects = objects
        self._seen: set[tuple[int, str]] = set()

    def trace(self, commit: CommitInfo, path: str, entry: Entry) -> FileOrigin:
        if (commit.key, path) in self._seen or len(self._seen) >= _MAX_FILES:
            return FileOrigin(commit, path, entry, repeated=True)
        self._seen.add((commit.key, path))
        job = jobs.of_output(self._connection, commit.key)
        if job is None or commit.name.repo.type != USER:
            return FileOrigin(commit, path, entry, changed=self._last_change(commit, path, entry))
        found = self._upstream_jobs(job, path)
        datums = tuple(self._origin(job, datum) for datum in islice(found, _MAX_DATUMS))
        more = next(found, None) is not None
        return FileOrigin(commit, path, entry, datums, more)

    def _upstream_jobs(self, job: JobInfo, path: str) -> Iterator[bytes]:
        """Yield the IDs of the datums whose output has a path, or something below it."""
        rows = self._connection.execute(
            "SELECT id, output FROM datums WHERE job_id = ? AND state IN (?, ?)"
            " AND output IS NOT NULL ORDER BY ordinal",
            (job.key, *map(int, _FINISHED)),
        )
        for row in rows:
            if tree.lookup(self._objects, row["output"], path) is not None:
                yield row["id"]

    def _origin(self, job: JobInfo, id_: bytes) -> DatumOrigin:
        datum = datum_store.inspect(self._connection, job, id_)
        ran, ran_in = self._ran(job, datum)
        version = (ran_in or job).version
        pipeline = pipelines.by_key(self._connection, job.pipeline, version)
        inputs = tuple(
            self.trace(commits.by_key(self._connection, file.commit), file.path, file.entry)
            for file in ran.files
        )
        code = code_versions.by_key(self._connection, datum.code)
        return DatumOrigin(datum, job, ran, ran_in, pipeline, code, inputs)

    def _ran(self, job: JobInfo, datum: DatumInfo) -> tuple[DatumInfo, JobInfo | None]:
        """Find the job in which a datum ran, and the datum as it was there."""
        if datum.processed_by in (None, job.key):
            return datum, job
        assert datum.processed_by is not None  # noqa: S101 - the line above says so
        try:
            ran_in = jobs.by_key(self._connection, datum.processed_by)
            return datum_store.inspect(self._connection, ran_in, datum.id), ran_in
        except NotFoundError:
            return datum, None

    def _last_change(self, commit: CommitInfo, path: str, entry: Entry) -> CommitInfo:
        """Go back to the commit in which a path became what it is."""
        rows = self._connection.execute(
            """
            WITH RECURSIVE line (id, parent_id, root, error, depth) AS (
                SELECT id, parent_id, root, error, 0 FROM commits WHERE id = ?
                UNION ALL
                SELECT commits.id, commits.parent_id, commits.root, commits.error, depth + 1
                FROM line JOIN commits ON commits.id = line.parent_id
            )
            SELECT id, root FROM line WHERE error = '' ORDER BY depth
            """,
            (commit.key,),
        )
        oldest, root = commit.key, commit.root
        for row in rows:
            if row["root"] != root:
                there = tree.lookup(self._objects, row["root"], path)
                if there is None or (there.kind, there.hash) != (entry.kind, entry.hash):
                    break
                root = row["root"]
            oldest = row["id"]
        return commits.by_key(self._connection, oldest)
