"""Calls of pachlocal.v1.Local that say why: of a datum, and of a file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pachlocal.api import wire
from pachlocal.api.code import CodeMessages
from pachlocal.api.pps import PpsApi
from pachlocal.api.pps.messages import hex_id, job_message, job_of
from pachlocal.api.service import Context
from pachlocal.pfs.files import resolve
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history.names import CommitName
from pachlocal.pps.planning import lineage
from pachlocal.pps.planning.lineage import DatumOrigin, FileOrigin
from pachlocal.pps.tables import code_versions, datum_store, jobs, pipelines
from pachlocal.pps.tables.datum_store import DatumReason
from pachlocal.pps.worker import variables
from pachlocal.proto import local_pb2, pfs_pb2, pps_pb2

_REASONS = 1000  # in a message: some 200 KB


class Explaining:
    """pachlocal.v1.Local: reasons and origins."""

    files: FileSystem
    pps: PpsApi

    def list_datum_reasons(
        self, request: local_pb2.ListDatumReasonsRequest, context: Context
    ) -> Iterator[local_pb2.ListDatumReasonsResponse]:
        """Yield why datums of a job run or are skipped: all, or some in the order asked for."""
        with self.files.snapshot() as connection:
            job = job_of(connection, request.job)
            found = datum_store.reasons(connection, job)
            env: dict[str, str] = {}
            if request.datum_ids:
                env = variables.passed(pipelines.by_key(connection, job.pipeline, job.version))
                ids = map(hex_id, request.datum_ids)
                asked = (datum_store.inspect(connection, job, id_) for id_ in ids)
                found = (DatumReason(one.id, one.why, one.code) for one in asked)
            name = code_versions.Names(connection)
            while batch := list(islice(found, _REASONS)):
                yield local_pb2.ListDatumReasonsResponse(
                    reasons=[
                        local_pb2.DatumReason(
                            datum_id=one.id.hex(), reason=one.why, code=name.of(one.code), env=env
                        )
                        for one in batch
                    ]
                )

    def why(self, request: local_pb2.WhyRequest, context: Context) -> local_pb2.WhyResponse:
        """Return where a file comes from."""
        with self.files.snapshot() as connection:
            commit = resolve.resolve(connection, *wire.commit_name(request.file.commit))
            origin = lineage.trace(connection, self.files.objects, commit, request.file.path)
            code = CodeMessages(connection, self.files.objects, self.pps.scheduler.code)
            job = jobs.of_output(connection, commit.key)
            uses = code.uses(job) if job is not None else []
            return local_pb2.WhyResponse(
                origin=_Answer(wire.Wire(context), code).file(origin),
                outputs=uses if len(uses) > 1 else [],
            )


class _Answer:
    """Makes messages of origins."""

    def __init__(self, answer: wire.Wire, code: CodeMessages) -> None:
        self._wire = answer
        self._code = code

    def file(self, origin: FileOrigin) -> local_pb2.FileOrigin:
        return local_pb2.FileOrigin(
            file=self._wire.file_info(origin.commit, origin.path, origin.entry),
            datums=map(self._datum, origin.datums),
            more_datums=origin.more_datums,
            changed=self._wire.commit_info(origin.changed) if origin.changed else None,
            repeated=origin.repeated,
        )

    def _datum(self, origin: DatumOrigin) -> local_pb2.DatumOrigin:
        ran_in, spec = origin.ran_in, origin.pipeline.spec
        return local_pb2.DatumOrigin(
            datum=pps_pb2.Datum(job=job_message(origin.job), id=origin.datum.id.hex()),
            state=pps_pb2.DatumState.ValueType(origin.datum.state),
            reason=origin.datum.why,
            ran_in=job_message(ran_in) if ran_in else None,
            job_state=pps_pb2.JobState.ValueType(ran_in.state if ran_in else 0),
            ran_reason=origin.ran.why if ran_in else "",
            started=wire.timestamp(ran_in.started) if ran_in else None,
            finished=wire.timestamp(ran_in.finished) if ran_in else None,
            pipeline_version=origin.pipeline.version,
            spec_commit=self._spec_commit(origin),
            image=spec.transform.image,
            cmd=spec.transform.cmd,
            stdin=spec.transform.stdin,
            inputs=map(self.file, origin.inputs),
            code=self._code.version(origin.code, origin.job) if origin.code else None,
        )

    def _spec_commit(self, origin: DatumOrigin) -> pfs_pb2.Commit:
        versions = origin.pipeline.spec.versions
        return self._wire.named_commit(
            CommitName(versions.repo, origin.pipeline.spec_commit, versions.name)
        )
