"""Calls about the defaults of specs, and what specs become over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pachlocal.api import wire
from pachlocal.api.pps import specs
from pachlocal.api.pps.messages import pipeline_message
from pachlocal.api.service import Context
from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import repos
from pachlocal.pfs.history.names import DEFAULT_PROJECT
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pps.spec.defaults import with_defaults
from pachlocal.pps.spec.inputs import Json
from pachlocal.pps.spec.spec import check_fields, effective
from pachlocal.pps.tables import defaults, pipelines
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.proto import pps_pb2
from pachlocal.storage.database import Connection


def merged(connection: Connection, spec: Json, given: Mapping[str, str] | None = None) -> Json:
    """Return a spec over the defaults of the cluster and of its project.

    Args:
        connection: The state of the store.
        spec: The user's spec, as `specs.from_json` reads it.
        given: Defaults that stand for those in the store, by project.

    Raises:
        InvalidArgumentError: The result is none.
        NotFoundError: There is no such project.
    """
    project = ((spec.get("pipeline") or {}).get("project") or {}).get("name") or DEFAULT_PROJECT
    repos.inspect_project(connection, project)
    layers = [
        specs.defaults_from_json(
            (given or {}).get(of) or defaults.inspect(connection, of).json or "{}"
        )
        for of in (defaults.CLUSTER, project)
    ]
    found = with_defaults(spec, *layers)
    if "transform" not in found:  # Pachyderm's own defaults have one: a null takes it away
        raise InvalidArgumentError("invalid pipeline spec: pipeline must specify a transform")
    return specs.complete(found)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a call sets.

    Attributes:
        project: Whose defaults; `defaults.CLUSTER` for the cluster's.
        json: The text.
        regenerate: Whether pipelines get new specs.
        reprocess: Whether they do all their datums again.
        dry_run: Whether nothing is to change.
    """

    project: str
    json: str
    regenerate: bool
    reprocess: bool
    dry_run: bool


class DefaultCalls:
    """pps_v2.API: defaults."""

    files: FileSystem

    def get_cluster_defaults(
        self, request: pps_pb2.GetClusterDefaultsRequest, context: Context
    ) -> pps_pb2.GetClusterDefaultsResponse:
        """Return the defaults of all pipelines, as they were set."""
        with self.files.snapshot() as connection:
            found = defaults.inspect(connection, defaults.CLUSTER)
        return pps_pb2.GetClusterDefaultsResponse(cluster_defaults_json=found.json)

    def get_project_defaults(
        self, request: pps_pb2.GetProjectDefaultsRequest, context: Context
    ) -> pps_pb2.GetProjectDefaultsResponse:
        """Return the defaults of a project's pipelines, as they were set."""
        with self.files.snapshot() as connection:
            project = repos.inspect_project(connection, wire.project_name(request.project)).name
            found = defaults.inspect(connection, project)
        return pps_pb2.GetProjectDefaultsResponse(
            project_defaults_json=found.json, created_at=wire.timestamp(found.created)
        )

    def set_cluster_defaults(
        self, request: pps_pb2.SetClusterDefaultsRequest, context: Context
    ) -> pps_pb2.SetClusterDefaultsResponse:
        """Set the defaults of all pipelines, and bring their specs up to date if that is asked."""
        text = request.cluster_defaults_json
        _check(text, "cluster")
        wanted = _Wanted(
            defaults.CLUSTER, text, request.regenerate, request.reprocess, request.dry_run
        )
        return pps_pb2.SetClusterDefaultsResponse(affected_pipelines=self._set(wanted))

    def set_project_defaults(
        self, request: pps_pb2.SetProjectDefaultsRequest, context: Context
    ) -> pps_pb2.SetProjectDefaultsResponse:
        """Set the defaults of a project's pipelines, and bring their specs up to date."""
        text = request.project_defaults_json
        _check(text, "project")
        with self.files.snapshot() as connection:
            project = repos.inspect_project(connection, wire.project_name(request.project)).name
        wanted = _Wanted(project, text, request.regenerate, request.reprocess, request.dry_run)
        return pps_pb2.SetProjectDefaultsResponse(affected_pipelines=self._set(wanted))

    def _set(self, wanted: _Wanted) -> Iterable[pps_pb2.Pipeline]:
        if wanted.dry_run:
            with self.files.snapshot() as connection:
                return [pipeline_message(it.spec.repo) for it, _ in _affected(connection, wanted)]
        with self.files.transaction() as tx:
            changed = _affected(tx.connection, wanted)
            defaults.put(tx, wanted.project, wanted.json)
            for info, spec in changed:
                self._update(tx, info, spec, reprocess=wanted.reprocess)
        return [pipeline_message(info.spec.repo) for info, _ in changed]

    def _update(self, tx: Transaction, info: PipelineInfo, spec: Json, *, reprocess: bool) -> None:
        try:
            pipelines.create(
                tx,
                self.files.objects,
                spec,
                user_json=info.user_json,
                update=True,
                reprocess=reprocess,
            )
        except InvalidArgumentError as error:
            raise InvalidArgumentError(
                f"could not regenerate pipeline {info.spec.project}/{info.spec.name}: {error}"
            ) from None


def _check(text: str, whose: str) -> None:
    """Refuse what can't be defaults.

    Raises:
        InvalidArgumentError: It says why.
    """
    try:
        check_fields(with_defaults({}, specs.defaults_from_json(text)))
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"invalid {whose} defaults JSON: {error}") from None


def _affected(connection: Connection, wanted: _Wanted) -> list[tuple[PipelineInfo, Json]]:
    """Return the pipelines whose specs the new defaults change, with their new specs."""
    if not wanted.regenerate:
        return []
    projects = [wanted.project] if wanted.project else []
    given = {wanted.project: wanted.json}
    found = []
    for info in pipelines.list_pipelines(connection, projects):
        spec = merged(connection, specs.from_json(info.user_json), given)
        if specs.to_message(effective(spec, info.created)) != specs.to_message(info.effective_spec):
            found.append((info, spec))
    return found[::-1]  # as they were made: what reads another's output after it
