"""Calls about pipelines."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from google.protobuf.empty_pb2 import Empty

from pachlocal.api import pickers, wire
from pachlocal.api.pps import filters, foreign_code, specs
from pachlocal.api.pps.defaults import DefaultCalls, merged
from pachlocal.api.pps.messages import Messages, pipeline_message, pipeline_name
from pachlocal.api.room import makes_room
from pachlocal.api.service import Context
from pachlocal.errors import InvalidArgumentError, NotFoundError
from pachlocal.pfs.files import resolve
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import repos, schedule
from pachlocal.pfs.history.names import CommitName, parse_ancestry
from pachlocal.pps.run.scheduler import Scheduler
from pachlocal.pps.spec.inputs import Json
from pachlocal.pps.spec.spec import check_fields
from pachlocal.pps.spec.states import JobState, PipelineState
from pachlocal.pps.tables import cron, jobs, pipelines, secrets
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.proto import pfs_pb2, pps_pb2
from pachlocal.storage.database import Connection

_FAILED = (PipelineState.FAILURE, PipelineState.CRASHING)
_UNHEALTHY = (JobState.FAILURE, JobState.KILLED, JobState.UNRUNNABLE)


class PipelineCalls(DefaultCalls):
    """pps_v2.API: pipelines."""

    def __init__(self, files: FileSystem, scheduler: Scheduler) -> None:
        self.files = files
        self.scheduler = scheduler

    def create_pipeline(self, request: pps_pb2.CreatePipelineRequest, context: Context) -> Empty:
        """Create or update a pipeline from a message, as the Python clients do."""
        alone = pps_pb2.CreatePipelineRequest()
        alone.CopyFrom(request)
        for control in ("update", "reprocess", "dry_run"):
            alone.ClearField(control)
        spec = specs.to_dict(alone)
        self._create(
            spec,
            specs.to_json(spec),
            update=request.update,
            reprocess=request.reprocess,
            dry_run=request.dry_run,
        )
        return Empty()

    def create_pipeline_v2(
        self, request: pps_pb2.CreatePipelineV2Request, context: Context
    ) -> pps_pb2.CreatePipelineV2Response:
        """Create or update a pipeline from JSON, as pachctl does; or only show what it would be."""
        text = request.create_pipeline_request_json
        spec = specs.from_json(text)
        complete = self._create(
            spec,
            text,
            update=request.update or bool(spec.get("update")),
            reprocess=request.reprocess or bool(spec.get("reprocess")),
            dry_run=request.dry_run or bool(spec.get("dry_run")),
        )
        return pps_pb2.CreatePipelineV2Response(
            effective_create_pipeline_request_json=specs.to_json(complete)
        )

    def render_template(
        self, request: pps_pb2.RenderTemplateRequest, context: Context
    ) -> pps_pb2.RenderTemplateResponse:
        """Return what a jsonnet template makes of arguments: one spec, or an array of them.

        Raises:
            InvalidArgumentError: The template is wrong, or its result is not a spec.
            UnsupportedError: There is no jsonnet here.
        """
        given = json.dumps({"template": request.template, "args": dict(request.args)})
        rendered = foreign_code.run("jsonnet_program.py", given, "template err")
        value = json.loads(rendered)
        found = value if isinstance(value, list) else [value]
        if not all(isinstance(spec, dict) for spec in found):
            raise InvalidArgumentError(f"not a json object or list: {rendered[:80].strip()}")
        return pps_pb2.RenderTemplateResponse(json=rendered, specs=map(specs.from_dict, found))

    def _create(
        self, user_spec: Json, text: str, *, update: bool, reprocess: bool, dry_run: bool
    ) -> Json:
        """Make a pipeline; or with `dry_run` only its spec, which may be unfinished."""
        if dry_run:
            with self.files.snapshot() as connection:
                spec = merged(connection, user_spec)
            return check_fields(spec)
        with self.files.transaction() as tx:
            made = pipelines.create(
                tx,
                self.files.objects,
                merged(tx.connection, user_spec),
                user_json=text,
                update=update,
                reprocess=reprocess,
            )
            secrets.check(tx.connection, made.spec.transform.secrets)
            return made.effective_spec

    def inspect_pipeline(
        self, request: pps_pb2.InspectPipelineRequest, context: Context
    ) -> pps_pb2.PipelineInfo:
        """Return a pipeline, or with ancestry in its name an earlier version."""
        with self.files.snapshot() as connection:
            info = _version(connection, request.pipeline)
            workers = self.scheduler.workers(info.key)
            messages = Messages(connection, wire.Wire(context))
            return messages.pipeline(info, workers, details=request.details)

    def list_pipeline(
        self, request: pps_pb2.ListPipelineRequest, context: Context
    ) -> Iterator[pps_pb2.PipelineInfo]:
        """Yield pipelines, the newest first; one that is named must be there.

        With a commit set they are as they were then, and those that weren't there yet left out.
        """
        projects = [wire.project_name(project) for project in request.projects]
        with self.files.snapshot() as connection:
            messages = Messages(connection, wire.Wire(context))
            wanted = pipeline_name(request.pipeline)
            if request.pipeline.name:
                pipelines.inspect(connection, *wanted)
            found: Iterator[PipelineInfo] = (
                info
                for info in pipelines.list_pipelines(
                    connection, projects, history_depth=request.history
                )
                if not request.pipeline.name or (info.spec.project, info.spec.name) == wanted
            )
            if request.commit_set.id:
                found = filter(None, (_at(connection, it, request.commit_set.id) for it in found))

            def message_of(info: PipelineInfo) -> pps_pb2.PipelineInfo:
                return messages.pipeline(
                    info,
                    self.scheduler.workers(info.key),
                    details=True,
                    as_of=info.version if request.commit_set.id else None,
                )

            found = filters.kept(request.jqFilter, found, pps_pb2.PipelineState, message_of)
            if request.HasField("page"):
                found = wire.page(found, request.page)
            yield from map(message_of, found)

    def pipelines_summary(
        self, request: pps_pb2.PipelinesSummaryRequest, context: Context
    ) -> pps_pb2.PipelinesSummaryResponse:
        """Count the pipelines of some projects, or of all: active, paused, failed, unhealthy.

        A project without pipelines has no summary.
        """
        with self.files.snapshot() as connection:
            projects = [pickers.project(picker) for picker in request.projects] or [
                info.name for info in repos.list_projects(connection)
            ]
            summaries: dict[str, pps_pb2.PipelinesSummary] = {}
            for info in pipelines.list_pipelines(connection, projects):
                project = info.spec.project
                summary = summaries.setdefault(
                    project, pps_pb2.PipelinesSummary(project=pfs_pb2.Project(name=project))
                )
                if info.state in _FAILED:
                    summary.failed_pipelines += 1
                elif info.state is PipelineState.PAUSED:
                    summary.paused_pipelines += 1
                else:
                    summary.active_pipelines += 1
                newest = next(jobs.list_jobs(connection, pipeline=info.key), None)
                summary.unhealthy_pipelines += newest is not None and _is_unhealthy(info, newest)
        return pps_pb2.PipelinesSummaryResponse(
            summaries=[summaries[name] for name in projects if name in summaries]
        )

    def start_pipeline(self, request: pps_pb2.StartPipelineRequest, context: Context) -> Empty:
        """Let a stopped pipeline run again."""
        with self.files.transaction() as tx:
            info = pipelines.inspect(tx.connection, *pipeline_name(request.pipeline))
            pipelines.start(tx, info)
        return Empty()

    @makes_room
    def stop_pipeline(self, request: pps_pb2.StopPipelineRequest, context: Context) -> Empty:
        """Stop a pipeline; one that isn't there is an error only when it must exist."""
        with self.files.transaction() as tx:
            info = self._find(tx.connection, request.pipeline, must_exist=request.must_exist)
            if info is not None:
                pipelines.stop(tx, self.files.objects, info)
        return Empty()

    def rerun_pipeline(self, request: pps_pb2.RerunPipelineRequest, context: Context) -> Empty:
        """Run a pipeline again on the data it has run on."""
        with self.files.transaction() as tx:
            info = _version(tx.connection, request.pipeline)
            pipelines.create(
                tx,
                self.files.objects,
                info.effective_spec,
                user_json=info.user_json,
                update=True,
                reprocess=request.reprocess,
            )
        return Empty()

    def run_cron(self, request: pps_pb2.RunCronRequest, context: Context) -> Empty:
        """Tick a pipeline's cron inputs now."""
        with self.files.snapshot() as connection:
            info = pipelines.inspect(connection, *pipeline_name(request.pipeline))
        cron.run(self.files, info.spec, time.time_ns())
        return Empty()

    @makes_room
    def delete_pipeline(self, request: pps_pb2.DeletePipelineRequest, context: Context) -> Empty:
        """Delete a pipeline; one that isn't there is an error only when it must exist."""
        with self.files.transaction() as tx:
            if request.all:
                pipelines.delete_all(
                    tx, self.files.objects, force=request.force, keep_repo=request.keep_repo
                )
                return Empty()
            info = self._find(tx.connection, request.pipeline, must_exist=request.must_exist)
            if info is not None:
                pipelines.delete(
                    tx,
                    self.files.objects,
                    info,
                    force=request.force,
                    keep_repo=request.keep_repo,
                )
        return Empty()

    @makes_room
    def delete_pipelines(
        self, request: pps_pb2.DeletePipelinesRequest, context: Context
    ) -> pps_pb2.DeletePipelinesResponse:
        """Delete the pipelines of some projects; or all, whatever projects are named."""
        projects = [] if request.all else [wire.project_name(it) for it in request.projects]
        if not projects and not request.all:
            raise InvalidArgumentError("validate request: name projects, or ask for all")
        with self.files.transaction() as tx:
            deleted = pipelines.delete_all(
                tx,
                self.files.objects,
                projects,
                force=request.force,
                keep_repo=request.keep_repo,
            )
        return pps_pb2.DeletePipelinesResponse(pipelines=map(pipeline_message, deleted))

    def check_status(
        self, request: pps_pb2.CheckStatusRequest, context: Context
    ) -> Iterator[pps_pb2.CheckStatusResponse]:
        """Yield an alert for each pipeline whose workers run for longer than its spec expects."""
        projects = [wire.project_name(request.project)] if request.HasField("project") else []
        now = time.time_ns()
        with self.files.snapshot() as connection:
            for info in pipelines.list_pipelines(connection, projects):
                unfinished = jobs.list_unfinished(connection, info.key, info.version)
                oldest = next(unfinished, None)
                limit = info.spec.expected_uptime_s
                if limit is None or oldest is None or info.stopped:
                    continue
                over = (now - oldest.created) / 1e9 - limit
                if over > 0:
                    since = schedule.format_time(oldest.created)
                    yield pps_pb2.CheckStatusResponse(
                        project=pfs_pb2.Project(name=info.spec.project),
                        pipeline=pipeline_message(info.spec.repo),
                        alerts=[
                            f"{info.spec.repo}: Started running at {since}, exceeded maximum "
                            f"uptime by {over:.3f}s"
                        ],
                    )

    @makes_room
    def delete_all(self, request: Empty, context: Context) -> Empty:
        """Delete all pipelines and secrets."""
        with self.files.transaction() as tx:
            pipelines.delete_all(tx, self.files.objects)
            secrets.delete_all(tx)
        return Empty()

    def _find(
        self, connection: Connection, pipeline: pps_pb2.Pipeline, *, must_exist: bool
    ) -> PipelineInfo | None:
        name = pipeline_name(pipeline)
        find = pipelines.inspect if must_exist else pipelines.find
        return find(connection, *name)


def _is_unhealthy(pipeline: PipelineInfo, newest: JobInfo) -> bool:
    """Whether a pipeline counts as unhealthy, as its newest job says.

    The jobs that a failed pipeline gets after the one that its spec caused wait on the real server.
    """
    waits_there = pipeline.state is PipelineState.FAILURE and newest.id != pipeline.spec_commit
    return newest.state in _UNHEALTHY and not waits_there


def _version(connection: Connection, pipeline: pps_pb2.Pipeline) -> PipelineInfo:
    """Return a pipeline, or with ancestry in its name an earlier version.

    Raises:
        NotFoundError: It isn't there, or has not so many versions.
        InvalidArgumentError: It is to be one that is counted from the first on.
    """
    project, name = pipeline_name(pipeline)
    ancestry = parse_ancestry(name)
    if ancestry.nth is not None:
        raise InvalidArgumentError("cannot inspect future pipelines")
    info = pipelines.inspect(connection, project, ancestry.name)
    version = info.version - ancestry.back
    if version < 1:
        raise NotFoundError(
            f'pipeline "{project}/{ancestry.name}" not found: it has only {info.version} versions, '
            f"not enough to find ancestor {ancestry.back}"
        )
    return pipelines.by_key(connection, info.key, version)


def _at(connection: Connection, pipeline: PipelineInfo, commit_set: str) -> PipelineInfo | None:
    """Return the version that a pipeline had in a commit set, or None where it had none."""
    try:
        spec_commit = resolve.resolve(
            connection, CommitName(pipeline.spec.versions.repo, commit_set)
        )
    except NotFoundError:
        return None
    return pipelines.of_spec_commit(connection, pipeline.key, spec_commit.name.id)
