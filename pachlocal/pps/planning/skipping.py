"""Decides from a datum's history whether it runs or is skipped, and gives the reason in words.

A datum is skipped when the job before has processed one of the same hash: same names, same
content, same salt. What the command or the image is doesn't matter, as on the real server;
`--reprocess` asks for a new salt. A pipeline may ask for its code and its command to be part of the
hash; then the output of any job before counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from pachlocal.errors import NotFoundError
from pachlocal.pfs.history import commits
from pachlocal.pfs.history.names import RepoName
from pachlocal.pps.spec.datums import Commits, Datum, DatumFile, datum_hash
from pachlocal.pps.spec.states import DatumState
from pachlocal.pps.tables import code_versions, datum_store, jobs, pipelines
from pachlocal.pps.tables.datum_store import DatumInfo, PreviousOutput, StoredFile
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.storage.database import Connection

_NAMED = 3  # changed files that a reason names
_LOOK_BACK = 20  # commits, for a job that failed


@dataclass(frozen=True, slots=True)
class UpstreamJob:
    """The job of an upstream pipeline that made an input commit.

    Attributes:
        repo: The pipeline's output repo.
        job: The job's ID.
        version: The pipeline's version that it ran.
        salt: The salt of that version.
    """

    repo: RepoName
    job: str
    version: int
    salt: str


@dataclass(frozen=True, slots=True)
class SkipContext:
    """What the datums of a job are judged by.

    Attributes:
        pipeline: The pipeline, in the job's version.
        makers: What made the input commits, by row; those of user repos are left out.
        base: The job whose results this one begins with.
        before: The pipeline in the version of that job.
        renewed: The version that asked for reprocessing since then; None when none has.
        failed: A later job than `base`, which has no results.
        code: The name of the code version that is part of the datums' hashes; empty if none is.
        code_key: Its row, if it has one.
    """

    pipeline: PipelineInfo
    upstream_jobs: Mapping[int, UpstreamJob]
    base: JobInfo | None
    before: PipelineInfo | None
    renewed: int | None
    failed: JobInfo | None
    code: str = ""
    code_key: int | None = None

    @property
    def salt(self) -> str:
        """What goes into the datums' hashes, besides their data."""
        return _salt(self.pipeline, self.code)

    def by_code(self, connection: Connection, code: str) -> SkipContext:
        """Return the same with a version of the code (by name), if that is part of hashes."""
        if not self.pipeline.spec.code_counts or not code:
            return self
        found = code_versions.find(connection, code)
        return replace(self, code=code, code_key=found.key if found else None)


class Decision(NamedTuple):
    """What is to become of a datum.

    Attributes:
        hash: Names its work, 32 bytes.
        previous: What it gave before and stays; None when it is to run.
        why: Why, in words.
        is_reused: Whether that is not from the job whose results this one begins with.
    """

    hash: bytes
    previous: PreviousOutput | None
    why: str
    is_reused: bool = False

    @property
    def skipped(self) -> bool:
        """Whether it doesn't run."""
        return self.previous is not None


def skip_context_of(
    connection: Connection, job: JobInfo, pipeline: PipelineInfo, sources: Commits
) -> SkipContext:
    """Look up what the datums of a job are judged by.

    Args:
        connection: The state to look at.
        job: The job.
        pipeline: Its pipeline, in its version.
        sources: The commits that it runs on.
    """
    base = jobs.base_of(connection, job)
    before = pipelines.by_key(connection, base.pipeline, base.version) if base else None
    renewed = None
    if before is not None and before.salt != pipeline.salt:
        (renewed,) = connection.execute(
            "SELECT MIN(version) FROM pipeline_versions WHERE pipeline_id = ? AND salt = ?",
            (pipeline.key, pipeline.salt),
        ).fetchone()
    upstream_jobs = {
        commit.key: upstream_job_of(connection, commit.key) for commit in sources.values()
    }
    context = SkipContext(
        pipeline=pipeline,
        upstream_jobs={
            key: upstream for key, upstream in upstream_jobs.items() if upstream is not None
        },
        base=base,
        before=before,
        renewed=renewed,
        failed=_failed_since(connection, job, base),
    )
    return context.by_code(connection, jobs.code_name(connection, job))


def upstream_job_of(connection: Connection, commit: int) -> UpstreamJob | None:
    """Return what made a commit, by row; None when no job did, or the job was deleted."""
    job = jobs.of_output(connection, commit)
    if job is None:
        return None
    try:
        pipeline = pipelines.by_key(connection, job.pipeline, job.version)
    except NotFoundError:
        return None
    return UpstreamJob(job.repo, job.id, job.version, pipeline.salt)


def _failed_since(connection: Connection, job: JobInfo, base: JobInfo | None) -> JobInfo | None:
    """Return the newest job before this one that got as far as its datums and has no results."""
    commit = commits.parent_of(connection, commits.itself(connection, job.output))
    for _ in range(_LOOK_BACK):
        if commit is None:
            break
        found = jobs.of_output(connection, commit.key)
        if found is not None:
            if base is not None and found.key == base.key:
                break
            if found.planned:
                return found
        commit = commits.parent_of(connection, commit)
    return None


class SkipPolicy:
    """Decides on the datums of one job, one after the other. Belongs to one thread."""

    def __init__(self, skip_context: SkipContext) -> None:
        self._context = skip_context
        self._every_job = skip_context.pipeline.spec.every_job
        self._names: code_versions.Names | None = None
        self._job_ids: dict[int | None, str] = {None: ""}
        self._upstream_jobs: dict[int, UpstreamJob | None] = {}  # of earlier input commits
        self._salt = skip_context.salt

    def decide(
        self, connection: Connection, datums: Sequence[tuple[bytes, Datum]]
    ) -> Iterator[Decision]:
        """Say of each datum, given with its ID, whether it runs, and why."""
        base = self._context.base
        before = {}
        if base is not None and not self._every_job:
            ids = [id_ for id_, _ in datums]
            before = datum_store.previous_outputs(connection, base.key, ids)
        unchanged: dict[int | None, str] = {}  # what is said, by the job that processed them
        for id_, datum in datums:
            hash_ = datum_hash(datum, self._salt)
            work, previous = before.get(id_, (b"", None))
            if previous is None or work != hash_:
                yield self._decide_new(connection, datum, id_, hash_)
                continue
            why = unchanged.get(previous.processed_by)
            if why is None:
                why = self._unchanged(connection, previous)
                unchanged[previous.processed_by] = why
            yield Decision(hash_, previous, why)

    def _decide_new(
        self, connection: Connection, datum: Datum, id_: bytes, hash_: bytes
    ) -> Decision:
        """Decide on a datum that the job before doesn't have with the same work."""
        if not self._every_job:
            previous = self._switched(connection, datum, id_)
            if previous is not None:
                why = self._unchanged(connection, previous)
                return Decision(hash_, previous, why, is_reused=True)
            previous = self.earlier(connection, id_, hash_)
            if previous is not None:
                job = self._job_id(connection, previous.processed_by)
                why = f"reused from job {job}" if job else "reused from a job that was deleted"
                return Decision(hash_, previous, why, is_reused=True)
        return Decision(hash_, None, self._why(connection, datum, id_))

    def earlier(self, connection: Connection, id_: bytes, hash_: bytes) -> PreviousOutput | None:
        """Return what the same work gave in any job before, where code is part of it."""
        code, pipeline = self._context.code_key, self._context.pipeline.key
        if code is None:
            return None
        return datum_store.find_earlier_output(connection, pipeline, code, id_, hash_)

    def _switched(self, connection: Connection, datum: Datum, id_: bytes) -> PreviousOutput | None:
        """Return what the same work gave in the job before, if code begins or ceases to count."""
        context, base, before = self._context, self._context.base, self._context.before
        if base is None or before is None:
            return None
        if before.spec.code_counts == context.pipeline.spec.code_counts:
            return None
        old = datum_store.find(connection, base.key, id_)
        code = self._code_names(connection).of(old.code) if old is not None else ""
        if old is None or before.salt != context.pipeline.salt:
            return None
        if context.pipeline.spec.code_counts and (
            context.code != code or _command_of(before) != _command_of(context.pipeline)
        ):
            return None
        found = datum_store.previous_outputs(connection, base.key, [id_]).get(id_)
        if found is None or found[0] != datum_hash(datum, _salt(before, code)):
            return None
        return found[1]

    def _unchanged(self, connection: Connection, previous: PreviousOutput) -> str:
        job = self._job_id(connection, previous.processed_by)
        return f"unchanged since job {job}" if job else "unchanged since it was processed"

    def _why(self, connection: Connection, datum: Datum, id_: bytes) -> str:
        if self._every_job:
            return "every job runs all datums (reprocess_spec: every_job)"
        base, failed = self._context.base, self._context.failed
        before = datum_store.find(connection, base.key, id_) if base else None
        tried = datum_store.find(connection, failed.key, id_) if failed else None
        old = before or tried
        if old is None:
            return self._new()
        parts = list(self._changes(connection, datum, old))
        if before is not None:
            parts += self._code_changes(connection, before)
            if self._context.renewed is not None:
                parts.append(f"reprocessing was asked for (version {self._context.renewed})")
            elif before.state is DatumState.RECOVERED:
                parts.append("it only recovered then")
            if not parts and tried is None:
                parts.append("its join or group key changed")
        if tried is not None and failed is not None and tried.state is not DatumState.SKIPPED:
            parts.append(_end_of(tried, failed))
        job = self._job_id(connection, before.processed_by) if before is not None else ""
        if job:
            parts.append(f"processed before in job {job}")
        return "; ".join(parts)

    def _new(self) -> str:
        before, now = self._context.before, self._context.pipeline
        if before is not None and before.spec.input != now.spec.input:
            return f"new input; version {now.version} of the pipeline changed what its inputs are"
        return "new input"

    def _changes(self, connection: Connection, datum: Datum, old: DatumInfo) -> Iterator[str]:
        """Yield what changed in the files of a datum: one's own, then by the pipeline's output."""
        changed: dict[str, list[str]] = {}
        for file, earlier in zip(datum, old.files, strict=True):
            if file.entry.hash != earlier.entry.hash:
                upstream = self._upstream(connection, file, earlier)
                changed.setdefault(upstream, []).append(f"{file.input.name}:{file.path}")
        for upstream, names in sorted(changed.items()):
            text = f"{_listed(names)} changed"
            yield f"{text}: {upstream}" if upstream else text

    def _upstream(self, connection: Connection, file: DatumFile, earlier: StoredFile) -> str:
        new = self._context.upstream_jobs.get(file.commit.key)
        if new is None:
            return ""
        if earlier.commit not in self._upstream_jobs:
            self._upstream_jobs[earlier.commit] = upstream_job_of(connection, earlier.commit)
        old = self._upstream_jobs[earlier.commit]
        details = []
        if old is not None and old.version != new.version:
            details.append(f"version {new.version}")
        if old is not None and old.salt != new.salt:
            details.append("reprocessed")
        shown = ", ".join(details) or f"job {new.job}"
        return f"upstream pipeline {new.repo.name} made new output ({shown})"

    def _code_changes(self, connection: Connection, before: DatumInfo) -> list[str]:
        """Say that the code or the command changed, if they count and did."""
        old, new = self._context.before, self._context.pipeline
        if not new.spec.code_counts:
            return []
        parts = []
        known = self._code_names(connection).of(before.code)
        if known != self._context.code:
            parts.append("the code changed" if known else "its code wasn't known then")
        if old is not None and _command_of(old) != _command_of(new):
            parts.append("the command changed")
        return parts

    def _code_names(self, connection: Connection) -> code_versions.Names:
        if self._names is None:
            self._names = code_versions.Names(connection)
        return self._names

    def _job_id(self, connection: Connection, key: int | None) -> str:
        """Return the ID of a job; empty when it was deleted."""
        if key not in self._job_ids:
            row = connection.execute("SELECT commit_set FROM jobs WHERE id = ?", (key,)).fetchone()
            self._job_ids[key] = row["commit_set"] if row else ""
        return self._job_ids[key]


def _salt(pipeline: PipelineInfo, code: str) -> str:
    if not pipeline.spec.code_counts:
        return pipeline.salt
    code = code or f"of {pipeline.spec.transform.image}"
    return f"{pipeline.salt} {code} {_command_of(pipeline)}"


def _command_of(pipeline: PipelineInfo) -> str:
    """Return what a pipeline does with its code, in a form to compare."""
    it = pipeline.spec.transform
    command = [it.cmd, it.stdin, it.err_cmd, it.err_stdin, sorted(it.env.items()), it.working_dir]
    return json.dumps(command)


def _end_of(tried: DatumInfo, failed: JobInfo) -> str:
    """Say what became of a datum in a job without results."""
    if tried.state is DatumState.FAILED:
        return f"it failed in job {failed.id}"
    if tried.state is DatumState.UNKNOWN:
        return f"job {failed.id} ended before its turn"
    return f"job {failed.id} processed it, and ended without results"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
