"""Calls about pipelines."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from google.protobuf.empty_pb2 import Empty

from pachlocal.api import wire
from pachlocal.api.pps import filters, specs
from pachlocal.api.pps.messages import Messages, pipeline_message, pipeline_name
from pachlocal.api.service import Context
from pachlocal.errors import ConflictError, InvalidArgumentError, NotFoundError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps import cron, pipelines, secrets
from pachlocal.pps.inputs import Json
from pachlocal.pps.pipelines import PipelineInfo
from pachlocal.pps.scheduler import Scheduler
from pachlocal.pps.spec import effective
from pachlocal.proto import pps_pb2
from pachlocal.storage.database import Connection


class PipelineCalls:
    """pps_v2.API: pipelines."""

    def __init__(self, files: FileSystem, scheduler: Scheduler) -> None:
        self.files = files
        self.scheduler = scheduler

    def create_pipeline(self, request: pps_pb2.CreatePipelineRequest, context: Context) -> Empty:
        """Create or update a pipeline from a message, as the Python clients do."""
        if not request.dry_run:
            spec = specs.to_dict(request)
            self._create(spec, update=request.update, reprocess=request.reprocess)
        return Empty()

    def create_pipeline_v2(
        self, request: pps_pb2.CreatePipelineV2Request, context: Context
    ) -> pps_pb2.CreatePipelineV2Response:
        """Create or update a pipeline from JSON, as pachctl does."""
        message = specs.from_json(request.create_pipeline_request_json)
        spec = specs.to_dict(message)
        complete = effective(spec)
        if not (request.dry_run or message.dry_run):
            self._create(
                spec,
                update=request.update or message.update,
                reprocess=request.reprocess or message.reprocess,
            )
        return pps_pb2.CreatePipelineV2Response(
            effective_create_pipeline_request_json=json.dumps(complete)
        )

    def _create(self, spec: Json, *, update: bool, reprocess: bool) -> None:
        with self.files.transaction() as tx:
            pipelines.create(tx, self.files.objects, spec, update=update, reprocess=reprocess)

    def inspect_pipeline(
        self, request: pps_pb2.InspectPipelineRequest, context: Context
    ) -> pps_pb2.PipelineInfo:
        """Return a pipeline, or with ancestry in its name an earlier version."""
        project, name = pipeline_name(request.pipeline)
        plain = name.rstrip("^")
        with self.files.snapshot() as connection:
            info = pipelines.inspect(connection, project, plain)
            if plain != name:
                version = info.version - (len(name) - len(plain))
                if version < 1:
                    raise NotFoundError(f'pipeline "{project}/{name}" not found')
                info = pipelines.by_key(connection, info.key, version)
            workers = self.scheduler.workers(info.key)
            messages = Messages(connection, wire.Wire(context))
            return messages.pipeline(info, workers, details=request.details)

    def list_pipeline(
        self, request: pps_pb2.ListPipelineRequest, context: Context
    ) -> Iterator[pps_pb2.PipelineInfo]:
        """Yield pipelines, the newest first."""
        keep = filters.parse(request.jqFilter, pps_pb2.PipelineState)
        projects = [wire.project_name(project) for project in request.projects]
        with self.files.snapshot() as connection:
            messages = Messages(connection, wire.Wire(context))
            wanted = pipeline_name(request.pipeline)
            for info in pipelines.list_pipelines(
                connection, projects, history_depth=request.history
            ):
                named = (info.spec.project, info.spec.name)
                if request.pipeline.name and named != wanted:
                    continue
                if keep(info.state):
                    yield messages.pipeline(info, self.scheduler.workers(info.key), details=True)

    def start_pipeline(self, request: pps_pb2.StartPipelineRequest, context: Context) -> Empty:
        """Let a stopped pipeline run again."""
        with self.files.transaction() as tx:
            info = pipelines.inspect(tx.connection, *pipeline_name(request.pipeline))
            pipelines.start(tx, info)
        return Empty()

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
            info = pipelines.inspect(tx.connection, *pipeline_name(request.pipeline))
            pipelines.create(
                tx, self.files.objects, info.user_spec, update=True, reprocess=request.reprocess
            )
        return Empty()

    def run_pipeline(self, request: pps_pb2.RunPipelineRequest, context: Context) -> Empty:
        """Refuse, as the real server does since 2.0."""
        raise ConflictError("unimplemented")

    def run_cron(self, request: pps_pb2.RunCronRequest, context: Context) -> Empty:
        """Tick a pipeline's cron inputs now."""
        with self.files.snapshot() as connection:
            info = pipelines.inspect(connection, *pipeline_name(request.pipeline))
        cron.run(self.files, info.spec, time.time_ns())
        return Empty()

    def delete_pipeline(self, request: pps_pb2.DeletePipelineRequest, context: Context) -> Empty:
        """Delete a pipeline; one that isn't there is an error only when it must exist."""
        with self.files.transaction() as tx:
            if request.all:
                pipelines.delete_all(tx, self.files.objects)
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

    def delete_pipelines(
        self, request: pps_pb2.DeletePipelinesRequest, context: Context
    ) -> pps_pb2.DeletePipelinesResponse:
        """Delete the pipelines of some projects, or all."""
        projects = [wire.project_name(project) for project in request.projects]
        if not projects and not request.all:
            raise InvalidArgumentError("validate request: name projects, or ask for all")
        with self.files.transaction() as tx:
            deleted = pipelines.delete_all(
                tx, self.files.objects, projects, keep_repo=request.keep_repo
            )
        return pps_pb2.DeletePipelinesResponse(pipelines=map(pipeline_message, deleted))

    def check_status(
        self, request: pps_pb2.CheckStatusRequest, context: Context
    ) -> Iterator[pps_pb2.CheckStatusResponse]:
        """Yield no alerts: they are about workers that run longer than expected in a cluster."""
        return iter(())

    def delete_all(self, request: Empty, context: Context) -> Empty:
        """Delete all pipelines and secrets."""
        with self.files.transaction() as tx:
            pipelines.delete_all(tx, self.files.objects)
            secrets.delete_all(tx)
        return Empty()

    def get_cluster_defaults(
        self, request: pps_pb2.GetClusterDefaultsRequest, context: Context
    ) -> pps_pb2.GetClusterDefaultsResponse:
        """Return the defaults of all pipelines: none."""
        return pps_pb2.GetClusterDefaultsResponse(cluster_defaults_json="{}")

    def get_project_defaults(
        self, request: pps_pb2.GetProjectDefaultsRequest, context: Context
    ) -> pps_pb2.GetProjectDefaultsResponse:
        """Return the defaults of a project's pipelines: none."""
        return pps_pb2.GetProjectDefaultsResponse(project_defaults_json="{}")

    def _find(
        self, connection: Connection, pipeline: pps_pb2.Pipeline, *, must_exist: bool
    ) -> PipelineInfo | None:
        name = pipeline_name(pipeline)
        find = pipelines.inspect if must_exist else pipelines.find
        return find(connection, *name)
