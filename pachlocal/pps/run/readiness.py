"""Whether a job can run: all its input commits are finished, and none of them failed."""

from __future__ import annotations

from enum import Enum

from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import commits
from pachlocal.pps.spec.states import JobState
from pachlocal.pps.tables import jobs
from pachlocal.pps.tables.jobs import JobInfo


class Readiness(Enum):
    """What a job may do."""

    WAIT = "wait"
    RUN = "run"
    UNRUNNABLE = "unrunnable"
    """It has been ended, as an input failed."""


def look_at_inputs(files: FileSystem, job: JobInfo) -> Readiness:
    """Say whether a job can run; from now on it is known to wait, or to be unrunnable.

    Raises:
        NotFoundError: The job or an input commit was deleted.
    """
    if job.state is JobState.CREATED:
        with files.transaction() as tx:
            jobs.set_state(tx, job, JobState.STARTING)
    with files.snapshot() as connection:
        output = commits.itself(connection, job.output)
        sources = [
            commits.itself(connection, commits.key_of(connection, name))
            for name in output.provenance
        ]
    failed = [str(source.name.repo) for source in sources if source.error]
    if failed:
        names = ", ".join(failed)
        reason = f"unrunnable because the following upstream pipelines failed: {names}"
        with files.transaction() as tx:
            jobs.end_without_output(tx, files.objects, job, JobState.UNRUNNABLE, reason)
        return Readiness.UNRUNNABLE
    if any(source.finished is None for source in sources):
        return Readiness.WAIT
    return Readiness.RUN
