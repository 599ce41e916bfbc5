"""The DAG of a project as a drawing needs it: little of each pipeline, quickly of a thousand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from pachlocal.pfs.history import repos
from pachlocal.pfs.history.names import RepoName
from pachlocal.pfs.history.records import RepoInfo
from pachlocal.pps.spec.inputs import Json, parse_input, pfs_inputs
from pachlocal.pps.spec.states import DatumState, JobState, PipelineState
from pachlocal.pps.tables.pipelines import IS_IDLE, state_of
from pachlocal.storage.database import Connection, Row

_SELECT = f"""
    SELECT p.project, p.name, p.state, p.reason, json_extract(v.effective_spec, '$.input') AS input,
        {IS_IDLE} AS idle,
        j.id AS job, j.commit_set, j.state AS job_state, j.reason AS job_reason,
        j.created AS job_created, j.finished
    FROM pipelines p
    JOIN pipeline_versions v ON v.pipeline_id = p.id AND v.version = p.version
    LEFT JOIN jobs j ON j.id = (SELECT MAX(n.id) FROM jobs n WHERE n.pipeline_id = p.id)
    WHERE p.project = ? ORDER BY p.id
"""
_SOURCES = """
    SELECT r.name FROM repos r JOIN projects j ON j.id = r.project_id
    WHERE j.name = ?1 AND r.type = 'user' AND NOT EXISTS (
        SELECT 1 FROM pipelines p WHERE p.project = ?1 AND p.name = r.name
    ) ORDER BY r.name
"""


class NewestJob(NamedTuple):
    """The newest job of a pipeline.

    Attributes:
        id: Its ID.
        state: Where it is.
        reason: Why, when it failed.
        created: When (ns since 1970).
        finished: When it ended.
        total: How many datums it has, so far; 0 when it has succeeded.
        done: How many of them are done, in whatever way.
        failed: How many of them failed.
    """

    id: str
    state: JobState
    reason: str
    created: int
    finished: int | None
    total: int
    done: int
    failed: int


class DagPipeline(NamedTuple):
    """A pipeline.

    Attributes:
        repo: Its output repo, which has its name.
        state: What it does.
        reason: Why, when it failed.
        inputs: The repos that it reads, each once.
        newest: Its newest job.
    """

    repo: RepoName
    state: PipelineState
    reason: str
    inputs: tuple[RepoName, ...]
    newest: NewestJob | None


def pipelines(connection: Connection, project: str) -> Iterator[DagPipeline]:
    """Yield the pipelines of a project, the oldest first."""
    for row in connection.execute(_SELECT, (project,)):
        yield DagPipeline(
            RepoName(row["project"], row["name"]),
            state_of(row),
            row["reason"],
            _inputs(json.loads(row["input"] or "{}")),
            _newest(connection, row) if row["job"] is not None else None,
        )


def sources(connection: Connection, project: str) -> Iterator[RepoInfo]:
    """Yield the repos of a project that no pipeline writes, in the order of their names."""
    for (name,) in connection.execute(_SOURCES, (project,)).fetchall():
        yield repos.inspect_repo(connection, RepoName(project, name))


def _inputs(given: Json) -> tuple[RepoName, ...]:
    if not given:  # of a spout
        return ()
    return tuple(dict.fromkeys(leaf.branch.repo for leaf in pfs_inputs(parse_input(given))))


def _newest(connection: Connection, row: Row) -> NewestJob:
    state = JobState(row["job_state"])
    counts: dict[int, int] = {}
    if state is not JobState.SUCCESS:
        counted = "SELECT state, COUNT(*) FROM datums WHERE job_id = ? GROUP BY state"
        counts = dict(connection.execute(counted, (row["job"],)).fetchall())
    waiting = counts.get(DatumState.UNKNOWN, 0) + counts.get(DatumState.STARTING, 0)
    total = sum(counts.values())
    return NewestJob(
        row["commit_set"],
        state,
        row["job_reason"],
        row["job_created"],
        row["finished"],
        total,
        total - waiting,
        counts.get(DatumState.FAILED, 0),
    )
