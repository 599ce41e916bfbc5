"""Pipelines: created, updated, stopped, deleted; each a transaction over PFS and the job table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from pachlocal.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from pachlocal.pfs import branches, commits, firing, history, metadata, repos
from pachlocal.pfs.content import Reader
from pachlocal.pfs.names import META, SPEC, USER, RepoName
from pachlocal.pfs.transaction import Transaction
from pachlocal.pps import cron, jobs
from pachlocal.pps.inputs import Json, pfs_inputs
from pachlocal.pps.spec import PipelineSpec, effective, parse
from pachlocal.pps.states import PipelineState
from pachlocal.storage.database import Connection, Row

_SELECT = f"""
    SELECT p.*, v.version AS shown, v.spec_commit, v.user_spec, v.effective_spec, v.salt, v.created,
        json_extract(v.effective_spec, '$.autoscaling') AND NOT EXISTS (
            SELECT 1 FROM jobs j WHERE j.pipeline_id = p.id AND {jobs.IS_UNFINISHED}
        ) AS idle
    FROM pipelines p JOIN pipeline_versions v ON v.pipeline_id = p.id
"""


@dataclass(frozen=True, slots=True)
class PipelineInfo:
    """A pipeline in one of its versions.

    Attributes:
        key: Its row.
        version: The version shown, from 1 on.
        spec: What it is.
        user_spec: JSON, as the user gave it.
        effective_spec: JSON, with defaults.
        spec_commit: The ID of the version's commit in the spec repo.
        salt: Part of its datums' hashes.
        state: What it does.
        reason: Why, when it failed.
        stopped: Whether the user stopped it.
        created: When this version was made (ns since 1970).
        metadata: What users note about it.
    """

    key: int
    version: int
    spec: PipelineSpec
    user_spec: Json
    effective_spec: Json
    spec_commit: str
    salt: str
    state: PipelineState
    reason: str
    stopped: bool
    created: int
    metadata: Mapping[str, str]


def create(
    tx: Transaction,
    objects: Reader,
    user_spec: Json,
    *,
    update: bool = False,
    reprocess: bool = False,
) -> PipelineInfo:
    """Create a pipeline, or replace its spec; its first job is made when the transaction ends.

    Args:
        tx: The transaction.
        objects: Where file trees are.
        user_spec: The spec's JSON.
        update: Whether it may exist.
        reprocess: Whether all datums are to be processed again, also those that are unchanged.

    Raises:
        InvalidArgumentError: The spec can't be right.
        AlreadyExistsError: The pipeline exists, or a repo has its name.
        NotFoundError: An input repo isn't there.
        ConflictError: The inputs make a cycle.
    """
    complete = effective(user_spec, tx.now)
    spec = parse(complete)
    connection = tx.connection
    before = find(connection, spec.project, spec.name)
    if before is not None and not update:
        raise AlreadyExistsError(f'pipeline "{spec.project}/{spec.name}" already exists')
    if before is None and repos.exists(connection, spec.repo):
        raise AlreadyExistsError(
            f'pipeline "{spec.project}/{spec.name}" cannot be created because a repo with the same '
            "name already exists"
        )
    _prepare_inputs(tx, spec)
    if before is None:
        _create_repos(tx, spec)
    else:
        if before.spec.spout != spec.spout:
            raise InvalidArgumentError(
                "a spout can't become another kind of pipeline, nor the reverse: delete it first"
            )
        jobs.kill_unfinished(
            tx, objects, before.key, "all jobs killed because pipeline was updated"
        )
        if before.spec.output != spec.output:
            branches.clear_provenance(tx, before.spec.output)
        if before.spec.keeps_records and not spec.keeps_records:
            branches.clear_provenance(tx, before.spec.meta)
    key = _store(tx, objects, before, spec, user_spec, complete, reprocess=reprocess)
    if before is None or not before.stopped:
        _connect(tx, spec)
    return by_key(connection, key)


def _prepare_inputs(tx: Transaction, spec: PipelineSpec) -> None:
    """Check that input repos are there; make those, and the branches, that are the pipeline's."""
    cron.create_repos(tx, spec)
    for input_ in pfs_inputs(spec.input):
        if input_.branch.repo != spec.repo:  # its own output is a cycle, and refused as one
            repos.key(tx.connection, input_.branch.repo)
    for input_ in pfs_inputs(spec.input):
        if input_.trigger is not None:
            firing.attach(tx, input_.branch, input_.trigger)


def _create_repos(tx: Transaction, spec: PipelineSpec) -> None:
    description = f"Output repo for pipeline {spec.project}/{spec.name}."
    repos.create_repo(tx, spec.repo, description, update=False)
    for type_ in (SPEC, META):
        repos.create_repo(tx, spec.repo.of_type(type_), update=False)


def _store(
    tx: Transaction,
    objects: Reader,
    before: PipelineInfo | None,
    spec: PipelineSpec,
    user_spec: Json,
    complete: Json,
    *,
    reprocess: bool,
) -> int:
    """Record a version: its commit in the spec repo and its row; return the pipeline's row."""
    connection = tx.connection
    version = before.version + 1 if before else 1
    commits.finish(tx, objects, history.start(tx, spec.versions))
    salt = before.salt if before and not reprocess else uuid4().hex
    if before is None:
        connection.execute(
            "INSERT INTO pipelines (project, name, version, state) VALUES (?, ?, ?, ?)",
            (spec.project, spec.name, version, int(PipelineState.RUNNING)),
        )
    else:
        connection.execute(
            "UPDATE pipelines SET version = ?, state = ?, reason = '' WHERE id = ?",
            (
                version,
                int(PipelineState.PAUSED if before.stopped else PipelineState.RUNNING),
                before.key,
            ),
        )
    (key,) = connection.execute(
        "SELECT id FROM pipelines WHERE project = ? AND name = ?", (spec.project, spec.name)
    ).fetchone()
    connection.execute(
        "INSERT INTO pipeline_versions VALUES (?, ?, ?, ?, ?, ?, ?)",
        (key, version, tx.id, json.dumps(user_spec), json.dumps(complete), salt, tx.now),
    )
    return int(key)


def _connect(tx: Transaction, spec: PipelineSpec) -> None:
    """Make the output computed from the inputs: from now on their commits make jobs.

    A spout's output is computed from no data: its program writes there as it likes.
    """
    provenance = [*dict.fromkeys(input_.branch for input_ in pfs_inputs(spec.input)), spec.versions]
    for branch in (spec.output, spec.meta) if spec.keeps_records else (spec.output,):
        branches.create(tx, branch, provenance=provenance)


def stop(tx: Transaction, objects: Reader, pipeline: PipelineInfo) -> None:
    """Cut a pipeline off from its inputs and end its jobs."""
    for branch in (pipeline.spec.output, pipeline.spec.meta):
        if branches.find(tx.connection, branch) is not None:  # spouts and services have no meta
            branches.clear_provenance(tx, branch)
    jobs.kill_unfinished(tx, objects, pipeline.key, "pipeline was stopped")
    _set_stopped(tx, pipeline, stopped=True)


def start(tx: Transaction, pipeline: PipelineInfo) -> None:
    """Connect a stopped pipeline again; a job catches up with what has come meanwhile."""
    if pipeline.stopped:
        _connect(tx, pipeline.spec)
    _set_stopped(tx, pipeline, stopped=False)


def _set_stopped(tx: Transaction, pipeline: PipelineInfo, *, stopped: bool) -> None:
    state = PipelineState.PAUSED if stopped else PipelineState.RUNNING
    tx.connection.execute(
        "UPDATE pipelines SET stopped = ?, state = ?, reason = '' WHERE id = ?",
        (stopped, int(state), pipeline.key),
    )


def report_problem(tx: Transaction, pipeline: PipelineInfo, problem: str) -> None:
    """Note what keeps a pipeline's version from running: it is crashing, or running again.

    A version that has been replaced meanwhile, and a stopped pipeline, have no say.

    Args:
        tx: The transaction.
        pipeline: Which, in the version that was tried.
        problem: Why its image can't be run, or its port not be opened; empty when all is well.
    """
    state = PipelineState.CRASHING if problem else PipelineState.RUNNING
    tx.connection.execute(
        "UPDATE pipelines SET state = ?, reason = ? WHERE id = ? AND version = ? AND NOT stopped",
        (int(state), problem, pipeline.key, pipeline.version),
    )


def delete(
    tx: Transaction, objects: Reader, pipeline: PipelineInfo, *, force: bool, keep_repo: bool
) -> None:
    """Delete a pipeline with its jobs and repos.

    Args:
        tx: The transaction.
        objects: Where file trees are.
        pipeline: Which.
        force: Also when other pipelines use its output.
        keep_repo: Leave the output repo, as a repo like any other.

    Raises:
        FailedPreconditionError: Others use its output, and no force.
    """
    spec = pipeline.spec
    user = branches.inspect(tx.connection, spec.output)
    others = [name for name in user.subvenance if name.repo.type == USER]
    if others and not force:
        raise FailedPreconditionError(
            f'pipeline "{spec.project}/{spec.name}" cannot be deleted because its output is an '
            f"input of {others[0].repo}"
        )
    jobs.kill_unfinished(tx, objects, pipeline.key, "pipeline was deleted")
    tx.connection.execute("DELETE FROM pipelines WHERE id = ?", (pipeline.key,))
    if keep_repo:
        branches.clear_provenance(tx, spec.output)
        for type_ in (META, SPEC):
            repos.delete_repo(tx, spec.repo.of_type(type_), force=True)
    else:
        repos.delete_repo(tx, spec.repo, force=True)
    cron.delete_repos(tx, spec)


def delete_all(
    tx: Transaction, objects: Reader, projects: Sequence[str] = (), *, keep_repo: bool = False
) -> list[RepoName]:
    """Delete all pipelines, of some projects or of all; return their names."""
    doomed = list(list_pipelines(tx.connection, projects))
    for pipeline in doomed:
        delete(tx, objects, pipeline, force=True, keep_repo=keep_repo)
    return [pipeline.spec.repo for pipeline in doomed]


def find(connection: Connection, project: str, name: str) -> PipelineInfo | None:
    """Return a pipeline in its current version, or None."""
    row = connection.execute(
        f"{_SELECT} WHERE p.project = ? AND p.name = ? AND v.version = p.version", (project, name)
    ).fetchone()
    return _info(row) if row else None


def inspect(connection: Connection, project: str, name: str) -> PipelineInfo:
    """Return a pipeline in its current version.

    Raises:
        NotFoundError: It isn't there.
    """
    info = find(connection, project, name)
    if info is None:
        raise NotFoundError(f'pipeline "{project}/{name}" not found')
    return info


def by_key(connection: Connection, key: int, version: int | None = None) -> PipelineInfo:
    """Return the pipeline of a row, in its current version or another.

    Raises:
        NotFoundError: It was deleted.
    """
    row = connection.execute(
        f"{_SELECT} WHERE p.id = ? AND v.version = COALESCE(?, p.version)", (key, version)
    ).fetchone()
    if row is None:
        raise NotFoundError("pipeline was deleted")
    return _info(row)


def list_pipelines(
    connection: Connection, projects: Sequence[str] = (), *, history_depth: int = 0
) -> Iterator[PipelineInfo]:
    """Yield pipelines, the newest first.

    Args:
        connection: The state to look at.
        projects: Only those in these projects; empty for all.
        history_depth: How many earlier versions of each follow it; -1 for all.
    """
    rows = connection.execute(f"{_SELECT} ORDER BY p.id DESC, v.version DESC")
    for row in rows.fetchall():
        old = row["version"] - row["shown"]
        if (not projects or row["project"] in projects) and (
            history_depth < 0 or old <= history_depth
        ):
            yield _info(row)


def running(connection: Connection) -> list[tuple[int, int]]:
    """Return the row and the current version of all pipelines that aren't stopped."""
    rows = connection.execute("SELECT id, version FROM pipelines WHERE NOT stopped ORDER BY id")
    return [(row["id"], row["version"]) for row in rows]


def _info(row: Row) -> PipelineInfo:
    complete = json.loads(row["effective_spec"])
    state = PipelineState(row["state"])
    if state is PipelineState.RUNNING and row["idle"]:
        state = PipelineState.STANDBY
    return PipelineInfo(
        key=row["id"],
        version=row["shown"],
        spec=parse(complete),
        user_spec=json.loads(row["user_spec"]),
        effective_spec=complete,
        spec_commit=row["spec_commit"],
        salt=row["salt"],
        state=state,
        reason=row["reason"],
        stopped=bool(row["stopped"]),
        created=row["created"],
        metadata=metadata.parse(row["metadata"]),
    )
