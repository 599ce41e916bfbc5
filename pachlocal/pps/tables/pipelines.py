"""Pipelines: created, updated, stopped, deleted; each a transaction over PFS and the job table."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from pachlocal.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    NotFoundError,
)
from pachlocal.pfs.history import branches, commits, history, metadata, repos, trigger_firing
from pachlocal.pfs.history.names import META, SPEC, RepoName
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pfs.tree.content import Reader
from pachlocal.pps.spec.inputs import Json, pfs_inputs
from pachlocal.pps.spec.spec import PipelineSpec, effective, parse
from pachlocal.pps.spec.states import PipelineState
from pachlocal.pps.tables import cron, jobs, log_sizes
from pachlocal.storage.database import Connection, Row

TABLE = "pipelines"
"""The table of what stays the same from version to version; it has a column `metadata`."""

IS_IDLE = f"""json_extract(v.effective_spec, '$.autoscaling') AND NOT EXISTS (
    SELECT 1 FROM jobs j WHERE j.pipeline_id = p.id AND {jobs.CAN_RUN}
)"""
"""Whether a pipeline `p`, in its version `v`, has no workers until there is something to do."""

_SELECT = f"""
    SELECT p.*, v.version AS shown, v.spec_commit, v.user_spec, v.effective_spec, v.salt, v.created,
        (SELECT f.created FROM pipeline_versions f WHERE f.pipeline_id = p.id AND f.version = 1)
            AS begun,
        {IS_IDLE} AS idle
    FROM pipelines p JOIN pipeline_versions v ON v.pipeline_id = p.id
"""
# An open commit, by row, that is made from nobody's data: there may be a thousand others.
_OF_SPEC_ALONE = f"""
    SELECT c.id FROM json_each(?) appeared CROSS JOIN commits c ON c.id = appeared.value
    WHERE c.finished IS NULL AND NOT EXISTS (
        SELECT 1 FROM commit_provenance v JOIN commits s ON s.id = v.provenance_id
        JOIN repos r ON r.id = s.repo_id WHERE v.commit_id = c.id AND r.type != '{SPEC}'
    ) ORDER BY appeared.key
"""


@dataclass(frozen=True, slots=True)
class PipelineInfo:
    """A pipeline in one of its versions.

    Attributes:
        key: Its row.
        version: The version shown, from 1 on.
        spec: What it is.
        user_json: The user's spec, as it was given.
        effective_spec: JSON, with defaults.
        spec_commit: The ID of the version's commit in the spec repo.
        salt: Part of its datums' hashes.
        state: What it does.
        reason: Why, when it failed.
        stopped: Whether the user stopped it.
        begun: When its first version was made (ns since 1970).
        created: When this version was made (ns since 1970).
        metadata: What users note about it.
    """

    key: int
    version: int
    spec: PipelineSpec
    user_json: str
    effective_spec: Json
    spec_commit: str
    salt: str
    state: PipelineState
    reason: str
    stopped: bool
    begun: int
    created: int
    metadata: Mapping[str, str]


def create(
    tx: Transaction,
    objects: Reader,
    user_spec: Json,
    *,
    user_json: str | None = None,
    update: bool = False,
    reprocess: bool = False,
) -> PipelineInfo:
    """Create a pipeline, or replace its spec; its first job is made when the transaction ends.

    Args:
        tx: The transaction.
        objects: Where file trees are.
        user_spec: The spec, over defaults.
        user_json: The user's own text of it, without; that of `user_spec` if None.
        update: Whether it may exist.
        reprocess: Whether all datums are to be processed again, also those that are unchanged.

    Raises:
        InvalidArgumentError: The spec can't be right.
        AlreadyExistsError: The pipeline exists, or a repo has its name.
        NotFoundError: An input repo isn't there.
        FailedPreconditionError: The inputs make a cycle.
    """
    if user_json is None:
        user_json = json.dumps(user_spec)
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
        if before.spec.keeps_records and (before.spec.meta != spec.meta or not spec.keeps_records):
            branches.clear_provenance(tx, before.spec.meta)
    key = _store(tx, objects, before, spec, user_json, complete, reprocess=reprocess)
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
            trigger_firing.attach(tx, input_.branch, input_.trigger)


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
    user_json: str,
    complete: Json,
    *,
    reprocess: bool,
) -> int:
    """Record a version: its commit in the spec repo and its row; return the pipeline's row."""
    connection = tx.connection
    version = before.version + 1 if before else 1
    commits.finish(tx, objects, history.start(tx, spec.versions))
    salt = before.salt if before and not reprocess else uuid4().hex
    state, reason = _resting_state(spec, stopped=before is not None and before.stopped)
    if before is None:
        connection.execute(
            "INSERT INTO pipelines (project, name, version, state, reason) VALUES (?, ?, ?, ?, ?)",
            (spec.project, spec.name, version, int(state), reason),
        )
    else:
        connection.execute(
            "UPDATE pipelines SET version = ?, state = ?, reason = ? WHERE id = ?",
            (version, int(state), reason, before.key),
        )
    (key,) = connection.execute(
        "SELECT id FROM pipelines WHERE project = ? AND name = ?", (spec.project, spec.name)
    ).fetchone()
    connection.execute(
        "INSERT INTO pipeline_versions VALUES (?, ?, ?, ?, ?, ?, ?)",
        (key, version, tx.id, user_json, json.dumps(complete), salt, tx.now),
    )
    return int(key)


def _connect(tx: Transaction, spec: PipelineSpec) -> None:
    """Make the output computed from the inputs: from now on their commits make jobs.

    A spout's output is computed from no data: its program writes there as it likes.
    """
    provenance = [*dict.fromkeys(input_.branch for input_ in pfs_inputs(spec.input)), spec.versions]
    never = {  # the last one says it where a branch is several inputs
        input_.branch: input_.never for input_ in pfs_inputs(spec.input) if input_.never is not None
    }
    silent = [branch for branch, is_silent in never.items() if is_silent]
    for branch in (spec.output, spec.meta) if spec.keeps_records else (spec.output,):
        branches.create(tx, branch, provenance=provenance, never=silent)


def finish_spout_commits(tx: Transaction, objects: Reader) -> None:
    """Finish what was opened on the outputs of spouts: their programs make commits of their own."""
    rows = tx.connection.execute(_OF_SPEC_ALONE, (json.dumps(tx.appeared),))
    for (key,) in rows.fetchall():
        commit = commits.itself(tx.connection, key)
        pipeline = find(tx.connection, commit.name.repo.project, commit.name.repo.name)
        if pipeline is not None and pipeline.spec.spout:
            commits.finish(tx, objects, commit, flaw="")


def kill_jobs_of_failed(tx: Transaction, objects: Reader) -> None:
    """End the jobs that were opened for pipelines whose specs can't be run."""
    if not tx.appeared:
        return
    rows = tx.connection.execute(
        "SELECT p.id, p.reason FROM pipelines p WHERE p.state = ? AND EXISTS ("
        f"SELECT 1 FROM jobs j WHERE j.pipeline_id = p.id AND {jobs.IS_UNFINISHED})",
        (int(PipelineState.FAILURE),),
    )
    for key, reason in rows.fetchall():
        jobs.kill_unfinished(tx, objects, key, f"pipeline failed: {reason}")


def _resting_state(spec: PipelineSpec, *, stopped: bool) -> tuple[PipelineState, str]:
    """Return a pipeline's state before anything runs, and the reason for it.

    Only another spec brings one out of `failure`.
    """
    if not spec.transform.cmd:
        return PipelineState.FAILURE, "nothing to run: no transform.cmd"
    return (PipelineState.PAUSED if stopped else PipelineState.RUNNING), ""


def stop(tx: Transaction, objects: Reader, pipeline: PipelineInfo) -> None:
    """Cut a pipeline off from its inputs and end its jobs."""
    for branch in (pipeline.spec.output, pipeline.spec.meta):
        branches.clear_provenance(tx, branch)  # spouts and services have no meta
    jobs.kill_unfinished(tx, objects, pipeline.key, "pipeline was stopped")
    _set_stopped(tx, pipeline, stopped=True)


def start(tx: Transaction, pipeline: PipelineInfo) -> None:
    """Connect a stopped pipeline again; a job catches up with what has come meanwhile."""
    if pipeline.stopped:
        _connect(tx, pipeline.spec)
    _set_stopped(tx, pipeline, stopped=False)


def _set_stopped(tx: Transaction, pipeline: PipelineInfo, *, stopped: bool) -> None:
    state, reason = _resting_state(pipeline.spec, stopped=stopped)
    tx.connection.execute(
        "UPDATE pipelines SET stopped = ?, state = ?, reason = ? WHERE id = ?",
        (stopped, int(state), reason, pipeline.key),
    )


def report(tx: Transaction, key: int, version: int, state: PipelineState, reason: str) -> None:
    """Note how a pipeline's version does, and why it doesn't run.

    A version that has been replaced meanwhile, and a stopped pipeline, have no say.

    Args:
        tx: The transaction.
        key: The pipeline's row.
        version: The version that was tried.
        state: RUNNING, CRASHING, or STARTING while its image is made ready.
        reason: Why its image can't be run, or its port not be opened, or how far the image is;
            empty when all is well.
    """
    tx.connection.execute(
        "UPDATE pipelines SET state = ?, reason = ? WHERE id = ? AND version = ? AND NOT stopped",
        (int(state), reason, key, version),
    )


def delete(
    tx: Transaction, objects: Reader, pipeline: PipelineInfo, *, force: bool, keep_repo: bool
) -> None:
    """Delete a pipeline with its jobs and repos, as far as nobody else has deleted them.

    Args:
        tx: The transaction.
        objects: Where file trees are.
        pipeline: Which.
        force: Also when others use its repos.
        keep_repo: Leave the output repo, as a repo like any other.

    Raises:
        FailedPreconditionError: Others use a repo that is to go, and no force.
    """
    _delete(tx, objects, [pipeline], force=force, keep_repo=keep_repo)


def delete_all(
    tx: Transaction,
    objects: Reader,
    projects: Sequence[str] = (),
    *,
    force: bool = True,
    keep_repo: bool = False,
) -> list[RepoName]:
    """Delete all pipelines, of some projects or of all, as `delete` does; return their names."""
    doomed = list(list_pipelines(tx.connection, projects))
    _delete(tx, objects, doomed, force=force, keep_repo=keep_repo)
    return [pipeline.spec.repo for pipeline in doomed]


def _delete(
    tx: Transaction,
    objects: Reader,
    doomed: Sequence[PipelineInfo],
    *,
    force: bool,
    keep_repo: bool,
) -> None:
    names: list[RepoName] = []
    for pipeline in doomed:
        spec = pipeline.spec
        jobs.kill_unfinished(tx, objects, pipeline.key, "pipeline was deleted")
        log_sizes.delete_of_pipeline(tx.connection, pipeline.key)
        tx.connection.execute("DELETE FROM pipelines WHERE id = ?", (pipeline.key,))
        if keep_repo:
            branches.clear_provenance(tx, spec.output)
            names += (spec.repo.of_type(META), spec.repo.of_type(SPEC))
        else:
            names.append(spec.repo)
        names += cron.repos_of(spec)
    repos.delete_repos(tx, names, force=force)


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


def of_spec_commit(connection: Connection, key: int, id_: str) -> PipelineInfo | None:
    """Return the version of a pipeline that a commit of its spec repo holds, or None."""
    row = connection.execute(
        f"{_SELECT} WHERE p.id = ? AND v.spec_commit = ?", (key, id_)
    ).fetchone()
    return _info(row) if row else None


def list_pipelines(
    connection: Connection, projects: Sequence[str] = (), *, history_depth: int = 0
) -> Iterator[PipelineInfo]:
    """Yield pipelines, the newest first, read as they are asked for.

    Args:
        connection: The state to look at; it must stay as it is meanwhile.
        projects: Only those in these projects; empty for all.
        history_depth: How many earlier versions of each follow it; -1 for all.
    """
    rows = connection.execute(f"{_SELECT} ORDER BY p.id DESC, v.version DESC")
    for row in rows:
        old = row["version"] - row["shown"]
        if (not projects or row["project"] in projects) and (
            history_depth < 0 or old <= history_depth
        ):
            yield _info(row)


def running(connection: Connection, rows: Collection[int] | None = None) -> dict[int, int]:
    """Return the current version of pipelines that can run and aren't stopped, by their rows.

    Args:
        connection: A snapshot.
        rows: Those to look at, by row; None stands for all.
    """
    found = connection.execute(
        "SELECT id, version FROM pipelines WHERE NOT stopped AND state != ?"
        + (" AND id IN (SELECT value FROM json_each(?))" if rows is not None else "")
        + " ORDER BY id",
        (int(PipelineState.FAILURE), *([] if rows is None else [json.dumps([*rows])])),
    )
    return {row["id"]: row["version"] for row in found}


def state_of(row: Row) -> PipelineState:
    """Return the state that a row shows: a pipeline's `state`, and `IS_IDLE` as `idle`."""
    state = PipelineState(row["state"])
    is_idle = state is PipelineState.RUNNING and row["idle"]
    return PipelineState.STANDBY if is_idle else state


def _info(row: Row) -> PipelineInfo:
    complete = json.loads(row["effective_spec"])
    return PipelineInfo(
        key=row["id"],
        version=row["shown"],
        spec=parse(complete),
        user_json=row["user_spec"],
        effective_spec=complete,
        spec_commit=row["spec_commit"],
        salt=row["salt"],
        state=state_of(row),
        reason=row["reason"],
        stopped=bool(row["stopped"]),
        begun=row["begun"],
        created=row["created"],
        metadata=metadata.parse(row["metadata"]),
    )
