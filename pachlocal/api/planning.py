"""Calls of pachlocal.v1.Local that look ahead: what a change would let pipelines do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from pachlocal.api import wire
from pachlocal.api.pfs import PfsApi
from pachlocal.api.pps import specs
from pachlocal.api.pps.messages import pipeline_message
from pachlocal.api.service import Context
from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.modification import Modification
from pachlocal.pfs.scratch import Scratch
from pachlocal.pfs.transaction import Transaction
from pachlocal.pps import pipelines
from pachlocal.pps.forecast import Change, Fate, Forecast, forecast
from pachlocal.proto import local_pb2

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

    def plan_pipelines(
        self, request: local_pb2.PlanPipelinesRequest, context: Context
    ) -> local_pb2.PlanResponse:
        """Return what would run if pipelines were created or updated."""
        wanted = [(plan, specs.from_json(plan.spec_json)) for plan in request.pipelines]

        def change(tx: Transaction) -> Change:
            made = [
                pipelines.create(
                    tx,
                    self.files.objects,
                    specs.to_dict(message),
                    update=plan.update or message.update,
                    reprocess=plan.reprocess or message.reprocess,
                )
                for plan, message in wanted
            ]
            return Change((tx.id,), tuple(made))

        with Scratch(self.files.objects) as objects:
            return _response(forecast(self.files, objects, change))

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

            def change(tx: Transaction) -> Change:
                commit = self.files.change_in(tx, objects, changes, target, branch)
                return Change(tuple(dict.fromkeys((commit.name.id, tx.id))))

            return _response(forecast(self.files, objects, change))


def _response(forecasts: list[Forecast]) -> local_pb2.PlanResponse:
    return local_pb2.PlanResponse(jobs=map(_job, forecasts))


def _job(found: Forecast) -> local_pb2.PlannedJob:
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
        notes=found.notes,
    )
