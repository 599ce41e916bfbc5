"""Pipelines, jobs and datums as messages."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from pachlocal.api import wire
from pachlocal.api.pps import specs
from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.history import commits
from pachlocal.pfs.history.names import DEFAULT_PROJECT, META, CommitName, RepoName
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pps.planning.plan import input_commits
from pachlocal.pps.spec.inputs import pfs_inputs
from pachlocal.pps.spec.states import DatumState, PipelineState
from pachlocal.pps.tables import datum_store, jobs, pipelines
from pachlocal.pps.tables.datum_store import DatumInfo, Stats, StoredFile
from pachlocal.pps.tables.jobs import JobInfo, JobProgress
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.pps.worker.workers import WorkerStatus
from pachlocal.proto import pfs_pb2, pps_pb2
from pachlocal.proto.inputs import leaves
from pachlocal.runtime.contract import LOOPBACK
from pachlocal.storage.database import Connection

_TRANSFORM = pps_pb2.PipelineInfo.PIPELINE_TYPE_TRANSFORM
_SPOUT = pps_pb2.PipelineInfo.PIPELINE_TYPE_SPOUT
_SERVICE = pps_pb2.PipelineInfo.PIPELINE_TYPE_SERVICE
_IDLE = (PipelineState.PAUSED, PipelineState.STANDBY)


def pipeline_name(pipeline: pps_pb2.Pipeline) -> tuple[str, str]:
    """Return a pipeline's project and name."""
    return pipeline.project.name or DEFAULT_PROJECT, pipeline.name


def pipeline_message(repo: RepoName) -> pps_pb2.Pipeline:
    """Return the pipeline of an output repo, with the project that Go clients dereference."""
    return pps_pb2.Pipeline(project=pfs_pb2.Project(name=repo.project), name=repo.name)


def job_message(job: JobInfo) -> pps_pb2.Job:
    """Return a job's name."""
    return pps_pb2.Job(pipeline=pipeline_message(job.repo), id=job.id)


def job_of(connection: Connection, job: pps_pb2.Job) -> JobInfo:
    """Return the job that a message names.

    Raises:
        NotFoundError: It isn't there.
    """
    return jobs.inspect(connection, RepoName(*pipeline_name(job.pipeline)), job.id)


def hex_id(text: str) -> bytes:
    """Return a datum's ID.

    Raises:
        InvalidArgumentError: It is none.
    """
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InvalidArgumentError(f"datum ID {text!r} is not hexadecimal") from None


def file_names(file: StoredFile) -> tuple[str, str, str]:
    """Return what a data filter may call an input file: its path, or its hash in two forms."""
    hash_ = file.entry.hash
    return file.path, hash_.hex(), base64.b64encode(hash_).decode()


class Messages:
    """Makes answers of records, in one state of the store."""

    def __init__(self, connection: Connection, answer: wire.Wire) -> None:
        self._connection = connection
        self._wire = answer
        self._commits: dict[int, CommitInfo] = {}  # a page of datums names few, over and over

    def pipeline(
        self,
        info: PipelineInfo,
        workers: Sequence[WorkerStatus],
        *,
        details: bool,
        as_of: int | None = None,
    ) -> pps_pb2.PipelineInfo:
        """Return a pipeline; its last job is of no later version than `as_of`, if that is given."""
        spec = info.spec
        listed = jobs.list_jobs(self._connection, pipeline=info.key)
        newest = next((job for job in listed if as_of is None or job.version <= as_of), None)
        message = pps_pb2.PipelineInfo(
            pipeline=pipeline_message(spec.repo),
            version=info.version,
            spec_commit=self._wire.named_commit(
                CommitName(spec.versions.repo, info.spec_commit, spec.versions.name)
            ),
            stopped=info.stopped,
            state=pps_pb2.PipelineState.ValueType(info.state),
            reason=info.reason,
            last_job_state=pps_pb2.JobState.ValueType(newest.state if newest else 0),
            parallelism=spec.workers,
            type=_SPOUT if spec.spout else _SERVICE if spec.service else _TRANSFORM,
            user_spec_json=info.user_json,
            effective_spec_json=specs.to_json(info.effective_spec),
            metadata=info.metadata,
        )
        if details:
            _copy(specs.to_message(info.effective_spec), message.details)
            message.details.MergeFrom(
                pps_pb2.PipelineInfo.Details(
                    created_at=wire.timestamp(info.begun),
                    updated_at=wire.timestamp(info.created),
                    salt=info.salt,
                    workers_requested=0 if info.stopped else spec.workers,
                    workers_available=0 if info.state in _IDLE else len(workers),
                )
            )
            if spec.service and not info.stopped:
                message.details.service.ip = LOOPBACK
        return message

    def job(
        self, info: JobInfo, workers: Sequence[WorkerStatus] = (), *, details: bool
    ) -> pps_pb2.JobInfo:
        """Return a job."""
        progress = jobs.progress(self._connection, info)
        message = pps_pb2.JobInfo(
            job=job_message(info),
            pipeline_version=info.version,
            output_commit=self._wire.named_commit(CommitName(info.repo, info.id, info.branch)),
            restart=info.restart,
            data_processed=progress.processed,
            data_skipped=progress.skipped,
            data_total=progress.total,
            data_failed=progress.failed,
            data_recovered=progress.recovered,
            stats=_stats(progress),
            state=pps_pb2.JobState.ValueType(info.state),
            reason=info.reason,
            created=wire.timestamp(info.created),
            started=wire.timestamp(info.started),
            finished=wire.timestamp(info.finished),
        )
        if details:
            self._job_details(info, message.details, workers)
        return message

    def _job_details(
        self, info: JobInfo, details: pps_pb2.JobInfo.Details, workers: Sequence[WorkerStatus]
    ) -> None:
        pipeline = pipelines.by_key(self._connection, info.pipeline, info.version)
        _copy(specs.to_message(pipeline.effective_spec), details)
        details.salt = pipeline.salt
        output = commits.by_key(self._connection, info.output)
        sources = input_commits(self._connection, output, pipeline.spec.input)
        inputs = pfs_inputs(pipeline.spec.input)
        for leaf, message in zip(inputs, leaves(details.input), strict=True):
            commit = sources.get(leaf.branch)
            message.commit = commit.name.id if commit else ""
        details.worker_status.extend(self._worker(status, info) for status in workers)

    def _worker(self, status: WorkerStatus, info: JobInfo) -> pps_pb2.WorkerStatus:
        message = pps_pb2.WorkerStatus(worker_id=status.id)
        if status.job == info.id:
            message.job_id = status.job
            datum = datum_store.find(self._connection, info.key, status.datum)
            message.datum_status.CopyFrom(
                pps_pb2.DatumStatus(
                    started=wire.timestamp(status.started),
                    data=[
                        pps_pb2.InputFile(path=file.path, hash=file.entry.hash)
                        for file in (datum.files if datum else ())
                    ],
                )
            )
        return message

    def datum(self, info: DatumInfo, job: JobInfo, image: str) -> pps_pb2.DatumInfo:
        """Return a datum; a skipped one names the job that processed it."""
        processed_by = job
        if info.processed_by not in (None, job.key):
            row = self._connection.execute(
                "SELECT 1 FROM jobs WHERE id = ?", (info.processed_by,)
            ).fetchone()
            if row is not None and info.processed_by is not None:
                processed_by = jobs.by_key(self._connection, info.processed_by)
        meta = CommitName(job.repo.of_type(META), job.id, job.branch)
        return pps_pb2.DatumInfo(
            datum=pps_pb2.Datum(job=job_message(processed_by), id=info.id.hex()),
            state=shown_state(info.state),
            stats=_stats(info.stats),
            pfs_state=pfs_pb2.File(
                commit=self._wire.named_commit(meta), path=f"/pfs/{info.id.hex()}"
            ),
            data=map(self._file, info.files),
            image_id=image,
        )

    def _file(self, file: StoredFile) -> pfs_pb2.FileInfo:
        commit = self._commits.get(file.commit)
        if commit is None:
            commit = self._commits[file.commit] = commits.by_key(self._connection, file.commit)
        return self._wire.file_info(commit, file.path, file.entry)


def shown_state(state: DatumState) -> pps_pb2.DatumState.ValueType:
    """Return the state that clients see: to them, what waits for a worker is starting."""
    shown = DatumState.STARTING if state is DatumState.UNKNOWN else state
    return pps_pb2.DatumState.ValueType(shown)


def _copy(spec: pps_pb2.CreatePipelineRequest, details: Message) -> None:
    """Copy what is set in a spec to the fields of the same name, which are of the same type."""
    known = {
        field.name: value
        for field, value in spec.ListFields()
        if field.name in details.DESCRIPTOR.fields_by_name
    }
    details.MergeFrom(type(details)(**known))


def _stats(stats: Stats | JobProgress) -> pps_pb2.ProcessStats:
    return pps_pb2.ProcessStats(
        download_time=duration(stats.download_ns),
        process_time=duration(stats.process_ns),
        upload_time=duration(stats.upload_ns),
        download_bytes=stats.download_bytes,
        upload_bytes=stats.upload_bytes,
    )


def duration(ns: int) -> Duration:
    """Return so many nanoseconds as a message."""
    return Duration(seconds=ns // 1_000_000_000, nanos=ns % 1_000_000_000)
