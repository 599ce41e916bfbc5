"""Why a datum runs or is skipped: decided by what became of it before, and said in words.

A datum is skipped when the job before has processed one of the same hash: same names, same
content, same salt. What the command or the image is doesn't matter, as on the real server;
`--reprocess` asks for a new salt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pachlocal.errors import NotFoundError
from pachlocal.pfs import commits
from pachlocal.pfs.names import RepoName
from pachlocal.pps import datum_store, jobs, pipelines
from pachlocal.pps.datum_store import DatumInfo, Kept, StoredFile
from pachlocal.pps.datums import Commits, Datum, DatumFile, datum_hash, datum_id
from pachlocal.pps.jobs import JobInfo
from pachlocal.pps.pipelines import PipelineInfo
from pachlocal.pps.states import DatumState
from pachlocal.storage.database import Connection

_NAMED = 3  # changed files that a reason names
_LOOK_BACK = 20  # commits, for a job that failed


@dataclass(frozen=True, slots=True)
class Maker:
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
class Situation:
    """What the datums of a job are judged by.

    Attributes:
        pipeline: The pipeline, in the job's version.
        makers: What made the input commits, by row; those of user repos are left out.
        base: The job whose results this one begins with.
        before: The pipeline in the version of that job.
        renewed: The version that asked for reprocessing since then; None when none has.
        failed: A later job than `base`, which has no results.
    """

    pipeline: PipelineInfo
    makers: Mapping[int, Maker]
    base: JobInfo | None
    before: PipelineInfo | None
    renewed: int | None
    failed: JobInfo | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to become of a datum.

    Attributes:
        id: Names its inputs, 32 bytes.
        hash: Names its work, 32 bytes.
        kept: What it gave before and stays; None when it is to run.
        why: Why, in words.
    """

    id: bytes
    hash: bytes
    kept: Kept | None
    why: str

    @property
    def skipped(self) -> bool:
        """Whether it doesn't run."""
        return self.kept is not None


def situation_of(
    connection: Connection, job: JobInfo, pipeline: PipelineInfo, sources: Commits
) -> Situation:
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
    makers = {commit.key: maker_of(connection, commit.key) for commit in sources.values()}
    return Situation(
        pipeline=pipeline,
        makers={key: maker for key, maker in makers.items() if maker is not None},
        base=base,
        before=before,
        renewed=renewed,
        failed=_failed_since(connection, job, base),
    )


def maker_of(connection: Connection, commit: int) -> Maker | None:
    """Return what made a commit, by row; None when no job did, or the job was deleted."""
    job = jobs.of_output(connection, commit)
    if job is None:
        return None
    try:
        pipeline = pipelines.by_key(connection, job.pipeline, job.version)
    except NotFoundError:
        return None
    return Maker(job.repo, job.id, job.version, pipeline.salt)


def _failed_since(connection: Connection, job: JobInfo, base: JobInfo | None) -> JobInfo | None:
    """Return the newest job before this one that got as far as its datums and has no results."""
    commit = commits.parent_of(connection, commits.by_key(connection, job.output))
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


class Judge:
    """Decides on the datums of one job, one after the other. Belongs to one thread."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._every_job = situation.pipeline.spec.every_job
        self._job_ids: dict[int | None, str] = {None: ""}
        self._makers: dict[int, Maker | None] = {}  # of earlier input commits

    def decide(self, connection: Connection, datum: Datum) -> Decision:
        """Say whether a datum runs, and why."""
        id_, hash_ = datum_id(datum), datum_hash(datum, self._situation.pipeline.salt)
        base = self._situation.base
        if base is not None and not self._every_job:
            kept = datum_store.find_kept(connection, base.key, id_, hash_)
            if kept is not None:
                return Decision(id_, hash_, kept, self._unchanged(connection, kept))
        return Decision(id_, hash_, None, self._why(connection, datum, id_))

    def _unchanged(self, connection: Connection, kept: Kept) -> str:
        job = self._job_id(connection, kept.processed_by)
        return f"unchanged since job {job}" if job else "unchanged since it was processed"

    def _why(self, connection: Connection, datum: Datum, id_: bytes) -> str:
        if self._every_job:
            return "every job runs all datums (reprocess_spec: every_job)"
        base, failed = self._situation.base, self._situation.failed
        before = datum_store.find(connection, base.key, id_) if base else None
        tried = datum_store.find(connection, failed.key, id_) if failed else None
        old = before or tried
        if old is None:
            return self._new()
        parts = list(self._changes(connection, datum, old))
        if before is not None:
            if self._situation.renewed is not None:
                parts.append(f"reprocessing was asked for (version {self._situation.renewed})")
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
        before, now = self._situation.before, self._situation.pipeline
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
        new = self._situation.makers.get(file.commit.key)
        if new is None:
            return ""
        if earlier.commit not in self._makers:
            self._makers[earlier.commit] = maker_of(connection, earlier.commit)
        old = self._makers[earlier.commit]
        details = []
        if old is not None and old.version != new.version:
            details.append(f"version {new.version}")
        if old is not None and old.salt != new.salt:
            details.append("reprocessed")
        shown = ", ".join(details) or f"job {new.job}"
        return f"upstream pipeline {new.repo.name} made new output ({shown})"

    def _job_id(self, connection: Connection, key: int | None) -> str:
        """Return the ID of a job; empty when it was deleted."""
        if key not in self._job_ids:
            row = connection.execute("SELECT commit_set FROM jobs WHERE id = ?", (key,)).fetchone()
            self._job_ids[key] = row["commit_set"] if row else ""
        return self._job_ids[key]


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
