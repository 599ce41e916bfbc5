"""Calls of pachlocal.v1.Local that look ahead: what a change would let pipelines do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from pachlocal.api import callers, wire
from pachlocal.api.code import CodeMessages
from pachlocal.api.pfs import PfsApi
from pachlocal.api.pps import PpsApi, specs
from pachlocal.api.pps.defaults import merged
from pachlocal.api.pps.messages import pipeline_message
from pachlocal.api.service import Context
from pachlocal.errors import InfrastructureError, InvalidArgumentError
from pachlocal.pfs.files.modification import Modification
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pfs.tree.scratch import Scratch
from pachlocal.pps.planning.forecast import Fate, Forecast, PlannedChange, forecast
from pachlocal.pps.spec.inputs import Json
from pachlocal.pps.spec.spec import PipelineSpec, effective, parse
from pachlocal.pps.tables import code_versions, jobs, pipelines
from pachlocal.proto import local_pb2
from pachlocal.storage.database import Connection

_FATES = {
    Fate.RUN: local_pb2.PlannedReason.RUN,
    Fate.SKIP: local_pb2.PlannedReason.SKIP,
    Fate.DEPEND: local_pb2.PlannedReason.DEPEND,
    Fate.VANISH: local_pb2.PlannedReason.VANISH,
}


class Planning:
    """pachlocal.v1.Local: plans."""

    files: FileSystem
    pfs: PfsApi
    pps: PpsApi

    def plan_pipelines(
        self, request: local_pb2.PlanPipelinesRequest, context: Context
    ) -> local_pb2.PlanResponse:
        """Return what would run if pipelines were created or updated."""
        with self.files.snapshot() as connection:
            wanted = [(it, self._spec(connection, it.spec_json)) for it in request.pipelines]

        def change(tx: Transaction) -> PlannedChange:
            made = [
                pipelines.create(
                    tx,
                    self.files.objects,
                    spec,
                    update=plan.update or spec.get("update", False),
                    reprocess=plan.reprocess or spec.get("reprocess", False),
                )
                for plan, spec in wanted
            ]
            return PlannedChange(tx, tuple(made))

        with Scratch(self.files.objects) as objects:
            found = forecast(self.files, objects, change, callers.check(context), self.code_now)
        return self._response(found, [parse(effective(it)) for _, it in wanted])

    def review_pipeline(
        self, request: local_pb2.PlannedPipeline, context: Context
    ) -> local_pb2.ReviewPipelineResponse:
        """Return what is to be known before a pipeline is created or updated."""
        with self.files.snapshot() as connection:
            spec = parse(effective(self._spec(connection, request.spec_json)))
        remark = self.pps.scheduler.remark(spec)
        older = "" if request.reprocess or spec.code_counts else self._older(spec)
        return local_pb2.ReviewPipelineResponse(
            warnings=[remark] if remark else [], notes=[older] if older else []
        )

    def code_now(self, image: str) -> str:
        """Return what names the code that a job of an image would run; empty if it isn't known."""
        try:
            return self.pps.scheduler.code.now(image)[0]
        except InfrastructureError:
            return ""

    def _spec(self, connection: Connection, text: str) -> Json:
        return merged(connection, specs.from_json(text))

    def _older(self, spec: PipelineSpec) -> str:
        """Say which outputs of a pipeline are by older code than it would run now."""
        with self.files.snapshot() as connection:
            info = pipelines.find(connection, spec.project, spec.name)
            if info is None:
                return ""
            newest = jobs.newest_with_results(connection, info.key)
            if newest is None:
                return ""
            uses = code_versions.of_outputs(connection, newest.key)
            messages = CodeMessages(connection, self.files.objects, self.pps.scheduler.code)
            return messages.older({version.key: n for version, n in uses}, spec, spec.repo)

    def plan_files(
        self, requests: Iterator[local_pb2.ModifyFilesRequest], context: Context
    ) -> local_pb2.PlanResponse:
        """Return what would run if files were changed."""
        each = chain.from_iterable(request.requests for request in requests)
        first = next(each, None)
        if first is None or first.WhichOneof("body") != "set_commit":
            raise InvalidArgumentError("first message must be a commit")
        target, branch = wire.commit_name(first.set_commit)
        with Scratch(self.files.objects) as objects, Modification(objects) as modification:
            self.pfs.modify(modification, each, context)
            changes = modification.finish()

            def change(tx: Transaction) -> PlannedChange:
                commit = self.files.change_in(tx, objects, changes, target, branch)
                return PlannedChange(tx, finished=commit.name.id)

            found = forecast(self.files, objects, change, callers.check(context), self.code_now)
        return self._response(found, [])

    def _response(
        self, forecasts: list[Forecast], changed: list[PipelineSpec]
    ) -> local_pb2.PlanResponse:
        """Make the answer.

        Args:
            forecasts: What was found.
            changed: The specs that are part of the change.
        """
        by_repo = {spec.repo: spec for spec in changed}
        with self.files.snapshot() as connection:
            messages = CodeMessages(connection, self.files.objects, self.pps.scheduler.code)
            return local_pb2.PlanResponse(
                jobs=[
                    _job(found, messages.older(found.code, by_repo.get(found.repo), found.repo))
                    for found in forecasts
                ]
            )


def _job(found: Forecast, note: str) -> local_pb2.PlannedJob:
    return local_pb2.PlannedJob(
        pipeline=pipeline_message(found.repo),
        version=found.version,
        run=found.counts.get(Fate.RUN, 0),
        skip=found.counts.get(Fate.SKIP, 0),
        depend=found.counts.get(Fate.DEPEND, 0),
        vanish=found.counts.get(Fate.VANISH, 0),
        reasons=[
            local_pb2.PlannedReason(fate=_FATES[fate], reason=reason, datums=datums)
            for fate, reason, datums in found.reasons
        ],
        depends_on=map(pipeline_message, found.depends_on),
        notes=[*found.notes, note] if note else found.notes,
    )
