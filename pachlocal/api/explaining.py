"""Calls of pachlocal.v1.Local that say why: of a datum, and of a file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pachlocal.api import wire
from pachlocal.api.pps.messages import job_message, pipeline_name
from pachlocal.api.service import Context
from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs import resolve
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.names import CommitName, RepoName
from pachlocal.pps import datum_store, jobs, lineage
from pachlocal.pps.lineage import DatumOrigin, FileOrigin
from pachlocal.proto import local_pb2, pfs_pb2, pps_pb2

_REASONS = 1000  # in a message: some 200 KB


class Explaining:
    """pachlocal.v1.Local: reasons and origins."""

    files: FileSystem

    def list_datum_reasons(
        self, request: local_pb2.ListDatumReasonsRequest, context: Context
    ) -> Iterator[local_pb2.ListDatumReasonsResponse]:
        """Yield why each datum of a job runs or is skipped, or one datum alone."""
        with self.files.snapshot() as connection:
            name = RepoName(*pipeline_name(request.job.pipeline))
            job = jobs.inspect(connection, name, request.job.id)
            if request.datum_id:
                one = datum_store.inspect(connection, job, _datum_id(request.datum_id))
                found = iter([(one.id, one.why)])
            else:
                found = datum_store.reasons(connection, job)
            while batch := list(islice(found, _REASONS)):
                yield local_pb2.ListDatumReasonsResponse(
                    reasons=[
                        local_pb2.DatumReason(datum_id=id_.hex(), reason=why) for id_, why in batch
                    ]
                )

    def why(self, request: local_pb2.WhyRequest, context: Context) -> local_pb2.WhyResponse:
        """Return where a file comes from."""
        with self.files.snapshot() as connection:
            commit = resolve.resolve(connection, *wire.commit_name(request.file.commit))
            origin = lineage.trace(connection, self.files.objects, commit, request.file.path)
        return local_pb2.WhyResponse(origin=_file(origin, wire.Wire(context)))


def _datum_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InvalidArgumentError(f"datum ID {text!r} is not hexadecimal") from None


def _file(origin: FileOrigin, answer: wire.Wire) -> local_pb2.FileOrigin:
    return local_pb2.FileOrigin(
        file=answer.file_info(origin.commit, origin.path, origin.entry),
        datums=[_datum(datum, answer) for datum in origin.datums],
        more_datums=origin.more_datums,
        changed=answer.commit_info(origin.changed) if origin.changed else None,
        repeated=origin.repeated,
    )


def _datum(origin: DatumOrigin, answer: wire.Wire) -> local_pb2.DatumOrigin:
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
        spec_commit=_spec_commit(origin, answer),
        image=spec.transform.image,
        cmd=spec.transform.cmd,
        stdin=spec.transform.stdin,
        inputs=[_file(file, answer) for file in origin.inputs],
    )


def _spec_commit(origin: DatumOrigin, answer: wire.Wire) -> pfs_pb2.Commit:
    return answer.commit(
        CommitName(origin.pipeline.spec.versions.repo, origin.pipeline.spec_commit)
    )
